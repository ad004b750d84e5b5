"""What intake keeps of the pictures in a file, and which files it found to be alike."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlmodel import Column, Field, SQLModel

from storage.tables._columns import moment


class FingerprintRow(SQLModel, table=True):
    """64 bits of how one picture looks: of a still (no `at_s`), or of a film at one moment."""

    __tablename__ = "fingerprint"
    asset_id: UUID = Field(sa_column=Column(ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True))
    number: int = Field(primary_key=True)
    at_s: float | None = None
    bits: int = Field(sa_column=Column(BigInteger, nullable=False))  # the sign is the first bit


class AssetMatch(SQLModel, table=True):
    """Two files of two submissions that are alike; found when the first of the pair was examined."""

    __tablename__ = "asset_match"
    __table_args__ = (CheckConstraint("kind IN ('same', 'essence', 'likely')", name="asset_match_kind"),)
    asset_id: UUID = Field(sa_column=Column(ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True))
    other_id: UUID = Field(
        sa_column=Column(ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True, index=True)
    )
    kind: str
    distance: int = 0  # bits that differ where they are most alike
    at_s: float | None = None  # where in the first file, of a film
    found_at: datetime = moment()
