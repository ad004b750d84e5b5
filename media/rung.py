"""The packets of a rung, its segments read one after the other. Runs behind the guard."""

import io
from collections.abc import Sequence
from pathlib import Path

import av

from media.errors import Malformed
from media.timing import MediaStream, RungTimings, read_timings
from states.text import Text


def rung_timings(path: Path, names: tuple[str, ...]) -> RungTimings:
    """The time of the streams in these files of the folder, joined. Malformed when they cannot be read."""
    joined = _Joined([path / name for name in names])
    try:
        with av.open(joined, mode="r", format="mov", options={"format_whitelist": "mov"}) as container:
            streams: list[MediaStream] = [*container.streams.video, *container.streams.audio]
            timings = read_timings(container, streams)
            found = {stream.type: timings[stream.index] for stream in streams if stream.index in timings}
    except (av.FFmpegError, OSError, ValueError) as error:
        text = Text("转码结果无法读回，请重试。", "The rendition cannot be read back; try again.")
        raise Malformed(text, type(error).__name__) from error
    return RungTimings(found.get("video"), found.get("audio"))


class _Joined:
    """Files read one after the other, as a player's buffer sees them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._waiting = list(paths)
        self._open: io.BufferedReader | None = None

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end of the last file."""
        while self._open or self._waiting:
            if self._open is None:
                self._open = self._waiting.pop(0).open("rb")
            if piece := self._open.read(size):
                return piece
            self._open.close()
            self._open = None
        return b""
