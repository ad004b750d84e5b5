"""Sample footage made on the spot, for the demo and the benchmarks: no file is shipped or downloaded.

A town at the river on a rainy night, drawn with boxes; rain is noise, the hand that holds the phone a sway.
"""

import random
import tempfile
from pathlib import Path

from media import _ffmpeg

_LIMITS = _ffmpeg.Limits(wall_s=300, file_bytes=2_000_000_000)
_SKY = "gradients=size={width}x{height}:duration=1:rate=1:c0=0x0a1626:c1=0x3d5873:x0=0:y0=0:x1=0:y1={height}:seed=1"
_RIVER = (
    "split[town][copy];[copy]crop=iw:ih*0.28:0:ih*0.44,vflip,boxblur=6:2,eq=brightness=-0.06:saturation=0.8[water];"
    "[town][water]overlay=0:H*0.72"
)
# Syllables at four a second on a voice of 140 Hz with two formants, over wind.
_SOUND = (
    "aevalsrc=exprs='(0.5+0.5*sin(2*PI*4*t))*(0.22*sin(2*PI*140*t+3*sin(2*PI*2*t))"
    "+0.10*sin(2*PI*720*t)+0.06*sin(2*PI*1240*t))+0.02*(random(0)-0.5)':s=48000:d={duration}"
)
_SWAY = "crop={width}:{height}:'(iw-ow)/2*(1+sin(2*PI*t/3.1))':'(ih-oh)/2*(1+cos(2*PI*t/4.3))'"


async def make_still(path: Path, seed: int = 1, width: int = 1600, height: int = 1066) -> None:
    """A JPEG (or, by its name, PNG) picture; another seed gives another town."""
    town = ",".join(_houses(random.Random(seed), width, height))  # noqa: S311 - a picture, no secret
    sky = _SKY.format(width=width, height=height)
    graph = f"{sky},{town},{_RIVER},noise=alls=8,format=yuv444p"
    await _ffmpeg.run(["-f", "lavfi", "-i", graph, "-frames:v", "1", "-q:v", "3", str(path)], _LIMITS)


def _houses(chance: random.Random, width: int, height: int) -> list[str]:
    """Filters that draw a street of houses with some lit windows, down to the river."""
    boxes, x, ground, cell = [], 0, int(height * 0.72), width // 64
    while x < width:
        wide, tall = cell * chance.randint(4, 9), int(height * chance.uniform(0.12, 0.42))
        shade = chance.choice(("0x0b1018", "0x111a24", "0x16202b"))
        boxes.append(f"drawbox=x={x}:y={ground - tall}:w={wide}:h={tall}:color={shade}:t=fill")
        for row in range(ground - tall + cell, ground - cell, cell * 2):
            lit = (column for column in range(x + cell, x + wide - cell, cell * 2) if chance.random() < 0.35)
            light = chance.choice(("0xf2c46d", "0xe8a94f", "0xcfd8dc"))
            boxes += [f"drawbox=x={c}:y={row}:w={cell}:h={cell}:color={light}@0.85:t=fill" for c in lit]
        x += wide
    return boxes


async def make_clip(path: Path, duration_s: int = 10, width: int = 1280, height: int = 720) -> None:
    """An MP4 as a phone would send it: H.264 and AAC, with an owner and a place in its metadata."""
    with tempfile.TemporaryDirectory(prefix="sanshen-sample-") as folder:
        scene = Path(folder) / "scene.png"
        await make_still(scene, seed=5, width=width + 80, height=height + 48)
        looped = ["-loop", "1", "-framerate", "25", "-t", str(duration_s), "-i", str(scene)]
        sound = ["-f", "lavfi", "-i", _SOUND.format(duration=duration_s)]
        sway = _SWAY.format(width=width, height=height)
        picture = ["-vf", f"format=yuv420p,{sway},noise=c0s=16:c0f=t"]
        codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "4M", "-c:a", "aac", "-b:a", "96k"]
        metadata = ["-metadata", "location=+30.5728+104.0668/", "-metadata", "artist=demo phone"]
        await _ffmpeg.run([*looped, *sound, *picture, *codecs, *metadata, "-shortest", str(path)], _LIMITS)
