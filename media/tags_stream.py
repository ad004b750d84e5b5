"""The tags of a video or a sound, as its container keeps them. Runs behind the guard."""

import re
from collections.abc import Mapping
from pathlib import Path

import av

from media.errors import Malformed
from media.metadata import Metadata, clean, from_tags
from media.streams import open_input
from states.text import Text

# Which tags of a container say it, the most telling first: Apple's, Android's, then what all may have. Apple's
# creation date has the zone of the place; `creation_time` is the header's, in UTC. `©xyz` comes as `location`.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "location": ("com.apple.quicktime.location.iso6709", "location", "location-eng"),
    "make": ("com.apple.quicktime.make", "com.android.manufacturer", "make"),
    "model": ("com.apple.quicktime.model", "com.android.model", "model"),
    "author": ("com.apple.quicktime.author", "author", "artist", "album_artist", "director"),
    "owner": ("owner", "ownr"),
    "copyright": ("com.apple.quicktime.copyright", "copyright"),
    "taken_at": (
        "com.apple.quicktime.creationdate",
        "creation_time",
        "date_recorded",
        "date",
    ),
    "software": ("com.apple.quicktime.software", "software", "encoder", "encoded_by"),
}
_MAX_TAGS = 2_000
_CLOCK = re.compile(r"(\d\d)[:._ -](\d\d)[:._ -](\d\d)")


def stream_tags(path: Path, demuxer: str) -> Metadata:
    """What the tags say; Malformed when the container cannot be opened."""
    try:
        with open_input(path, demuxer, metadata_errors="surrogateescape") as container:
            tags: dict[str, str] = {}
            # Ogg keeps its tags with the stream. What the container says counts more.
            for each in (*(stream.metadata for stream in container.streams), container.metadata):
                tags |= {key.lower(): value for key, value in list(each.items())[:_MAX_TAGS]}
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise Malformed(
            Text(
                "文件已损坏或不完整，请从设备上重新导出并上传。",
                "The file is damaged; export it from the device again and upload it.",
            ),
            type(error).__name__,
        ) from error
    return from_tags({name: _said(tags, keys) for name, keys in _NAMES.items()} | _recorded(tags))


def _said(tags: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((tags[key] for key in keys if clean(tags.get(key))), None)


def _recorded(tags: Mapping[str, str]) -> dict[str, object]:
    """A Broadcast Wave File (EBU Tech 3285) names its recorder and keeps day and time apart; ffmpeg calls them so."""
    clock = _CLOCK.fullmatch(tags.get("creation_time", ""))
    if not clock or "date" not in tags:
        return {}
    return {"taken_at": f"{tags['date']} {':'.join(clock.groups())}", "model": tags.get("encoded_by")}
