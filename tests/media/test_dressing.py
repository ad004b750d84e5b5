"""What the desk lays over a piece: seen in pixels, heard in samples, read in tags, and in the rendition's key."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, PngImagePlugin

from media.aigc import AiMark, add_to_wave, as_xmp, in_metadata, merged
from media.dressing import Dressing
from media.errors import Malformed
from media.job import Crop, Source
from media.keys import rendition_key
from media.profiles import PROFILES
from media.render import make_renditions, render
from media.subtitles import read_cues

pytestmark = pytest.mark.slow

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "12", "-pix_fmt", "yuv420p")
MARK = AiMark(producer="001191110000", produce_id="p-1", propagator="sanshen", propagate_id="s-9")
SRT = "1\n00:00:00,200 --> 00:00:00,900\n<b>洪水已退</b>\n第二行 & more\n\n2\n00:00:01,000 --> 00:00:01,200\n完\n"


@pytest.fixture(scope="session")
def grey(make: Callable[..., Path]) -> Path:
    """5 s of 640x360 in grey with a tone."""
    return make(
        "grey.mp4", *LAVFI, "color=0x808080:s=640x360:r=10:d=5", *LAVFI, "sine=d=5", *H264, "-c:a", "aac"
    )


@pytest.fixture(scope="session")
def brief(make: Callable[..., Path]) -> Path:
    """0.8 s of 64x36 with a tone."""
    graph = "color=0x808080:s=64x36:r=25:d=0.8"
    return make("brief.mp4", *LAVFI, graph, *LAVFI, "sine=d=0.8", *H264, "-c:a", "aac")


@pytest.fixture(scope="session")
def logo(folder: Path) -> Path:
    Image.new("RGBA", (100, 60), (255, 0, 0, 255)).save(folder / "logo.png")
    return folder / "logo.png"


@pytest.fixture
def dressed(facts_of, tmp_path) -> Callable:
    async def made(path: Path, name: str, dressing: Dressing):
        return await render(path, facts_of(path), PROFILES[name], tmp_path / name, None, dressing)

    return made


@pytest.mark.parametrize(("name", "is_shown"), [("app_mp4", True), ("douyin_mp4", False), ("preview", False)])
async def test_logo_stands_only_where_the_platform_allows_it(grey, logo, dressed, picture_at, name, is_shown):
    rendered = await dressed(grey, name, Dressing(logo=logo))
    picture = picture_at(rendered.files[0].path, 5)
    corner = picture.crop((picture.width * 3 // 4, 0, picture.width, picture.height // 2))
    red, green, _ = corner.split()
    pure = ImageChops.subtract(red, green).point(lambda value: 255 * (value > 100))
    reds = pure.histogram()[255]
    assert (reds > 500) is is_shown
    folder = rendered.files[0].path.parent
    assert [path.name for path in folder.iterdir()] == [f"{name}.mp4"]  # nothing of the work is left


async def test_label_stands_for_its_time_from_the_start_and_is_large_enough(grey, dressed, picture_at):
    rendered = await dressed(grey, "app_mp4", Dressing(ai_text="AI生成"))
    path = rendered.files[0].path
    for number, is_shown in ((0, True), (20, True), (39, True), (45, False)):
        letters = picture_at(path, number).convert("L").point(lambda value: 255 * (value > 200)).getbbox()
        assert (letters is not None) is is_shown
    left, top, right, bottom = picture_at(path, 10).convert("L").point(lambda v: 255 * (v > 200)).getbbox()
    assert bottom - top >= 0.05 * 360  # GB 45438-2025: 5 % of the short side
    assert right - left > 2 * (bottom - top)


async def test_label_on_a_still_is_large_enough_and_marked(tmp_path, dressed):
    path = tmp_path / "plain.png"
    Image.new("RGB", (900, 600), "gray").save(path)
    rendered = await dressed(path, "app_still", Dressing(ai_text="AI生成", ai_mark=MARK))
    with Image.open(rendered.files[0].path) as picture:
        _, top, _, bottom = picture.convert("L").point(lambda value: 255 * (value > 210)).getbbox()
        assert bottom - top >= 30
        assert b"TC260:AIGC" in picture.info["xmp"]


async def test_opening_and_closing_stand_around_the_piece(grey, make, dressed, picture_at):
    opening = make(
        "opening.mp4", *LAVFI, "color=red:s=320x180:r=25:d=1", *LAVFI, "sine=d=1", *H264, "-c:a", "aac"
    )
    closing = make("closing.mp4", *LAVFI, "color=blue:s=180x320:r=30:d=0.5", *H264)  # upright and silent
    rendered = await dressed(grey, "app_mp4", Dressing(opening=opening, closing=closing))
    assert rendered.measured["duration_s"] == pytest.approx(6.5, abs=0.12)
    assert rendered.measured["duration_difference_s"] == pytest.approx(0, abs=0.12)
    path = rendered.files[0].path
    for number, color in ((5, (254, 0, 0)), (30, (128, 128, 128)), (63, (0, 0, 254))):
        assert picture_at(path, number).getpixel((320, 180)) == pytest.approx(color, abs=12)
    with av.open(path) as container:
        end = max(frame.time for frame in container.decode(audio=0))
    assert end == pytest.approx(6.5, abs=0.1)


async def test_subtitles_are_burnt_in_with_a_chinese_font(grey, tmp_path, dressed, picture_at):
    path = tmp_path / "words.srt"
    path.write_text(SRT, "utf-8")
    rendered = await dressed(grey, "app_mp4", Dressing(subtitles=path, burns_in=True))
    made = rendered.files[0].path
    assert len(rendered.files) == 1
    before, during = (picture_at(made, number).convert("L") for number in (0, 5))
    assert before.getextrema()[1] < 150
    left, top, right, bottom = during.point(lambda value: 255 * (value > 220)).getbbox()
    assert top > 180  # in the lower half
    assert (left + right) / 2 == pytest.approx(320, abs=12)
    # Four ideographs are four times as wide as high; boxes for missing letters would be empty inside.
    inside = during.crop((left, top, right, bottom))
    assert sum(inside.histogram()[200:]) > 150


async def test_subtitles_go_beside_the_piece_behind_its_opening(grey, make, tmp_path, dressed):
    path = tmp_path / "words.srt"
    path.write_text(SRT, "utf-8")
    opening = make("opening1.mp4", *LAVFI, "color=red:s=64x36:r=10:d=1", *H264)
    rendered = await dressed(grey, "app_mp4", Dressing(subtitles=path, opening=opening))
    side = rendered.files[1]
    assert (side.role, side.name, side.media_type) == ("subtitles", "subtitles.vtt", "text/vtt")
    text = side.path.read_text("utf-8")
    assert text.startswith("WEBVTT\n")
    assert "00:00:01.200 --> 00:00:01.900\n洪水已退\n第二行 &amp; more" in text


@pytest.mark.parametrize(
    "content", ["#EXTM3U\nfile:///etc/passwd\n", "ffconcat version 1.0\nfile a.srt\n", ""]
)
def test_file_without_cues_is_refused_as_subtitles(tmp_path, content):
    path = tmp_path / "words.srt"
    path.write_text(content, "utf-8")
    with pytest.raises(Malformed):
        read_cues(path)


async def test_spoken_label_goes_before_a_recording(make, dressed):
    piece = make("piece.wav", *LAVFI, "anullsrc=r=48000:cl=stereo:d=4")
    voice = make("voice.wav", *LAVFI, "sine=d=1:r=48000")
    rendered = await dressed(piece, "radio_wav", Dressing(ai_voice=voice))
    assert rendered.measured["duration_s"] == pytest.approx(5, abs=0.02)
    with av.open(rendered.files[0].path) as container:
        loud = [frame.time for frame in container.decode(audio=0) if any(bytes(frame.planes[0]))]
    assert loud[0] == 0
    assert loud[-1] == pytest.approx(1, abs=0.1)


def aigc_of(path: Path) -> dict[str, str]:
    with av.open(path) as container:
        return json.loads(in_metadata(container.metadata))


@pytest.mark.parametrize("name", ["app_mp4", "app_audio", "radio_mp3", "radio_wav", "app_hls", "tv_mxf"])
async def test_mark_is_written_into_every_container(brief, dressed, name):
    rendered = await dressed(brief, name, Dressing(ai_mark=MARK))
    (path, *_) = [file.path for file in rendered.files if file.role in ("video", "audio", "init")]
    fields = aigc_of(path)
    assert list(fields) == [
        "Label",
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    ]
    assert (fields["Label"], fields["ProduceID"], fields["PropagateID"]) == ("1", "p-1", "s-9")


@pytest.mark.parametrize("name", ["preview", "app_mp4", "radio_mp3", "radio_wav", "tv_mxf"])
async def test_mark_that_is_there_survives_a_transcode(make, make_rendition, brief, name):
    theirs = AiMark(label="2", producer="their-house", produce_id="t-1").to_json()
    flags = (
        "-movflags",
        "+use_metadata_tags",
        "-metadata",
        f"AIGC={theirs}",
        "-metadata",
        "artist=Zhang Wei",
    )
    source = make("theirs.mp4", "-i", brief, "-c", "copy", *flags)
    made = (await make_rendition(source, name)).files[0].path
    assert aigc_of(made) == json.loads(theirs)
    assert b"Zhang Wei" not in made.read_bytes()


@pytest.mark.parametrize("way", ["xmp", "png", "exif"])
async def test_mark_on_a_still_survives_however_it_was_written(tmp_path, make_rendition, facts_of, way):
    theirs = AiMark(producer="their-house").to_json()
    path = tmp_path / ("a.png" if way == "png" else "a.jpg")
    options: dict = {}
    if way == "xmp":
        options["xmp"] = as_xmp(theirs)
    elif way == "png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("AIGC", theirs)
    else:
        options["exif"] = Image.Exif()
        options["exif"].get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + b"AIGC" + theirs.encode()
    Image.new("RGB", (40, 30), "gray").save(path, **options)
    made = (await make_rendition(path, "thumbnail")).files[0].path
    assert json.loads(facts_of(made).aigc) == json.loads(theirs)


@pytest.mark.parametrize("name", ["radio_wav", "tv_mxf"])
async def test_mark_in_a_station_file_survives_the_next_transcode(
    brief, dressed, make_rendition, facts_of, name
):
    ours = (await dressed(brief, name, Dressing(ai_mark=MARK))).files[0].path
    assert json.loads(facts_of(ours).aigc) == json.loads(MARK.to_json())
    again = (await make_rendition(ours, "app_audio" if name == "radio_wav" else "preview")).files[0].path
    assert aigc_of(again) == json.loads(MARK.to_json())


def test_mark_behind_a_wave_over_four_gigabytes_keeps_its_size_true(tmp_path):
    # The head of an RF64 as ffmpeg writes it: ds64 comes first, with the size of the whole in eight bytes.
    path = tmp_path / "large.wav"
    ds64 = b"ds64" + (28).to_bytes(4, "little") + (5_000_000_000).to_bytes(8, "little") + bytes(20)
    path.write_bytes(b"RF64\xff\xff\xff\xffWAVE" + ds64 + b"\1")
    add_to_wave(path, "{}")
    content = path.read_bytes()
    assert content[4:8] == b"\xff\xff\xff\xff"
    assert int.from_bytes(content[20:28], "little") == len(content) - 8
    assert content.endswith(b"\1\0LIST\x10\0\0\0INFOAIGC\3\0\0\0{}\0\0")


async def test_mark_on_a_tiff_stands_beside_its_iptc(tmp_path, make_rendition, facts_of):
    theirs = AiMark(producer="their-house").to_json()
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30), "gray").save(path, xmp=as_xmp(theirs))
    made = (await make_rendition(path, "print_tiff")).files[0].path
    assert json.loads(facts_of(made).aigc) == json.loads(theirs)
    again = (await make_rendition(made, "app_still")).files[0].path
    assert json.loads(facts_of(again).aigc) == json.loads(theirs)


def test_our_mark_joins_the_one_that_is_there():
    fields = json.loads(merged(AiMark(label="2", producer="their-house").to_json(), MARK))
    assert (fields["Label"], fields["ContentProducer"]) == ("2", "their-house")
    assert (fields["ContentPropagator"], fields["PropagateID"]) == ("sanshen", "s-9")


def test_key_changes_with_everything_of_a_dressing(tmp_path, logo):
    profile = PROFILES["douyin_mp4"]
    srt = tmp_path / "a.srt"
    srt.write_text(SRT, "utf-8")
    dressings = [
        Dressing(),
        Dressing(crop=Crop(0, 0, 90, 160)),
        Dressing(crop=Crop(2, 0, 90, 160)),
        Dressing(logo=logo),
        Dressing(opening=logo),
        Dressing(subtitles=srt),
        Dressing(subtitles=srt, burns_in=True),
        Dressing(ai_text="AI生成"),
        Dressing(ai_mark=MARK),
        Dressing(ai_mark=replace(MARK, label="3")),
    ]
    keys = [rendition_key("ab" * 32, profile, dressing) for dressing in dressings]
    assert len(set(keys)) == len(keys)
    copied = tmp_path / "same.png"
    copied.write_bytes(logo.read_bytes())
    assert rendition_key("ab" * 32, profile, Dressing(logo=copied)) == keys[3]  # by content, not by name
    assert rendition_key("ab" * 32, replace(profile, source="read again"), Dressing()) == keys[0]


async def test_shared_run_dresses_each_output_as_its_platform_allows(grey, logo, make, facts_of, tmp_path):
    opening = make(
        "opening2.mp4", *LAVFI, "color=red:s=64x36:r=10:d=0.5", *LAVFI, "sine=d=0.5", *H264, "-c:a", "aac"
    )
    dressing = Dressing(logo=logo, opening=opening, ai_text="AI生成", crop=Crop(200, 0, 202, 360))
    wanted = [PROFILES[name] for name in ("preview", "app_mp4", "wechat_mp4", "channels_mp4_1260")]
    outcomes = await make_renditions(Source(grey, facts_of(grey)), wanted, tmp_path, None, dressing)
    lengths = {each.profile: each.rendered.measured["duration_s"] for each in outcomes}
    expected = {"preview": 5.0, "app_mp4": 5.5, "wechat_mp4": 5.5, "channels_mp4_1260": 5.5}
    assert lengths == {name: pytest.approx(value, abs=0.12) for name, value in expected.items()}
