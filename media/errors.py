"""Why a file was refused or a rendition was not made. Every message says what to do next, in both languages."""

from typing import ClassVar

from states.text import Text


class MediaError(Exception):
    """Something about a media file went wrong."""

    code: ClassVar[str] = "media.error"

    def __init__(self, text: Text, detail: str = "") -> None:
        # Both go to Exception, so that the error survives pickling between worker processes.
        super().__init__(text, detail)
        self.text = text
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.text.en} [{self.code}] {self.detail}".strip()


class RetryableMediaError(MediaError):
    """The same work may succeed when it is tried again."""

    code = "media.retryable"


class NotMedia(MediaError):
    """The content is nothing that this newsroom takes."""

    code = "media.unsupported"


class Malformed(MediaError):
    """The format is known, but the file is damaged or incomplete."""

    code = "media.malformed"


class TooLarge(MediaError):
    """The file, or what it would unpack to, is over a limit."""

    code = "media.too_large"


class Infected(MediaError):
    """The malware scanner knows what is in the file."""

    code = "media.infected"


class NotScanned(MediaError):
    """The malware scanner could not look through a file of a kind that must not pass without."""

    code = "media.not_scanned"


class OverLimit(MediaError):
    """The platform would not take what could be made of this file."""

    code = "media.over_limit"


class EncodeFailed(MediaError):
    """The encoder refused the work."""

    code = "media.encode_failed"


class OutputWrong(MediaError):
    """The encoder said that all went well, and the output says otherwise."""

    code = "media.output_wrong"


class TimedOut(RetryableMediaError):
    """The work took longer than it may."""

    code = "media.timed_out"


class EncoderKilled(RetryableMediaError):
    """The encoder was killed from outside, mostly for lack of memory."""

    code = "media.encoder_killed"


class ScannerAway(RetryableMediaError):
    """The malware scanner is configured and does not answer; no file passes meanwhile."""

    code = "media.scanner_away"
