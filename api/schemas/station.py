"""The station's logo and clips."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Sha256, Shown


class StationFileShown(Shown):
    """The file in one role."""

    role: str
    sha256: str
    size_bytes: int
    filename: str
    set_at: datetime


class StationFiles(Shown):
    """What is set; a role without a file is left out."""

    items: list[StationFileShown]


class StationFileOrder(Body):
    """A file that went through intake with some submission, made for this purpose or not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"submission_id": "0190b1d2-6a1e-7c3a-9d5e-2f4b8a6c0e11", "sha256": "0" * 64}]
        }
    )
    submission_id: UUID
    sha256: Sha256 = Field(description="Of a PNG for the logo, of a video of at most 30 s for a clip.")
