"""What the facts alone tell a reviewer; what is found by looking and listening is in the two neighbours."""

from media.commands_picture import matrix_of
from media.commands_sound import downmix, has_mono_tracks
from media.finding import Finding
from media.probe import AudioFacts, Probe, VideoFacts
from states.text import Text

# Footage from before high definition, or a file from a chat program.
_LOW_PX = 360
_SURROUND_ZH = "按 ITU-R BS.775 缩混为立体声：中置与环绕 −3 dB，不含低音声道"


def find(facts: Probe) -> tuple[Finding, ...]:
    """What the facts alone tell a reviewer, in a fixed order."""
    found = [*_of_video(facts), *_of_streams(facts), *_of_sound(facts), *_of_file(facts)]
    return tuple(Finding(code, text) for code, text in found)


def _of_video(facts: Probe) -> list[tuple[str, Text]]:
    video = facts.video
    if video is None:
        return []
    signs = [
        (
            video.is_variable_rate,
            "variable_frame_rate",
            Text("帧率可变，成品将转为恒定帧率。", "The frame rate varies; renditions get a constant one."),
        ),
        (
            video.is_hdr,
            "hdr",
            Text(
                "HDR 视频，成品将转为标准动态范围。", "HDR video; renditions are made standard dynamic range."
            ),
        ),
        (
            video.is_interlaced,
            "interlaced",
            Text("隔行扫描，成品将转为逐行。", "Interlaced; renditions are made progressive."),
        ),
        (facts.audio is None, "no_audio", Text("没有声音。", "There is no sound.")),
        (
            min(video.width, video.height) < _LOW_PX,
            "low_resolution",
            Text("画面短边不足 360 像素。", "The shorter side has less than 360 pixels."),
        ),
        (_is_assumed(video), "colour_assumed", _assumed(video)),
    ]
    return [(code, text) for is_so, code, text in signs if is_so]


def _is_assumed(video: VideoFacts) -> bool:
    return not video.is_hdr and matrix_of(video) != "auto"


def _assumed(video: VideoFacts) -> Text:
    name = "BT.709" if matrix_of(video) == "bt709" else "BT.601"
    return Text(
        f"没有可用的色彩标记，按画面大小当作 {name}；请留意成品颜色。",
        f"There is no usable colour tag; by its size the picture is taken for {name}. Mind the colours.",
    )


def _of_streams(facts: Probe) -> list[tuple[str, Text]]:
    found = []
    if facts.video_streams > 1:
        text = Text(
            f"有 {facts.video_streams} 路画面，只用默认的一路。",
            f"There are {facts.video_streams} pictures; only the default one is used.",
        )
        found.append(("several_pictures", text))
    if facts.unknown_sounds:
        used = ("其余声音照用", "the other one is used") if facts.audio else ("成品没有声音", "none is used")
        text = Text(
            f"有 {facts.unknown_sounds} 路声音的编码无法识别，{used[0]}。",
            f"The coding of {facts.unknown_sounds} of the sounds is unknown; {used[1]}.",
        )
        found.append(("unknown_sound", text))
    if facts.audio_streams > 1 and not has_mono_tracks(facts):
        text = Text(
            f"有 {facts.audio_streams} 路声音，只用默认的一路。",
            f"There are {facts.audio_streams} sounds; only the default one is used.",
        )
        found.append(("several_sounds", text))
    return found


def _of_sound(facts: Probe) -> list[tuple[str, Text]]:
    audio = facts.audio
    mixed = downmix(audio.channels) if audio else None
    if audio is None or mixed is None or has_mono_tracks(facts):
        return []
    return [("downmix", Text(f"{_mixed_zh(audio)}。", f"The sound: {mixed}."))]


def _mixed_zh(audio: AudioFacts) -> str:
    if audio.channels == 1:
        return "单声道，成品左右声道相同"
    if audio.channels in {6, 8}:
        return f"{audio.channels - 1}.1 声道，{_SURROUND_ZH}"
    return f"{audio.channels} 个声道，各 −3 dB 缩混为立体声"


def _of_file(facts: Probe) -> list[tuple[str, Text]]:
    found = []
    header_s, real_s = facts.header_duration_s, facts.duration_s
    if header_s and real_s and header_s > real_s * 1.1 + 1:
        text = Text(
            f"文件声称 {header_s:.0f} 秒，实际只有 {real_s:.0f} 秒。",
            f"The file says {header_s:.0f} s and holds {real_s:.0f} s.",
        )
        found.append(("shorter_than_stated", text))
    if facts.still and facts.still.frame_count > 1 and facts.still.format != "tiff":
        text = Text(
            f"动图，共 {facts.still.frame_count} 帧；图片成品只取第一帧。",
            f"An animation of {facts.still.frame_count} frames; still renditions take the first one.",
        )
        found.append(("animated", text))
    if facts.has_location:
        text = Text(
            "含拍摄位置信息；存档保留，发布时全部去除。",
            "Holds the place of recording; kept in the archive, removed from everything published.",
        )
        found.append(("has_location", text))
    return found
