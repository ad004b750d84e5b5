"""后期 over the API: what an editor chooses for a file is kept, shown, compared, and refused in words."""

from fractions import Fraction
from typing import Any

import pytest

from media.kinds import Kind
from media.probe import Probe, StillFacts, VideoFacts

CROP = {"x": 656, "y": 0, "width": 608, "height": 1080}
NOTHING = {"crop": None, "subtitles": None, "burns_in": False, "has_logo": False, "has_clips": False}


@pytest.fixture
async def piece(api: Any, add_asset: Any) -> dict[str, Any]:
    """A draft with a film, a still, a text of subtitles and a file that intake has not seen yet."""
    draft = await api.draft()
    item = draft["id"]
    film = {"intake": "passed", "kind": "video", "media_type": "video/mp4"}
    picture = StillFacts("jpeg", 1920, 1080, "RGB", has_location=False)
    files = {
        "film": await add_asset(item, "桥.mp4", **film, probe=_probe(Kind.VIDEO, video=_video())),
        "still": await add_asset(
            item, "桥.jpg", intake="passed", kind="still", probe=_probe(Kind.STILL, still=picture)
        ),
        "text": await add_asset(item, "桥.srt", intake="passed", kind="text", probe=_probe(Kind.TEXT)),
        "new": await add_asset(item, "新.mp4"),
    }
    return {"id": item, **{name: each.sha256 for name, each in files.items()}}


def _video() -> VideoFacts:
    return VideoFacts(
        0, "h264", 1920, 1080, 0, Fraction(25), False, 50, 0.0, 2.0, "yuv420p", 1, 1, False, False
    )


def _probe(kind: Kind, **more: Any) -> dict[str, Any]:
    return Probe(kind, "x", None, 10, **more).to_json()


async def _patch(api: Any, piece: dict[str, Any], *entries: dict[str, Any]) -> Any:
    seen = await api.seen(f"/v1/submissions/{piece['id']}")
    listed = {entry["sha256"] for entry in entries}
    rest = [{"sha256": piece[name]} for name in ("film", "still", "text", "new") if piece[name] not in listed]
    body = {"assets": [*entries, *rest]}
    return await api("PATCH", f"/v1/submissions/{piece['id']}", "writer", json=body, headers=seen)


async def _shown(api: Any, piece: dict[str, Any], name: str) -> Any:
    detail = (await api("GET", f"/v1/submissions/{piece['id']}", "writer")).json()
    return next(each for each in detail["content"]["assets"] if each["sha256"] == piece[name])["finishing"]


async def test_finishing_is_kept_until_it_is_changed_as_a_whole(api: Any, piece: dict[str, Any]) -> None:
    wanted = {"crop": CROP, "subtitles": piece["text"], "burns_in": True, "has_logo": True, "has_clips": True}
    assert (await _patch(api, piece, {"sha256": piece["film"], "finishing": wanted})).is_success
    assert await _shown(api, piece, "film") == wanted
    assert await _shown(api, piece, "still") is None
    assert (await _patch(api, piece, {"sha256": piece["film"], "caption": "新桥"})).is_success
    assert await _shown(api, piece, "film") == wanted
    changed = await _patch(api, piece, {"sha256": piece["film"], "finishing": {"has_logo": True}})
    assert changed.is_success
    assert await _shown(api, piece, "film") == NOTHING | {"has_logo": True, "subtitles": ""}
    for none in (None, {}):
        assert (await _patch(api, piece, {"sha256": piece["film"], "finishing": none})).is_success
        assert await _shown(api, piece, "film") is None


async def test_finishing_is_a_new_revision_and_a_difference(api: Any, piece: dict[str, Any]) -> None:
    before = (await api("GET", f"/v1/submissions/{piece['id']}", "writer")).json()
    moved = (await _patch(api, piece, {"sha256": piece["film"], "finishing": {"crop": CROP}})).json()
    assert moved["revision_sha256"] != before["revision_sha256"]
    numbers = f"{before['revision_number']}/diff/{moved['revision_number']}"
    found = (await api("GET", f"/v1/submissions/{piece['id']}/revisions/{numbers}", "writer")).json()
    (change,) = found["assets"]
    assert (change["sha256"], change["changes"]) == (piece["film"], ["finishing"])
    assert (change["before"]["finishing"], change["after"]["finishing"]["crop"]) == (None, CROP)


@pytest.mark.parametrize(
    "case",
    [
        ("film", {"crop": CROP | {"x": 1500}}, "crop", "1920×1080"),
        ("still", {"crop": CROP | {"y": 1}}, "crop", "1920×1080"),
        ("text", {"crop": CROP}, "crop", "只有画面可以裁剪"),
        ("film", {"subtitles": "0" * 64}, "subtitles", "不在本稿的素材里"),
        ("text", {"subtitles": "text"}, "subtitles", "不在本稿的素材里"),
        ("film", {"subtitles": "still"}, "subtitles", "桥.jpg 不是字幕"),
        ("film", {"crop": CROP | {"width": 15}}, "crop.width", ""),
        ("film", {"crop": CROP | {"x": -1}}, "crop.x", ""),
        ("film", {"subtitles": "x"}, "subtitles", ""),
        ("film", {"logo": True}, "logo", ""),
    ],
)
async def test_what_cannot_be_done_is_refused_by_its_field(
    api: Any,
    is_problem: Any,
    piece: dict[str, Any],
    case: tuple[str, dict[str, Any], str, str],
) -> None:
    name, finishing, field, words = case
    subtitles = finishing.get("subtitles")
    wanted = finishing | ({"subtitles": piece[subtitles]} if subtitles in piece else {})
    answer = await _patch(api, piece, {"sha256": piece[name], "finishing": wanted})
    (error,) = is_problem(answer, 422, "invalid-request")["errors"]
    assert error["field"].endswith(f"finishing.{field}")
    assert words in str(error)
    assert await _shown(api, piece, name) is None


async def test_subtitles_cannot_be_taken_from_a_film_that_shows_them(
    api: Any, is_problem: Any, piece: dict[str, Any]
) -> None:
    assert (
        await _patch(api, piece, {"sha256": piece["film"], "finishing": {"subtitles": piece["text"]}})
    ).is_success
    seen = await api.seen(f"/v1/submissions/{piece['id']}")
    body = {"assets": [{"sha256": piece["film"]}]}
    answer = await api("PATCH", f"/v1/submissions/{piece['id']}", "writer", json=body, headers=seen)
    assert "字幕文件不在本稿的素材里" in str(is_problem(answer, 422, "invalid-request")["errors"])


async def test_what_intake_has_not_seen_is_taken_as_it_is(api: Any, piece: dict[str, Any]) -> None:
    answer = await _patch(api, piece, {"sha256": piece["new"], "finishing": {"crop": CROP | {"x": 90_000}}})
    assert answer.is_success
    assert (await _shown(api, piece, "new"))["crop"]["x"] == 90_000
