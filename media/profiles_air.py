"""The renditions for television, radio, the mobile newspaper and print."""

from fractions import Fraction

from media.profiles_app import HOUSE
from media.profiles_form import (
    AUDIO,
    LABELLED,
    STILL,
    VIDEO,
    Bounds,
    Cite,
    Extra,
    Loudness,
    Output,
    Profile,
    Rung,
)
from states.text import Text

_TV = "PLATFORMS.md, row 'TV station playout', read 2026-11-22"
_RADIO = "PLATFORMS.md, row 'Radio', read 2026-11-22"
_MMS = "PLATFORMS.md, row 'Mobile newspaper', read 2026-11-22"
_PRINT = "PLATFORMS.md, row 'Newspaper (print)', read 2026-11-22"
_RADIO_LOUDNESS = Loudness(target_lufs=-23, max_peak_dbtp=-1)
_ANY = (*AUDIO, *VIDEO)
_PRINT_CITES = (Cite(("dpi",), _PRINT, "H"), Cite(("rungs", "jpeg_quality"), HOUSE, "house"))


def _mms(name: str, class_kb: int, box_px: int, for_text_bytes: int) -> Profile:
    """A still for an MMS class; its text and layout take their part of the class."""
    return Profile(
        name,
        STILL,
        Output.JPEG,
        Text(f"手机报图片（{class_kb} KB）", f"Mobile newspaper still ({class_kb} KB)"),
        _MMS,
        (Rung("mms", box_px, box_px),),
        jpeg_quality=80,
        bounds=Bounds(size_bytes=class_kb * 1000 - for_text_bytes),
        is_budgeted=True,
        extras=LABELLED,
        cited=(
            Cite(("bounds",), _MMS, "M"),
            Cite(("rungs", "jpeg_quality", "bytes for text"), HOUSE, "house"),
        ),
    )


def _print(name: str, output: Output, label: Text) -> Profile:
    return Profile(
        name,
        STILL,
        output,
        label,
        _PRINT,
        # As large as it came: print wants every pixel.
        (Rung("full", 20_000, 20_000),),
        jpeg_quality=95,
        extras=LABELLED,
        dpi=300,
        is_iptc_kept=True,
        cited=_PRINT_CITES,
    )


AIR = (
    Profile(
        "tv_mxf",
        VIDEO,
        Output.MXF,
        Text("电视播出文件", "TV playout file"),
        _TV,
        (Rung("1080i", 1920, 1080, 50_000_000),),
        canvas=(1920, 1080),
        max_frame_rate=Fraction(25),
        is_rate_fixed=True,
        # The playout server lays the station's own bug over it.
        extras=(Extra.CLIPS, Extra.SUBTITLES, Extra.AI_LABEL),
        loudness=Loudness(target_lufs=-24, max_peak_dbtp=-2),
        cited=(Cite(("rungs", "canvas", "max_frame_rate", "loudness"), _TV, "M"),),
    ),
    Profile(
        "radio_wav",
        _ANY,
        Output.WAV,
        Text("广播 WAV", "Radio WAV"),
        _RADIO,
        audio_bitrate_bps=48_000 * 24 * 2,
        loudness=_RADIO_LOUDNESS,
        extras=LABELLED,
        cited=(Cite(("loudness",), _RADIO, "H"), Cite(("audio_bitrate_bps",), HOUSE, "house")),
    ),
    Profile(
        "radio_mp3",
        _ANY,
        Output.MP3,
        Text("广播 MP3", "Radio MP3"),
        _RADIO,
        audio_bitrate_bps=256_000,
        loudness=_RADIO_LOUDNESS,
        extras=LABELLED,
        cited=(Cite(("loudness",), _RADIO, "H"), Cite(("audio_bitrate_bps",), HOUSE, "house")),
    ),
    _mms("mms_still", 300, 800, 20_000),
    _mms("mms_still_100", 100, 480, 10_000),
    _mms("mms_still_30", 30, 240, 5_000),
    _print("print_still", Output.JPEG, Text("印刷图片", "Print still")),
    _print("print_tiff", Output.TIFF, Text("印刷图片 TIFF", "Print still (TIFF)")),
)
