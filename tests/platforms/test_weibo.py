"""Weibo against its simulator: text and link rules, pictures, every fault, look-up, deletion, and never two posts."""

import traceback
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

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
from platforms.story import Site, StoryFile, StoryRendition
from platforms.weibo import WeiboPlatform
from platforms.weibo_api import Account, CallFailed, own_posts
from platforms.weibo_limits import LIMITS, characters, text_of
from tests.platforms.simulators.faults import Fault
from tests.platforms.simulators.weibo import LATE, Post, Simulator

LINK = "https://news.example.org/stories/0192f3a4-5b6c-7d8e-9f01-23456789abcd"
JPEG = b"\xff\xd8\xff".ljust(700, b"j")


def _still(media, number, size=700):
    file = StoryFile("image", "w.jpg", f"renditions/weibo/{number}.jpg", "image/jpeg", size, "ab" * 32)
    made = {"weibo_still": StoryRendition("weibo_still", (file,), 1920, 1280)}
    return replace(media, asset_sha256=f"{number:064x}", renditions=dict(media.renditions) | made)


@pytest.fixture
def piece(story):
    video, still = story.media
    return replace(story, media=(video, _still(still, 0)))


@pytest.fixture
def sim():
    return Simulator()


@pytest.fixture
def platform(sim):
    return WeiboPlatform(clock=lambda: sim.now)


@pytest.fixture
def account(sim):
    settings = {"uid": sim.uid, "rip": "203.0.113.7", "safe_domain": "example.org"}
    return DestinationConfig("dest-w", "青川发布", settings, sim.token)


@pytest.fixture
def commercial(account):
    return replace(account, settings={**account.settings, "api": "commercial"})


@pytest.fixture
async def tools(make_tools, sim):
    made = make_tools()
    made.private = {f"renditions/weibo/{number}.jpg": JPEG for number in range(12)}
    made.private["renditions/poster/poster.jpg"] = JPEG.ljust(50_000, b"j")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=sim)) as client:
        made.http = client
        yield made


def _sent(sim, external_id=None):
    return Sent("d1", external_id, datetime.fromtimestamp(sim.now, UTC))


async def test_a_story_goes_out_with_link_and_picture(platform, piece, account, tools, sim):
    assert platform.check(piece) == ()
    outcome = await platform.publish(piece, account, "d1", tools)
    (post,) = sim.posts
    assert outcome == Confirmed(str(post.id), f"https://weibo.com/{sim.uid}/{post.id}")
    assert post.text == f"【{piece.title}】{piece.digest} {LINK}"
    assert post.pictures == 1
    assert await platform.status(piece, account, _sent(sim, str(post.id)), tools) == outcome


async def test_a_video_story_goes_out_as_its_poster_and_a_text_story_without_a_picture(
    platform, piece, account, tools, sim
):
    assert isinstance(
        await platform.publish(replace(piece, media=piece.media[:1]), account, "d1", tools), Confirmed
    )
    other = replace(piece, title="另一条", media=())
    assert isinstance(await platform.publish(other, account, "d2", tools), Confirmed)
    assert [post.pictures for post in sim.posts] == [1, 0]


async def test_the_commercial_calls_take_up_to_nine_pictures_and_a_mark(
    platform, piece, commercial, tools, sim
):
    stills = tuple(_still(piece.media[1], number) for number in range(12))
    outcome = await platform.publish(replace(piece, media=stills), commercial, "d1", tools)
    assert isinstance(outcome, Confirmed)
    (post,) = sim.posts
    assert post.pictures == 9
    assert post.annotations == [{"sanshen": "d1"}]


async def test_without_a_picture_the_commercial_account_shares_too(platform, piece, commercial, tools, sim):
    bare = replace(piece, media=())
    homeless = replace(commercial, settings={**commercial.settings, "safe_domain": ""})
    assert isinstance(await platform.publish(bare, homeless, "d1", tools), Refused)
    assert sim.calls == []
    assert isinstance(await platform.publish(bare, commercial, "d1", tools), Confirmed)
    assert sim.calls == ["/2/statuses/share.json"]


async def test_a_digest_that_does_not_fit_is_left_out_as_a_whole(piece):
    long = replace(piece, digest="长" * 90)
    assert text_of(long, LINK) == f"【{piece.title}】 {LINK}"
    fits = replace(piece, digest="长" * (140 - characters(f"【{piece.title}】 {LINK}")))
    assert characters(text_of(fits, LINK)) == 140
    assert characters("a") == characters("ab") == characters("é") == characters("字") == 1
    assert characters("😀") == 2
    labelled = text_of(replace(piece, ai_label="assisted"), LINK)
    assert "（本内容含人工智能辅助生成）" in labelled


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"title": "长" * 93}, "weibo.text_too_long"),
        ({"title": " "}, "weibo.title_missing"),
        ({"title": "#防汛#一夜"}, "weibo.topic_in_text"),
        ({"digest": "看＃防汛＃"}, "weibo.topic_in_text"),
    ],
)
async def test_texts_are_checked_and_then_refused(platform, piece, account, tools, sim, *, change, code):
    bad = replace(piece, **change)
    (problem,) = platform.check(bad)
    assert problem.code == code
    assert "open.weibo.com" in problem.source
    assert await platform.publish(bad, account, "d1", tools) == Refused(problem.text)
    assert sim.calls == []


def test_a_title_at_the_limit_passes_and_a_large_picture_does_not(platform, piece):
    assert platform.check(replace(piece, title="长" * 92)) == ()
    large = replace(piece, media=(_still(piece.media[1], 0, 5_000_000),))
    assert [problem.code for problem in platform.check(large)] == ["weibo.picture_too_large"]


def test_every_limit_names_its_source():
    assert all(limit.source and limit.name.startswith("weibo.") for limit in LIMITS)
    assert [limit.name for limit in LIMITS if limit.value is None] == ["weibo.posts_a_day"]
    assert all((limit.certainty is None) == (limit.value is None) for limit in LIMITS)


async def test_a_link_that_is_foreign_or_too_long_is_refused_before_the_call(
    platform, piece, account, tools, sim
):
    foreign = replace(account, settings={**account.settings, "safe_domain": "ample.org"})
    assert isinstance(await platform.publish(piece, foreign, "d1", tools), Refused)
    tools.site = Site(
        "青川", f"https://{'n' * 60}.{'n' * 60}.example.org/{'x' * 120}", "https://m", "https://p"
    )
    assert isinstance(await platform.publish(piece, account, "d1", tools), Refused)
    assert sim.calls == []


async def test_missing_pictures_hold_it_up(platform, story, account, tools, sim):
    assert isinstance(await platform.publish(story, account, "d1", tools), Refused)
    assert sim.calls == []


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {}},
        {"settings": {"uid": "1", "rip": "203.0.113.7"}},
        {"settings": {"uid": "1", "rip": "203.0.113.7", "safe_domain": "example.org", "api": "other"}},
        {"secret": None},
    ],
)
async def test_a_destination_that_is_not_set_up_is_refused(platform, piece, account, tools, sim, change):
    assert isinstance(await platform.publish(piece, replace(account, **change), "d1", tools), Refused)
    assert sim.calls == []


async def test_what_weibo_refuses_is_said_in_our_words(platform, piece, account, commercial, tools, sim):
    sim.is_commercial = False
    refused = await platform.publish(piece, commercial, "d1", tools)
    sim.token_until = sim.now
    expired = await platform.publish(piece, account, "d1", tools)
    assert isinstance(refused, Refused)
    assert "10014" in refused.text.zh
    assert isinstance(expired, Refused)
    assert "重新授权" in expired.text.zh
    assert sim.token not in repr((refused, expired))
    sim.token_until += 1
    assert isinstance(await platform.publish(piece, account, "d1", tools), Confirmed)
    repeated = await platform.publish(piece, account, "d1", tools)
    assert isinstance(repeated, Refused)
    assert "20019" in repeated.text.en
    assert len(sim.posts) == 1


async def test_too_many_posts_wait(platform, piece, account, tools, sim):
    sim.posts_an_hour = 0
    outcome = await platform.publish(piece, account, "d1", tools)
    assert isinstance(outcome, TryLater)
    assert outcome.retry_after_s == 600
    assert sim.posts == []


async def test_accepted_without_an_id_is_looked_up(platform, piece, account, tools, sim):
    sim.is_late, sim.list_lag_s, sent = True, 100.0, _sent(sim)
    assert isinstance(await platform.publish(piece, account, "d1", tools), Unknown)
    assert isinstance(await platform.status(piece, account, sent, tools), Unknown)
    sim.now += 100
    found = await platform.status(piece, account, sent, tools)
    assert isinstance(found, Confirmed)
    assert found.external_id == str(sim.posts[0].id)
    assert LATE == 20032


async def _deliver(platform, piece, destination, tools, sim):
    """As an engine does: again after TryLater, a look-up after Unknown; the outcomes in their order."""
    outcomes = []
    for _ in range(6):
        sent = _sent(sim)
        outcomes.append(await platform.publish(piece, destination, "d1", tools))
        sim.now += 700
        if isinstance(outcomes[-1], Unknown):
            outcomes.append(await platform.status(piece, destination, sent, tools))
        if not isinstance(outcomes[-1], TryLater):
            break
    return outcomes


@pytest.mark.parametrize("api", ["share", "commercial"])
@pytest.mark.parametrize("fault", Fault)
async def test_a_fault_at_any_request_never_makes_two_posts(
    platform, piece, account, tools, sim, *, api, fault
):
    destination = replace(account, settings={**account.settings, "api": api})
    stills = tuple(_still(piece.media[1], number) for number in range(3))
    for number in range(1, 2 if api == "share" else 5):
        sim.posts = [Post(1, "昨天的旧闻", sim.now - 86_400)]
        sim.calls.clear()
        sim.faults = {number: fault}
        outcomes = await _deliver(platform, replace(piece, media=stills), destination, tools, sim)
        if fault is Fault.HTTP_401:
            assert isinstance(outcomes[-1], Refused)
            assert len(sim.posts) == 1
        else:
            # Whatever broke, it is out once, and its own id was found.
            assert len(sim.posts) == 2
            assert isinstance(outcomes[-1], Confirmed)
            assert outcomes[-1].external_id == str(sim.posts[1].id)
        assert sim.token not in repr(outcomes)


@pytest.mark.parametrize("fault", Fault)
async def test_two_faults_never_make_two_posts(platform, piece, account, tools, sim, fault):
    for first in Fault:
        sim.posts = [Post(1, "昨天的旧闻", sim.now - 86_400)]
        sim.calls.clear()
        sim.faults = {1: first, 2: fault}
        outcomes = await _deliver(platform, piece, account, tools, sim)
        assert len(sim.posts) <= 2
        assert not isinstance(outcomes[-1], TryLater)
        if len(sim.posts) == 2:
            assert isinstance(outcomes[-1], Confirmed | Unknown)


@pytest.mark.parametrize("fault", Fault)
async def test_a_question_that_fails_never_says_send_again(platform, piece, account, tools, sim, fault):
    done = await platform.publish(piece, account, "d1", tools)
    sent = _sent(sim)
    sim.now += 3600
    for asked in (sent, replace(sent, external_id=done.external_id)):
        sim.calls.clear()
        sim.faults = {1: fault}
        assert isinstance(await platform.status(piece, account, asked, tools), Accepted | Unknown)


async def test_absence_is_certain_only_when_the_list_reaches_back_and_the_delay_is_over(
    platform, piece, account, tools, sim
):
    sent = _sent(sim)
    sim.posts = [Post(2, "新的", sim.now + 5), Post(1, "旧的", sim.now - 3600)]
    sim.now += 599
    assert isinstance(await platform.status(piece, account, sent, tools), Unknown)
    sim.now += 1
    assert isinstance(await platform.status(piece, account, sent, tools), TryLater)
    sim.list_max = 1
    assert isinstance(await platform.status(piece, account, sent, tools), Unknown)
    sim.list_max, sim.posts[0].text = 100, f"「{piece.title}」（微博改过的文字）"
    assert isinstance(await platform.status(piece, account, sent, tools), Unknown)
    sim.posts.clear()
    assert isinstance(await platform.status(piece, account, sent, tools), TryLater)
    assert isinstance(await platform.status(piece, account, replace(sent, began_at=None), tools), Unknown)


async def test_a_look_up_takes_no_older_and_no_other_deliverys_post_for_ours(
    platform, piece, account, tools, sim
):
    text, sent = text_of(piece, LINK), _sent(sim)
    sim.posts = [Post(1, text, sim.now - 3600), Post(2, text, sim.now + 1, 1, [{"sanshen": "d0"}])]
    sim.now += 3600
    assert isinstance(await platform.status(piece, account, sent, tools), Unknown)
    sim.posts.append(Post(3, text, sim.now - 3000))
    assert (await platform.status(piece, account, sent, tools)).external_id == "3"
    sim.posts.append(Post(4, text, sim.now - 2000))
    assert isinstance(await platform.status(piece, account, sent, tools), Unknown)
    sim.posts.append(Post(5, "改过", sim.now - 90_000, 1, ["x", {"sanshen": "d1"}]))
    marked = await platform.status(piece, account, replace(sent, began_at=None), tools)
    assert marked == Confirmed("5", f"https://weibo.com/{sim.uid}/5")


async def test_a_post_that_is_gone_is_refused_and_deleting_it_again_is_confirmed(
    platform, piece, account, retracted, tools, sim
):
    done = await platform.publish(piece, account, "d1", tools)
    sent = _sent(sim, done.external_id)
    for fault in (Fault.CUT_BEFORE, Fault.CUT_AFTER):
        sim.calls.clear()
        sim.faults = {1: fault}
        assert isinstance(await platform.retract(retracted, account, "d1", tools, sent), TryLater)
    assert await platform.retract(retracted, account, "d1", tools, sent) == Confirmed(done.external_id, None)
    assert sim.live == []
    assert isinstance(await platform.status(piece, account, sent, tools), Refused)


async def test_without_an_id_a_person_deletes_it(platform, account, retracted, tools, sim):
    outcome = await platform.retract(retracted, account, "d1", tools)
    assert outcome == HandedOff(None, {"retract.txt": "handoffs/d1/retract.txt"})
    assert retracted.note in tools.private["handoffs/d1/retract.txt"].decode()
    assert sim.calls == []


async def test_a_correction_is_refused_in_words(platform, corrected, account, tools, sim):
    outcome = await platform.correct(corrected, account, "d2", Sent("d1", "7"), tools)
    assert isinstance(outcome, Refused)
    assert "没有修改" in outcome.text.zh
    assert sim.calls == []


async def test_the_token_stays_out_of_reprs_and_errors(account, tools, sim):
    signed_in = Account.of(account, tools)
    assert sim.token not in repr(signed_in) + repr(account)
    sim.faults = {1: Fault.CUT_BEFORE}  # an error of httpx that names the address with the token
    with pytest.raises(CallFailed) as caught:
        await own_posts(signed_in)
    assert sim.token not in "".join(traceback.format_exception(caught.value))
