"""Small pictures on one sheet with their times."""

import random
import re
from pathlib import Path

import pytest
from PIL import Image

from media.scan import Frame
from media.sheets import make_sheet
from media.stills_order import Sheet
from media.storyboard import MAX_SHEET_BYTES, make_storyboard, webvtt

pytestmark = pytest.mark.slow

CUE = re.compile(
    r"(\d\d):(\d\d):(\d\d\.\d{3}) --> (\d\d):(\d\d):(\d\d\.\d{3})\n(.+)#xywh=(\d+),(\d+),(\d+),(\d+)\n"
)


def colored(folder: Path, count: int, size: tuple[int, int] = (320, 180), step_s: float = 1.0) -> list[Frame]:
    """Frames of one grey each, lighter and lighter."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("L", size, 2 * number + 10).convert("RGB").save(folder / f"{number:03}.jpg", quality=95)
    return [Frame((number + 0.5) * step_s, folder / f"{number:03}.jpg") for number in range(count)]


def noisy(folder: Path, count: int) -> list[Frame]:
    """The worst that can come: noise that is as coarse as the small pictures are."""
    dice = random.Random(1)
    for number in range(count):
        noise = Image.frombytes("RGB", (120, 68), dice.randbytes(120 * 68 * 3))
        noise.resize((320, 180), Image.Resampling.LANCZOS).save(folder / f"{number:03}.jpg", quality=95)
    return [Frame(float(number), folder / f"{number:03}.jpg") for number in range(count)]


def seconds(hours: str, minutes: str, rest: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@pytest.mark.parametrize(("count", "size"), [(120, (320, 180)), (7, (180, 320)), (1, (320, 180))])
async def test_every_time_of_the_film_has_its_picture(tmp_path, count, size):
    frames = colored(tmp_path / "frames", count, size, step_s=40.0)
    duration_s = 40.0 * count
    board = await make_storyboard(frames, duration_s, tmp_path / "out")
    assert board is not None
    text = board.cues.read_text("utf-8")
    assert text.startswith("WEBVTT\n\n")
    cues = CUE.findall(text)
    assert len(cues) == board.count == count
    starts = [seconds(*cue[:3]) for cue in cues]
    ends = [seconds(*cue[3:6]) for cue in cues]
    assert starts == [0.0, *ends[:-1]]
    assert ends[-1] == pytest.approx(duration_s)
    with Image.open(board.sheet) as sheet:
        grey = sheet.convert("L")
        for number, (cue, frame) in enumerate(zip(cues, frames, strict=True)):
            assert starts[number] <= frame.at_s < ends[number]
            x, y, width, height = map(int, cue[7:])
            assert (width, height) == (board.tile_width, board.tile_height)
            assert x + width <= sheet.width
            assert y + height <= sheet.height
            assert grey.getpixel((x + width // 2, y + height // 2)) == pytest.approx(2 * number + 10, abs=2)
    assert {cue[6] for cue in cues} == {board.sheet.name}
    assert board.tile_width / board.tile_height == pytest.approx(size[0] / size[1], rel=0.02)


async def test_sheet_stays_inside_its_budget_whatever_the_film(tmp_path):
    frames = noisy(tmp_path, 120)
    board = await make_storyboard(frames, 120.0, tmp_path / "out")
    assert board is not None
    assert board.sheet.stat().st_size <= MAX_SHEET_BYTES
    assert board.tile_width < 160  # it had to give in somewhere
    assert len(CUE.findall(board.cues.read_text())) == board.count
    with Image.open(board.sheet) as sheet:
        assert sheet.width * sheet.height >= board.count * board.tile_width * board.tile_height


async def test_no_frames_make_no_storyboard(tmp_path):
    assert await make_storyboard((), 3.0, tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


def test_sheet_is_about_square_so_that_phones_can_decode_it(tmp_path):
    frames = colored(tmp_path / "frames", 120)
    names = tuple(frame.path.name for frame in frames)
    make_sheet(tmp_path / "frames", names, MAX_SHEET_BYTES, tmp_path / "sheet.jpg")
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert max(sheet.size) < 2048
        assert not sheet.getexif()


def test_cues_go_on_over_the_hour():
    text = webvtt([3599.9995, 3600.5], 3601.0, Sheet(2, 160, 90))
    assert "01:00:00.250 --> 01:00:01.000\nstoryboard.jpg#xywh=160,0,160,90" in text
