"""The renditions that exist, as data: what each takes, its size and rates, and where the numbers are from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from media.sniff import Kind
from states.text import Text


class Output(StrEnum):
    """The form of a rendition."""

    MP4 = "mp4"
    HLS = "hls"
    M4A = "m4a"
    JPEG = "jpeg"


@dataclass(frozen=True, slots=True)
class Rung:
    """One size of a rendition: a box that is turned as the source is, and a cap on its bit rate."""

    name: str
    long_px: int
    short_px: int
    max_bitrate_bps: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """One rendition. With a `canvas` the picture is padded to exactly that; otherwise it is fitted into a rung."""

    name: str
    kinds: tuple[Kind, ...]
    output: Output
    label: Text
    source: str
    rungs: tuple[Rung, ...] = ()
    canvas: tuple[int, int] | None = None
    # The rate of the source up to this one; with `is_rate_fixed`, always this one.
    max_frame_rate: Fraction = Fraction(60)
    is_rate_fixed: bool = False
    crf: int = 22
    keyframe_interval_s: int = 2
    segment_s: int = 6
    audio_bitrate_bps: int = 128_000
    jpeg_quality: int = 85


_HOUSE = "house value, 2026-11"
_APP = "PLATFORMS.md, row 'News app (own)', read 2026-11-22"
_VERTICAL = "PLATFORMS.md, row 'Douyin', read 2026-11-22; the bit rate is a house value"
_LADDER = (
    Rung("1080p", 1920, 1080, 6_000_000),
    Rung("720p", 1280, 720, 3_000_000),
    Rung("540p", 960, 540, 2_000_000),
    Rung("360p", 640, 360, 730_000),
)
_VIDEO, _STILL = (Kind.VIDEO,), (Kind.STILL,)

_ALL = (
    Profile(
        "preview",
        _VIDEO,
        Output.MP4,
        Text("审稿预览", "Preview for review"),
        _HOUSE,
        (Rung("360p", 640, 360, 700_000),),
        max_frame_rate=Fraction(30),
        crf=27,
        audio_bitrate_bps=64_000,
    ),
    Profile("poster", _VIDEO, Output.JPEG, Text("封面图", "Poster"), _HOUSE, (Rung("poster", 1280, 1280),)),
    Profile(
        "thumbnail", _STILL, Output.JPEG, Text("缩略图", "Thumbnail"), _HOUSE, (Rung("small", 640, 640),)
    ),
    Profile("app_hls", _VIDEO, Output.HLS, Text("客户端流媒体", "App stream"), _APP, _LADDER),
    Profile("app_mp4", _VIDEO, Output.MP4, Text("客户端视频", "App video"), _APP, _LADDER[:1]),
    Profile(
        "app_still", _STILL, Output.JPEG, Text("客户端图片", "App still"), _APP, (Rung("full", 1920, 1920),)
    ),
    Profile("app_audio", (Kind.AUDIO,), Output.M4A, Text("客户端音频", "App audio"), _APP),
    Profile(
        "vertical_mp4",
        _VIDEO,
        Output.MP4,
        Text("竖屏视频", "Vertical video"),
        _VERTICAL,
        (Rung("vertical", 1920, 1080, 8_000_000),),
        canvas=(1080, 1920),
        max_frame_rate=Fraction(30),
        is_rate_fixed=True,
        crf=21,
    ),
    Profile(
        "vertical_cover",
        (Kind.VIDEO, Kind.STILL),
        Output.JPEG,
        Text("竖屏封面", "Vertical cover"),
        _VERTICAL,
        (Rung("cover", 1440, 1080),),
        canvas=(1080, 1440),
        jpeg_quality=88,
    ),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})


def profiles_for(kind: Kind, names: Iterable[str]) -> tuple[Profile, ...]:
    """Those of the named profiles that take this kind of file, each once, in the order asked. KeyError: no such."""
    wanted = [PROFILES[name] for name in dict.fromkeys(names)]
    return tuple(profile for profile in wanted if kind in profile.kinds)
