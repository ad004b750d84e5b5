"""The families of files, and what the content of one says that it is."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The families of files that a newsroom takes. An animation is a still with several frames."""

    VIDEO = "video"
    AUDIO = "audio"
    STILL = "still"
    TEXT = "text"
    DOCUMENT = "document"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The type of a file. `demuxer` is the only one that ffmpeg may use on it, None where ffmpeg must not."""

    kind: Kind
    format: str
    media_type: str
    demuxer: str | None
    is_animated: bool = False
