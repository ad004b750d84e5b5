"""What a search looks through: each piece's newest text, cut into words and pairs of characters."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from storage.tables._columns import moment, strings


class SearchEntry(SQLModel, table=True):
    """The newest revision of one piece, as `storage.search_words` cuts it. Can be made anew at any time."""

    __tablename__ = "search_entry"
    __table_args__ = (
        Index("search_words", "words", postgresql_using="gin"),
        Index("search_pairs", "pairs", postgresql_using="gin"),
        Index("search_newest", "at", "submission_id"),
    )
    submission_id: UUID = Field(primary_key=True, foreign_key="submission.id")
    revision_number: int
    cut_version: int  # of `storage.search_words`; an older one is cut again
    byline: str
    words: list[str] = strings()
    pairs: list[str] = strings()
    plain: str  # everything in it, folded as queries are
    at: datetime = moment()  # of the revision
