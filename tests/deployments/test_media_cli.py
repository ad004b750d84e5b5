"""`sanshen media`: plans and renditions at the terminal, with no server anywhere."""

import subprocess
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from deployments.cli import app
from deployments.media_cli import profiles_named
from media.sniff import Kind

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x36:r=10:d=1"]
    subprocess.run([*make, "-pix_fmt", "yuv420p", str(path)], check=True)
    return path


def test_plan_prints_runs_and_commands_and_makes_nothing(short_clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["media", "plan", str(short_clip), "--for", "app,douyin"])
    assert shown.exit_code == 0
    assert "1. encode: app_hls, app_mp4, douyin_mp4" in shown.output
    assert "$ ffmpeg -f mov" in shown.output
    assert list(tmp_path.iterdir()) == []


def test_render_makes_the_renditions_and_shows_their_figures(short_clip, tmp_path):
    out = tmp_path / "out"
    shown = CliRunner().invoke(
        app, ["media", "render", str(short_clip), "--for", "preview,poster", "-o", str(out)]
    )
    assert shown.exit_code == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "poster/poster.jpg",
        "preview/preview.mp4",
    ]
    assert "✓ preview" in shown.output


def test_render_with_one_refusal_ends_with_one_and_makes_the_others(short_clip, tmp_path):
    args = ["media", "render", str(short_clip), "--for", "radio_wav,poster", "-o", str(tmp_path)]
    shown = CliRunner().invoke(app, args)
    assert shown.exit_code == 1
    assert "✗ radio_wav" in shown.output
    assert (tmp_path / "poster" / "poster.jpg").is_file()


def test_render_of_no_media_is_refused_in_words(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("no film at all")
    shown = CliRunner().invoke(app, ["media", "render", str(path), "-o", str(tmp_path / "out")])
    assert shown.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_render_wears_what_its_options_say(short_clip, tmp_path):
    logo, words = tmp_path / "logo.png", tmp_path / "words.srt"
    Image.new("RGBA", (20, 20), (255, 0, 0, 255)).save(logo)
    words.write_text("1\n00:00:00,100 --> 00:00:00,900\n洪水已退\n", "utf-8")
    options = ["--logo", str(logo), "--subtitles", str(words), "--beside", "--ai-label", "AI生成"]
    options += ["--opening", str(short_clip), "--ai-producer", "001191110000"]
    out = tmp_path / "out"
    args = ["media", "render", str(short_clip), "--for", "app_mp4", "-o", str(out), *options]
    shown = CliRunner().invoke(app, args)
    assert shown.exit_code == 0, shown.output
    assert "洪水已退" in (out / "app_mp4" / "subtitles.vtt").read_text("utf-8")
    with av.open(out / "app_mp4" / "app_mp4.mp4") as container:
        assert "001191110000" in container.metadata["AIGC"]
        frames = [frame.to_image() for frame in container.decode(video=0)]
        assert not container.streams.audio  # there is none in either
    assert len(frames) == pytest.approx(20, abs=1)  # the piece is as long again as its opening
    red, green, _ = frames[-1].getpixel((frames[-1].width - 4, 4))
    assert red > 150 > green


def test_crop_is_planned_and_nonsense_for_one_is_refused(short_clip):
    args = ["media", "plan", str(short_clip), "--for", "douyin_mp4", "--crop"]
    shown = CliRunner().invoke(app, [*args, "10,0,20,36"])
    assert shown.exit_code == 0
    assert "crop=iw*20/64:ih*36/36:iw*10/64:ih*0/36" in shown.output
    assert CliRunner().invoke(app, [*args, "ten"]).exit_code == 2
    outside = CliRunner().invoke(app, [*args, "60,0,20,36"])
    assert outside.exit_code == 1


def test_names_of_platforms_and_renditions_are_understood():
    assert [profile.name for profile in profiles_named(Kind.STILL, "wechat_still,weibo")] == [
        "wechat_still",
        "weibo_still",
    ]
    assert "vertical_mp4" in [profile.name for profile in profiles_named(Kind.VIDEO, "vertical")]
    with pytest.raises(typer.BadParameter, match="nope"):
        profiles_named(Kind.VIDEO, "nope")
