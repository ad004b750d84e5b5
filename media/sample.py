"""Sample footage made on the spot, for the demo and the benchmarks: no file is shipped or downloaded."""

from pathlib import Path

from media import _ffmpeg

# A handheld look (slow sway), rain (temporal noise) and drifting colours: moving, noisy, hard to compress.
_PICTURE = (
    "gradients=size={size}:rate=30:duration={duration}:speed=0.02:nb_colors=4"
    ":c0=0x10243f:c1=0x2f5d7c:c2=0x7d8f97:c3=0xb9772e:seed=7,"
    "rotate=a=0.02*sin(2*PI*t/3):ow=iw:oh=ih:c=0x10243f,noise=alls=14:allf=t,format=yuv420p"
)
# Syllables at four a second on a voice of 140 Hz with two formants, over wind.
_SOUND = (
    "aevalsrc=exprs='(0.5+0.5*sin(2*PI*4*t))*(0.22*sin(2*PI*140*t+3*sin(2*PI*2*t))"
    "+0.10*sin(2*PI*720*t)+0.06*sin(2*PI*1240*t))+0.02*(random(0)-0.5)':s=48000:d={duration}"
)


async def make_clip(path: Path, duration_s: int = 12, size: str = "1280x720") -> None:
    """An MP4 as a phone would send it: H.264 and AAC, with an owner and a place in its metadata."""
    picture = _PICTURE.format(size=size, duration=duration_s)
    sound = _SOUND.format(duration=duration_s)
    metadata = ("-metadata", "location=+30.5728+104.0668/", "-metadata", "artist=demo phone")
    inputs = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound)
    codecs = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "4M", "-c:a", "aac", "-b:a", "96k")
    await _ffmpeg.run([*inputs, *codecs, *metadata, "-shortest", str(path)], _LIMITS)


async def make_still(path: Path, seed: int = 1, size: str = "1600x1067") -> None:
    """A JPEG picture; another seed gives another picture."""
    picture = (
        f"gradients=size={size}:duration=1:nb_colors=5:seed={seed}:type=radial:"
        "c0=0x0b1d2a:c1=0x35607a:c2=0xa7b8bd:c3=0xc98b4a:c4=0x1f3b2d,noise=alls=9"
    )
    await _ffmpeg.run(["-f", "lavfi", "-i", picture, "-frames:v", "1", "-q:v", "3", str(path)], _LIMITS)


_LIMITS = _ffmpeg.Limits(wall_s=300, file_bytes=2_000_000_000)
