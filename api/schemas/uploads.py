"""Uploads in parts. The bytes go to the object store, never through the API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from api.schemas.base import Body, Sha256, Shown, Words
from api.schemas.submissions import Standing

# RFC 6838 section 4.2, with parameters as in RFC 9110 section 8.3.1.
MEDIA_TYPE = r"[A-Za-z0-9.+!#$&^_-]+/[A-Za-z0-9.+!#$&^_-]+(?: *;[ -~]*)?"
MediaType = Annotated[str, StringConstraints(pattern=f"^{MEDIA_TYPE}$", max_length=255)]


class NewUpload(Body):
    """A file to be sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "filename": "通车现场.mp4",
                    "size_bytes": 48_211_337,
                    "sha256": "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea",
                    "media_type": "video/mp4",
                    "caption": "新桥通车现场",
                }
            ]
        }
    )
    filename: str = Field(min_length=1, max_length=1000, description="Only its last part is kept.")
    size_bytes: int = Field(le=2**63 - 1)
    sha256: Sha256 | None = Field(None, description="Where given, the bytes that arrive must have it.")
    media_type: MediaType | None = Field(None, description="As the client knows it; intake looks for itself.")
    caption: Words = Field("", max_length=1000)


class PartToSend(Shown):
    """One part: PUT exactly these bytes of the file to this address; it takes no other size."""

    number: int
    offset_bytes: int
    size_bytes: int
    url: str


class UploadLine(Shown):
    """An upload, in a list."""

    id: UUID
    submission_id: UUID
    state: str = Field(description="open, completed, aborted, expired; joined: a part of another upload")
    door: str = Field(description="parts: sent to presigned addresses; tus: sent to `/api/v1/tus/{id}`")
    filename: str
    media_type: str | None
    size_bytes: int
    created_at: datetime
    expires_at: datetime


class UploadList(Shown):
    """Unfinished uploads, the newest first."""

    items: list[UploadLine]


class UploadShown(UploadLine):
    """An upload: what has arrived, and where to send what has not."""

    part_size_bytes: int
    part_count: int
    arrived: list[int] = Field(description="Numbers of the parts that need not be sent again.")
    parts: list[PartToSend] = Field(description="The first missing parts, at most 1000; ask again for more.")
    urls_expire_at: datetime


class UploadDone(Shown):
    """The file that the upload became, and where the submission stands with it."""

    asset_sha256: str
    asset_size_bytes: int
    filename: str
    submission: Standing
