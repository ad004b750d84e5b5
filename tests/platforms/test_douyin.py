"""Douyin against its simulator: order of calls, parts, every state, every fault, and never two posts."""

import traceback
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from platforms import douyin_api
from platforms.douyin import DouyinPlatform
from platforms.douyin_api import part_sizes
from platforms.douyin_limits import DIRECT_MAX, LIMITS, PART_MIN, text_of
from platforms.frame import (
    Accepted,
    Confirmed,
    DestinationConfig,
    HandedOff,
    Refused,
    Sent,
    TryLater,
    Unknown,
)
from platforms.story import StoryFile, StoryRendition
from tests.platforms.simulators.douyin import MEGABYTE, TOO_FAST, UNFIT, Post, Simulator
from tests.platforms.simulators.faults import Fault

PLATFORM = DouyinPlatform()
VIDEO_KEY, COVER_KEY = "renditions/douyin/v.mp4", "renditions/douyin/c.jpg"
CREATED = "/api/douyin/v1/video/create_video/"


def _with(story, *, size=3000, **changes):
    """The story with Douyin's renditions of its video; `changes` are the video rendition's."""
    video = StoryRendition(
        "douyin_mp4",
        (StoryFile("video", "v.mp4", VIDEO_KEY, "video/mp4", size, "ab" * 32),),
        1080,
        1920,
        12.5,
    )
    cover = StoryRendition(
        "douyin_cover", (StoryFile("image", "c.jpg", COVER_KEY, "image/jpeg", 900, "cd" * 32),), 1080, 1440
    )
    made = {"douyin_mp4": replace(video, **changes), "douyin_cover": cover}
    first, *rest = story.media
    return replace(story, media=(replace(first, renditions=dict(first.renditions) | made), *rest))


@pytest.fixture
def piece(story):
    return _with(story)


@pytest.fixture
def sim():
    return Simulator()


@pytest.fixture
def account(sim):
    settings = {"client_key": sim.client_key, "open_id": sim.open_id}
    return DestinationConfig("dest-d", "青川融媒抖音号", settings, sim.refresh_token)


def _video(size):
    return b"\0\0\0\x18ftyp".ljust(size, b"v")


@pytest.fixture
async def tools(make_tools, sim):
    made = make_tools()
    made.private = {VIDEO_KEY: _video(3000), COVER_KEY: b"\xff\xd8\xff".ljust(900, b"c")}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sim)) as client:
        made.http = client
        yield made


@pytest.fixture
def parted(story, monkeypatch, sim, tools):
    """A story whose video of 2300 bytes takes three parts: 1000, 1000 and 300."""
    monkeypatch.setattr(douyin_api, "PART_BYTES", 1000)
    monkeypatch.setattr(douyin_api, "PART_MIN_BYTES", 250)
    sim.part_min = 250
    tools.private[VIDEO_KEY] = _video(2300)
    return _with(story, size=2300)


def _sent(sim, external_id=None):
    return Sent("d1", external_id, datetime.fromtimestamp(sim.now, UTC))


async def test_a_small_video_goes_up_whole_and_is_out_after_the_review(piece, account, tools, sim):
    assert PLATFORM.check(piece) == ()
    accepted = await PLATFORM.publish(piece, account, "d1", tools)
    assert isinstance(accepted, Accepted)
    (post,) = sim.posts
    assert accepted.external_id == post.item_id
    assert post.text == "洪水围村一夜，三百人全部转移 #防汛 #白龙江"
    assert post.cover_id in sim.images
    sent = _sent(sim, post.item_id)
    assert isinstance(await PLATFORM.status(piece, account, sent, tools), Accepted)
    sim.now += sim.review_s
    url = f"https://www.iesdouyin.com/share/video/{post.item_id[1:]}"
    assert await PLATFORM.status(piece, account, sent, tools) == Confirmed(post.item_id, url)


async def test_a_large_video_goes_up_in_parts_one_at_a_time(story, account, tools, sim):
    size = 46 * MEGABYTE + 7
    tools.private[VIDEO_KEY] = _video(size)
    reads, read = [], tools.read_part

    async def read_part(key, first, size_bytes):
        reads.append((first, size_bytes, len(sim.calls)))
        return await read(key, first, size_bytes)

    tools.read_part = read_part
    outcome = await PLATFORM.publish(_with(story, size=size), account, "d1", tools)
    assert isinstance(outcome, Accepted)
    # Each part is read after the one before was sent.
    assert reads[:3] == [
        (0, 20 * MEGABYTE, 2),
        (20 * MEGABYTE, 20 * MEGABYTE, 3),
        (40 * MEGABYTE, size - 40 * MEGABYTE, 4),
    ]
    assert [call.strip("/").rpartition("/")[2] for call in sim.calls] == [
        "refresh_token",
        "init_video_part_upload",
        *["upload_video_part"] * 3,
        "complete_video_part_upload",
        "upload_image",
        "create_video",
    ]
    assert len(sim.posts) == 1


@pytest.mark.parametrize("size", [25, 26, 40, 44, 45, 46, 60, 4000])
def test_no_part_is_too_small_and_none_is_lost(size):
    for exact in (size * MEGABYTE - 1, size * MEGABYTE, size * MEGABYTE + 1):
        parts = part_sizes(exact)
        assert sum(parts) == exact
        assert max(parts) < 25 * MEGABYTE + 1
        assert exact < 25 * MEGABYTE or min(parts) >= PART_MIN.value
        assert exact > DIRECT_MAX.value or len(parts) <= 6


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"title": "长" * 31}, "douyin.title_too_long"),
        ({"title": " "}, "douyin.title_missing"),
        ({"media": ()}, "douyin.video_missing"),
    ],
)
async def test_texts_are_checked_and_then_refused(piece, account, tools, sim, change, code):
    bad = replace(piece, **change)
    (problem,) = PLATFORM.check(bad)
    assert problem.code == code
    assert problem.source
    assert await PLATFORM.publish(bad, account, "d1", tools) == Refused(problem.text)
    assert sim.calls == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"size": 4_000_000_001}, "douyin.file_too_large"),
        ({"duration_s": 901.0}, "douyin.video_too_long"),
        ({"width": 719}, "douyin.video_too_narrow"),
        ({"width": 1920, "height": 1080}, "douyin.video_not_portrait"),
    ],
)
def test_the_finished_video_is_measured(story, change, code):
    assert [problem.code for problem in PLATFORM.check(_with(story, **change))] == [code]


def test_every_limit_names_its_source_and_the_unknown_stay_unset():
    assert all(limit.source and limit.name.startswith("douyin.") for limit in LIMITS)
    assert {limit.name for limit in LIMITS if limit.value is None} == {
        "douyin.text_characters",
        "douyin.posts_a_day",
        "douyin.list_delay_s",
    }
    assert all((limit.certainty is None) == (limit.value is None) for limit in LIMITS)


def test_ai_content_is_declared_in_the_text_and_topics_are_one_word_each(piece):
    marked = replace(piece, ai_label="generated", tags=("防 汛", "#救@援", " # "))
    assert text_of(marked) == f"{piece.title}（本视频由人工智能生成） #防汛 #救援"


async def test_missing_renditions_hold_it_up(story, account, tools, sim):
    assert isinstance(await PLATFORM.publish(story, account, "d1", tools), Refused)
    assert sim.calls == []


async def test_a_file_that_is_shorter_than_recorded_is_not_posted(story, account, tools, sim):
    outcome = await PLATFORM.publish(_with(story, size=3001), account, "d1", tools)
    assert isinstance(outcome, Refused)
    assert sim.posts == []


@pytest.mark.parametrize("change", [{"settings": {}}, {"secret": None}])
async def test_a_destination_that_is_not_set_up_is_refused(piece, account, tools, sim, change):
    assert isinstance(await PLATFORM.publish(piece, replace(account, **change), "d1", tools), Refused)
    assert sim.calls == []


async def test_an_expired_authorisation_asks_for_a_new_one(piece, account, tools, sim):
    sim.now = sim.refresh_until
    outcome = await PLATFORM.publish(piece, account, "d1", tools)
    assert isinstance(outcome, Refused)
    assert "重新授权" in outcome.text.zh
    assert "10010" in outcome.text.en


async def test_a_token_that_expires_between_two_calls_is_replaced_on_the_next_attempt(
    piece, account, tools, sim
):
    read = tools.read_part

    async def read_late(key, first, size_bytes):
        sim.now += 16 * 86_400
        return await read(key, first, size_bytes)

    tools.read_part = read_late
    assert isinstance(await PLATFORM.publish(piece, account, "d1", tools), TryLater)
    tools.read_part = read
    sim.refresh_until = sim.now + 1
    assert isinstance(await PLATFORM.publish(piece, account, "d1", tools), Accepted)
    assert len(sim.posts) == 1


async def test_too_many_calls_and_a_used_up_quota_wait(piece, account, tools, sim):
    sim.calls_a_minute = 3
    assert isinstance(await PLATFORM.publish(piece, account, "d1", tools), TryLater)
    sim.now += 61
    sim.calls_a_minute = None
    sim.codes = {"upload_image": 28003017}
    outcome = await PLATFORM.publish(piece, account, "d1", tools)
    assert isinstance(outcome, TryLater)
    assert outcome.retry_after_s == 3600
    assert sim.posts == []
    assert TOO_FAST == 28003018


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({"create_video": 28001005}, Unknown),  # "busy" may have done it
        ({"create_video": 28001006}, Unknown),
        ({"create_video": 2100004}, Unknown),
        ({"upload_image": 28001005}, TryLater),
        ({"create_video": 28001018}, Refused),
        ({"create_video": 28001016}, Refused),
        ({"create_video": 2100005}, Refused),
        ({"create_video": 99999}, Refused),
        ({"create_video": 28003018}, TryLater),
    ],
)
async def test_what_a_code_means(piece, account, tools, sim, codes, expected):
    sim.codes = codes
    (code,) = codes.values()
    outcome = await PLATFORM.publish(piece, account, "d1", tools)
    assert type(outcome) is expected
    assert expected is not Refused or str(code) in outcome.text.zh
    assert "act.secret" not in repr(outcome)


async def _deliver(piece, account, tools, sim):
    """As an engine does: again after TryLater, a look-up after Unknown; the outcomes in their order."""
    outcomes = []
    sent = _sent(sim)
    for _ in range(4):
        outcomes.append(await PLATFORM.publish(piece, account, "d1", tools))
        sim.now += 600
        if isinstance(outcomes[-1], Unknown):
            outcomes.append(await PLATFORM.status(piece, account, sent, tools))
        if not isinstance(outcomes[-1], TryLater):
            break
    return outcomes


def _check_once(outcomes, sim):
    *_, last = outcomes
    assert len(sim.posts) <= 1
    if sim.posts:
        # What was accepted is never lost: its own id was found, whatever broke.
        assert isinstance(last, Accepted | Confirmed)
        assert last.external_id == sim.posts[0].item_id
    else:
        # And nothing is taken for accepted that was not; a look-up that finds nothing proves nothing.
        assert isinstance(last, Unknown | Refused)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("number", range(1, 9))
async def test_a_fault_at_any_request_never_makes_two_posts(parted, account, tools, sim, number, fault):
    sim.faults = {number: fault}
    outcomes = await _deliver(parted, account, tools, sim)
    _check_once(outcomes, sim)
    failed_for_good = [each for each in outcomes if isinstance(each, Refused)]
    assert bool(failed_for_good) == (fault is Fault.HTTP_401)
    if number < 8 and fault is not Fault.HTTP_401:
        # All before the last call is harmless to repeat, and leads to the post.
        assert len(sim.posts) == 1
        assert not any(isinstance(each, Unknown) for each in outcomes)
    assert "act.secret" not in repr(outcomes)
    assert sim.refresh_token not in repr(outcomes)


@pytest.mark.parametrize("fault", Fault)
async def test_a_fault_at_two_requests_never_makes_two_posts(piece, account, tools, sim, fault):
    for first in range(1, 5):
        for second in range(first + 1, 9):
            sim.posts.clear()
            sim.calls.clear()
            sim.faults = {first: Fault.CUT_AFTER, second: fault}
            outcomes = await _deliver(piece, account, tools, sim)
            assert len(sim.posts) <= 1
            assert sim.posts == [] or not isinstance(outcomes[-1], TryLater | Refused)
            sim.now += 86_400 / 10


@pytest.mark.parametrize("fault", Fault)
async def test_a_question_that_fails_never_says_send_again(piece, account, tools, sim, fault):
    accepted = await PLATFORM.publish(piece, account, "d1", tools)
    for sent in (_sent(sim), _sent(sim, accepted.external_id)):
        for number in (1, 2):
            sim.calls.clear()
            sim.faults = {number: fault}
            outcome = await PLATFORM.status(piece, account, sent, tools)
            assert isinstance(outcome, Accepted | Unknown)


async def test_a_look_up_takes_no_older_post_and_no_other_text_for_ours(piece, account, tools, sim):
    text = text_of(piece)
    sim.posts = [Post(f"@old{n}", "v", None, text, sim.now - 3600 - n, 5, is_top=n == 0) for n in range(30)]
    sim.posts += [Post(f"@new{n}", "v", None, f"{text}{n}", sim.now + n, 5) for n in range(30)]
    sent = _sent(sim)
    sim.now += 600
    assert isinstance(await PLATFORM.status(piece, account, sent, tools), Unknown)
    sim.posts.append(Post("@ours", "v", None, text, sim.now - 590, 5))
    outcome = await PLATFORM.status(piece, account, sent, tools)
    assert isinstance(outcome, Confirmed)
    assert outcome.external_id == "@ours"
    sim.posts.append(Post("@again", "v", None, text, sim.now - 580, 5))
    assert isinstance(await PLATFORM.status(piece, account, sent, tools), Unknown)
    assert isinstance(await PLATFORM.status(piece, account, replace(sent, began_at=None), tools), Unknown)


async def test_a_post_that_is_listed_late_is_unknown_until_then(piece, account, tools, sim):
    sim.faults, sim.list_lag_s, sent = {4: Fault.CUT_AFTER}, 1000.0, _sent(sim)
    assert isinstance(await PLATFORM.publish(piece, account, "d1", tools), Unknown)
    assert isinstance(await PLATFORM.status(piece, account, sent, tools), Unknown)
    sim.now += 1000
    assert isinstance(await PLATFORM.status(piece, account, sent, tools), Confirmed)


async def test_where_douyin_gives_no_state_a_person_looks(piece, account, tools, sim):
    sim.gives_state = False
    accepted = await PLATFORM.publish(piece, account, "d1", tools)
    outcome = await PLATFORM.status(piece, account, _sent(sim, accepted.external_id), tools)
    assert isinstance(outcome, HandedOff)
    assert outcome.url.startswith("https://www.iesdouyin.com/")


@pytest.mark.parametrize(
    ("verdict", "expected"), [(UNFIT, Refused), (6, HandedOff), (7, HandedOff), (1, Confirmed)]
)
async def test_the_review_decides(piece, account, tools, sim, verdict, expected):
    sim.verdict = verdict
    accepted = await PLATFORM.publish(piece, account, "d1", tools)
    sim.now += 3600
    assert type(await PLATFORM.status(piece, account, _sent(sim, accepted.external_id), tools)) is expected


async def test_a_post_that_is_gone_is_unknown(piece, account, tools, sim):
    accepted = await PLATFORM.publish(piece, account, "d1", tools)
    sim.posts[0].is_deleted = True
    assert isinstance(await PLATFORM.status(piece, account, _sent(sim, accepted.external_id), tools), Unknown)


async def test_correcting_and_retracting_are_handed_to_a_person(corrected, account, tools, sim):
    sent = Sent("d1", "@item7")
    done = await PLATFORM.correct(_with(corrected), account, "d2", sent, tools)
    assert done == HandedOff(None, {"correct.txt": "handoffs/d2/correct.txt"})
    done = await PLATFORM.retract(_with(corrected), account, "d1", tools, sent)
    assert done == HandedOff(None, {"retract.txt": "handoffs/d1/retract.txt"})
    for key in ("handoffs/d2/correct.txt", "handoffs/d1/retract.txt"):
        text = tools.private[key].decode()
        assert "@item7" in text
        assert corrected.note in text
    assert sim.calls == []


async def test_secrets_stay_out_of_reprs_and_errors(piece, account, tools, sim):
    assert sim.refresh_token not in repr(account)
    assert sim.open_id not in repr(account)
    sim.faults = {1: Fault.CUT_BEFORE}
    with pytest.raises(douyin_api.CallFailed) as caught:
        await douyin_api.sign_in(tools, account)
    assert sim.refresh_token not in "".join(traceback.format_exception(caught.value))
    signed_in = await douyin_api.sign_in(tools, account)
    assert signed_in.access_token in sim.tokens
    assert signed_in.access_token not in repr(signed_in)


async def test_a_gateway_can_stand_in(piece, account, tools, sim):
    seen = []

    async def check_url(url):
        seen.append(url)

    tools.check_url = check_url
    gateway = replace(account, settings=dict(account.settings) | {"api_url": "https://gateway.example.org/"})
    assert isinstance(await PLATFORM.publish(piece, gateway, "d1", tools), Accepted)
    assert all(url.startswith("https://gateway.example.org/") for url in seen)
    assert seen[-1].endswith(CREATED)
