"""What the packets and the first frame of a file say. Reads with PyAV, behind the guard; changes nothing."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.aigc import in_metadata
from media.boxes import is_cut_short
from media.dolby import refuse_dolby_vision_alone
from media.errors import Malformed, NotMedia, TooLarge
from media.probe import MAX_VIDEO_PIXELS, AudioFacts, StreamFacts, VideoFacts
from media.timing import Timing, read_timings
from states.text import Text

_HDR_TRANSFERS = {16, 18}  # PQ and HLG, ITU-T H.273 table 3
_BOTTOM_FIRST = {3, 5}  # libavcodec's AVFieldOrder: BB and BT
_OPEN_LIMITS_S, _PACKETS_TO_FIRST_FRAME = (20.0, 20.0), 300
# PyAV, and reading by hand, raise all of these on damaged files.
_DAMAGE = (av.FFmpegError, EOFError, ValueError, OverflowError, ZeroDivisionError, struct.error)


def stream_facts(path: Path, demuxer: str, container: str) -> StreamFacts:
    """What moves in a file. Malformed when damaged or cut short, TooLarge over a pixel cap, NotMedia when empty."""
    try:
        if is_cut_short(path, container):
            raise _damaged("cut short")
        refuse_dolby_vision_alone(path, container)
        return _read(path, demuxer)
    except _DAMAGE as error:
        raise _damaged(type(error).__name__) from error


def open_input(path: Path, demuxer: str, metadata_errors: str = "replace") -> InputContainer:
    """The file, opened by this demuxer alone and with no way to any other file or address.

    `metadata_errors` is what becomes of tags that are not UTF-8; PyAV's own choice refuses the whole file.
    """
    # Without the two lists a playlist dressed as MP4 reads its neighbours (TRAPS.md, ODD-INPUTS 32).
    options = {"format_whitelist": demuxer, "protocol_whitelist": "file"}
    return av.open(
        f"file:{path.resolve()}",
        format=demuxer,
        options=options,
        metadata_errors=metadata_errors,
        timeout=_OPEN_LIMITS_S,
    )


def _read(path: Path, demuxer: str) -> StreamFacts:
    with open_input(path, demuxer) as container:
        videos = [stream for stream in container.streams.video if _is_moving(stream)]
        audios = [stream for stream in container.streams.audio if stream.codec_context is not None]
        unknown_sounds = len(container.streams.audio) - len(audios)
        for stream in videos:
            _refuse_huge(stream.codec_context.width, stream.codec_context.height)
        timings = read_timings(container, [*videos, *audios])
        header_s = container.duration / av.time_base if container.duration else None
        aigc = in_metadata(container.metadata)
        has_location = any("location" in key.lower() for key in container.metadata)
        # In here still: a stream of a closed container reads freed memory.
        video_index = _default_index(videos, timings)
        audio_index = _default_index(audios, timings)
    if any(timing.corrupt_packets for timing in timings.values()) and demuxer == "mov":
        raise _damaged("packets are missing")
    video = _video_facts(path, demuxer, video_index, timings) if video_index is not None else None
    audio = _audio_facts(path, demuxer, audio_index, timings) if audio_index is not None else None
    if video is None and audio is None:
        raise _no_streams()
    return StreamFacts(
        duration_s=_duration_s(video, audio),
        header_duration_s=header_s,
        video=video,
        audio=audio,
        video_streams=len(videos),
        audio_streams=len(audios),
        unknown_sounds=unknown_sounds,
        has_location=has_location,
        aigc=aigc,
    )


def _is_moving(stream: VideoStream) -> bool:
    # Cover art of a song poses as a video stream.
    return stream.codec_context is not None and not stream.disposition & Disposition.attached_pic


def _default_index(
    streams: list[VideoStream] | list[AudioStream], timings: Mapping[int, Timing]
) -> int | None:
    with_packets = [stream for stream in streams if stream.index in timings]
    chosen = [stream for stream in with_packets if stream.disposition & Disposition.default] or with_packets
    return chosen[0].index if chosen else None


def _video_facts(path: Path, demuxer: str, index: int, timings: Mapping[int, Timing]) -> VideoFacts:
    with open_input(path, demuxer) as container:
        stream = container.streams[index]
        assert isinstance(stream, VideoStream)  # noqa: S101 - chosen among the video streams
        frame = _first_frame(container, stream)
        width, height = _shown_size(frame, stream)
        timing = timings[index]
        context = stream.codec_context
        return VideoFacts(
            index=index,
            codec=context.name,
            width=width,
            height=height,
            rotation_deg=frame.rotation,
            frame_rate=timing.rate or stream.average_rate or Fraction(25),
            is_variable_rate=timing.is_variable,
            frame_count=timing.packets,
            start_s=timing.start_s,
            end_s=timing.end_s,
            pix_fmt=frame.format.name,
            color_matrix=int(frame.colorspace),
            color_range=int(frame.color_range),
            is_hdr=int(frame.color_trc) in _HDR_TRANSFERS,
            is_interlaced=bool(frame.interlaced_frame),
            color_transfer=int(frame.color_trc),
            color_primaries=int(frame.color_primaries),
            is_square=(stream.sample_aspect_ratio or 1) == 1,
            is_turned=_is_turned(frame),
            is_bottom_first=int(context.field_order) in _BOTTOM_FIRST,
            codec_profile=context.profile,
            level=context.level if context.level > 0 else None,
            bitrate_bps=timing.bitrate_bps,
            keyframe_gap_s=timing.keyframe_gap_s,
            hidden_packets=timing.hidden_packets,
        )


def _is_turned(frame: VideoFrame) -> bool:
    try:
        return frame.side_data.get("DISPLAYMATRIX") is not None
    except ValueError:
        # PyAV 18.1 falls over side data that is newer than its list, such as EXIF (31). True costs a decode at most.
        return True


def _first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame:
    for count, packet in enumerate(container.demux(stream)):
        for frame in packet.decode():
            assert isinstance(frame, VideoFrame)  # noqa: S101 - a video stream decodes to nothing else
            _refuse_huge(frame.width, frame.height)
            return frame
        if count > _PACKETS_TO_FIRST_FRAME:
            break
    raise _damaged("no frame can be decoded")


def _shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width, height = round(frame.width * aspect), frame.height
    is_sideways = frame.rotation % 180 == 90
    return (height, width) if is_sideways else (width, height)


def _audio_facts(path: Path, demuxer: str, index: int, timings: Mapping[int, Timing]) -> AudioFacts:
    with open_input(path, demuxer) as container:
        stream = container.streams[index]
        assert isinstance(stream, AudioStream)  # noqa: S101 - chosen among the audio streams
        timing = timings[index]
        return AudioFacts(
            index,
            stream.codec_context.name,
            stream.rate,
            stream.channels,
            timing.start_s,
            timing.end_s,
            stream.codec_context.profile,
            timing.bitrate_bps,
            timing.hidden_packets,
        )


def _duration_s(*parts: VideoFacts | AudioFacts | None) -> float:
    present = [part for part in parts if part]
    # Below zero lies what an encoder needs to run in; no player shows it.
    start_s = max(0.0, min(part.start_s for part in present))
    return round(max(part.end_s for part in present) - start_s, 6)


def _refuse_huge(width: int, height: int) -> None:
    if width * height > MAX_VIDEO_PIXELS:
        raise TooLarge(
            Text(
                "视频画面超过 8K 的上限，请缩小后上传。",
                "The video's picture is larger than 8K; scale it down and send it again.",
            )
        )


def _damaged(detail: str) -> Malformed:
    return Malformed(
        Text(
            "文件已损坏或不完整，请从设备上重新导出并上传。",
            "The file is damaged or incomplete; export it from the device again and upload it.",
        ),
        detail,
    )


def _no_streams() -> NotMedia:
    return NotMedia(
        Text(
            "文件中没有可用的画面或声音，请检查后重新上传。",
            "There is neither picture nor sound in this file; check it and upload it again.",
        )
    )
