"""The WeChat official account against its simulator: limits, the way of an article, tokens, states, taking back."""

from dataclasses import replace

import httpx
import pytest

from platforms import wechat_api
from platforms.frame import (
    Accepted,
    Confirmed,
    HandedOff,
    Refused,
    Sent,
    TryLater,
    Unknown,
)
from platforms.net import AddressRefused
from platforms.wechat import WechatPlatform
from platforms.wechat_html import marker
from states.text import Text
from tests.platforms.simulators.wechat import QUOTAS, Fault, Simulator
from tests.platforms.simulators.wechat_kit import account_of, rendition, stock, with_pictures

TOKEN, ADD_MATERIAL, UPLOAD, DRAFT, SUBMIT, STATUS = (
    "/cgi-bin/stable_token",
    "/cgi-bin/material/add_material",
    "/cgi-bin/media/uploadimg",
    "/cgi-bin/draft/add",
    "/cgi-bin/freepublish/submit",
    "/cgi-bin/freepublish/get",
)


@pytest.fixture
def story(story):
    return with_pictures(story)


@pytest.fixture
def simulator():
    return Simulator()


@pytest.fixture
def account(simulator):
    return account_of(simulator)


@pytest.fixture
def platform(simulator):
    return WechatPlatform(clock=lambda: simulator.now)


@pytest.fixture
async def tools(tools, simulator, story):
    """Tools whose HTTP leads to the simulator and whose store holds the pictures."""
    stock(tools, story)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=simulator)) as client:
        tools.http = client
        yield tools


@pytest.fixture
def act(platform, account, tools):
    """The platform's calls with everything but what matters filled in."""

    class Act:
        async def publish(self, story, delivery_id="d1"):
            return await platform.publish(story, account, delivery_id, tools)

        async def status(self, story, external_id, delivery_id="d1"):
            return await platform.status(story, account, Sent(delivery_id, external_id), tools)

        async def retract(self, story, sent=None, delivery_id="d1"):
            return await platform.retract(story, account, delivery_id, tools, sent)

    return Act()


async def published(act, simulator, story):
    """The story, out and confirmed; its outcome."""
    accepted = await act.publish(story)
    simulator.settle()
    confirmed = await act.status(story, accepted.external_id)
    assert isinstance(confirmed, Confirmed)
    return confirmed


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "limit"),
    [
        ({"title": "字" * 33}, "wechat.title_too_long", 32),
        ({"byline": "名" * 17}, "wechat.author_too_long", 16),
        ({"digest": "摘" * 129}, "wechat.digest_too_long", 128),
        ({"body": "文" * 19_500}, "wechat.body_too_long", 19_999),
        ({"title": "\x00 "}, "wechat.title_missing", None),
        ({"body": "\n\n"}, "wechat.body_missing", None),
        ({"media": ()}, "wechat.cover_missing", None),
    ],
)
def test_check_names_platform_limit_and_source(platform, story, change, code, limit):
    (problem,) = platform.check(replace(story, **change))
    assert (problem.code, problem.limit) == (code, limit)
    for text in (problem.text.zh, problem.text.en):
        assert "draft/add" in text
        assert limit is None or str(limit) in text
    assert "微信公众号" in problem.text.zh
    assert "WeChat" in problem.text.en


def test_check_of_texts_at_their_limits_finds_nothing(platform, story):
    assert platform.check(replace(story, title="字" * 32, byline="名" * 16, digest="摘" * 128)) == ()


@pytest.mark.parametrize(
    ("profile", "changes", "code"),
    [
        ("wechat_still", {"size_bytes": 1_000_000}, "wechat.image_too_large"),
        ("wechat_still", {"media_type": "image/webp"}, "wechat.image_type"),
        ("wechat_cover", {"size_bytes": 10_000_001}, "wechat.cover_too_large"),
    ],
)
def test_check_measures_the_finished_pictures(platform, story, profile, changes, code):
    for media in story.media:
        if profile in media.renditions:
            media.renditions[profile] = rendition(profile, "x", **changes)
    assert code in {problem.code for problem in platform.check(story)}


def test_check_before_the_pictures_are_made_looks_at_the_texts_only(platform, story):
    for media in story.media:
        media.renditions.clear()
    assert platform.check(story) == ()


def test_limits_have_source_and_day_and_unknown_ones_are_unset(platform):
    for limit in platform.limits:
        assert limit.source
        assert limit.read_on.isoformat() == "2026-11-22"
        assert (limit.value is None) == (limit.certainty is None)
    unset = {limit.name for limit in platform.limits if limit.value is None}
    assert unset == {"wechat.inline_images", "wechat.calls_a_minute"}
    daily = {limit.name: limit.value for limit in platform.limits if limit.name.endswith("_a_day")}
    assert daily["wechat.publish_a_day"] == QUOTAS[SUBMIT]


# -- the way of an article -----------------------------------------------------------------------------------


async def test_publish_uploads_drafts_and_submits_in_order(act, simulator, story):
    outcome = await act.publish(story)
    assert isinstance(outcome, Accepted)
    assert outcome.external_id in simulator.tasks
    assert simulator.calls == [TOKEN, ADD_MATERIAL, UPLOAD, UPLOAD, DRAFT, SUBMIT]
    assert simulator.live == []


async def test_publish_is_confirmed_only_by_the_poll(act, simulator, story, site):
    accepted = await act.publish(story)
    assert await act.status(story, accepted.external_id) == Accepted(accepted.external_id, 300.0)
    simulator.settle()
    confirmed = await act.status(story, accepted.external_id)
    (article,) = simulator.live
    assert confirmed == Confirmed(f"{accepted.external_id}/{article.article_id}", article.url)
    assert article.news["title"] == story.title
    assert article.news["author"] == "通讯员 王小川"
    assert article.news["digest"] == story.digest
    assert article.news["pic_crop_1_1"] == "0.287222_0.000000_0.712778_1.000000"
    assert article.news["content_source_url"] == f"{site.url}/stories/{story.id}?delivery={marker('d1')}"
    assert simulator.drafts == {}


async def test_body_holds_text_and_rehosted_pictures_and_no_video(act, simulator, corrected, story):
    corrected = replace(corrected, media=story.media)
    await published(act, simulator, corrected)
    content = simulator.live[0].news["content"]
    assert content.count("<img ") == 2
    assert all(url in content for url in simulator.hosted)
    assert "<video" not in content
    assert "阅读原文" in content
    for text in (corrected.note, "村民在安置点领取热水", "逐户敲门。<br>到天亮时", "AI 标识"):
        assert text in content


async def test_sound_and_pages_are_left_out_and_the_first_picture_is_the_cover(act, simulator, story):
    others = [
        replace(story.media[0], kind=kind, asset_sha256=digit * 64, renditions={}, caption=kind)
        for kind, digit in (("audio", "3"), ("package", "4"))
    ]
    await published(act, simulator, replace(story, media=(*others, story.media[1])))
    content = simulator.live[0].news["content"]
    assert content.count("<img ") == 1
    assert "audio" not in content
    assert "package" not in content
    assert simulator.calls.count(ADD_MATERIAL) == 1


async def test_the_chosen_cover_is_the_one_that_goes_up(act, simulator, story, tools):
    still = story.media[1]
    tools.private[still.renditions["wechat_cover"].primary.object_key] = (
        b"RIFF, so that it is seen to be asked for"
    )
    refused = await act.publish(replace(story, cover=still.asset_sha256))
    assert isinstance(refused, Refused)
    assert "40005" in refused.text.zh
    assert simulator.calls == [TOKEN, ADD_MATERIAL]


async def test_a_link_longer_than_the_platform_takes_is_refused(act, simulator, story, tools):
    tools.site = replace(tools.site, url="https://news.example.org/" + "x" * 1000)
    refused = await act.publish(story)
    assert isinstance(refused, Refused)
    assert "阅读原文" in refused.text.zh
    assert simulator.calls == []


@pytest.mark.parametrize("url", [None, "javascript:alert(1)", "http://" + "x" * 3000])
async def test_a_picture_without_a_usable_address_is_never_lost_silently(
    platform, account, make_tools, tools, story, url
):
    def handler(request):
        if request.url.path == TOKEN:
            return httpx.Response(200, json={"access_token": "t", "expires_in": 10**400})
        return httpx.Response(200, json={"media_id": "m", "url": url})

    broken = make_tools(handler)
    broken.private = tools.private
    outcome = await platform.publish(story, account, "d1", broken)
    assert isinstance(outcome, TryLater)


async def test_body_of_hostile_text_is_escaped(act, simulator, poisoned, story, platform):
    poisoned = replace(poisoned, title="标题<b>", media=story.media, byline="</p>", digest="x")
    accepted = await act.publish(poisoned)
    simulator.settle()
    assert isinstance(await act.status(poisoned, accepted.external_id), Confirmed)
    content = simulator.live[0].news["content"]
    assert "&lt;/script&gt;&lt;b&gt;&amp;" in content
    assert "<b>" not in content
    assert simulator.live[0].news["title"] == "标题<b>"


async def test_a_backslash_in_the_text_arrives_as_it_is(act, simulator, story):
    await published(act, simulator, replace(story, title=r"路径 C:\u4f5c 与 \n"))
    assert simulator.live[0].news["title"] == r"路径 C:\u4f5c 与 \n"


async def test_publish_waits_for_the_renditions_that_it_uses(act, simulator, story):
    still = story.media[1].renditions
    del still["wechat_cover"]  # the cover is the video's
    assert isinstance(await act.publish(story), Accepted)
    calls = len(simulator.calls)
    del still["wechat_still"]
    refused = await act.publish(story)
    assert isinstance(refused, Refused)
    assert "wechat_still" in refused.text.en
    assert len(simulator.calls) == calls


async def test_publish_past_a_limit_is_refused_before_any_call(act, simulator, story):
    assert isinstance(await act.publish(replace(story, title="字" * 40)), Refused)
    assert simulator.calls == []


async def test_publish_of_a_picture_that_the_platform_refuses_says_so(act, simulator, story, tools):
    tools.private[story.media[1].renditions["wechat_still"].primary.object_key] = b"RIFFxxxxWEBP"
    refused = await act.publish(story)
    assert isinstance(refused, Refused)
    assert "40005" in refused.text.zh
    assert simulator.drafts == {}


# -- the address and the token -------------------------------------------------------------------------------


async def test_another_address_of_the_api_is_used_and_checked(platform, simulator, account, tools, story):
    seen = []
    tools.check_url = lambda url, before=tools.check_url: seen.append(url) or before(url)
    settings = {**account.settings, "api_url": "https://gateway.example.org/wx/"}
    moved = replace(account, settings=settings)
    await platform.publish(story, moved, "d1", tools)
    assert {url.partition("/cgi-bin/")[0] for url in seen} == {"https://gateway.example.org/wx"}
    await platform.publish(story, account, "d2", tools)
    assert seen[-1] == f"{wechat_api.BASE_URL}{SUBMIT}"


async def test_an_address_that_must_not_be_called_is_refused(act, simulator, story, tools):
    tools.refuse_url = AddressRefused("address.not_public", Text(zh="内网", en="inner"))
    assert await act.publish(story) == Refused(Text(zh="内网", en="inner"))
    assert simulator.calls == []


@pytest.mark.parametrize("change", [{"settings": {}}, {"secret": None}])
async def test_an_account_that_is_not_set_up_is_refused(platform, simulator, account, tools, story, change):
    missing = replace(account, **change)
    assert isinstance(await platform.publish(story, missing, "d1", tools), Refused)
    assert isinstance(await platform.status(story, missing, Sent("d1", "1"), tools), Unknown)
    assert isinstance(await platform.retract(story, missing, "d1", tools), Refused)
    assert simulator.calls == []


async def test_one_token_serves_until_shortly_before_its_end(act, simulator, story):
    await act.publish(story)
    simulator.now += 7139
    await act.publish(story, "d2")
    assert simulator.calls.count(TOKEN) == 1
    simulator.now += 2
    await act.publish(story, "d3")
    assert simulator.calls.count(TOKEN) == 2
    assert {call["force_refresh"] for call in simulator.token_calls} == {False}


async def test_a_secret_that_was_reset_does_not_go_on_with_the_old_token(
    platform, simulator, account, tools, story
):
    await platform.publish(story, account, "d1", tools)
    refused = await platform.publish(story, replace(account, secret="another"), "d2", tools)
    assert isinstance(refused, Refused)
    assert "40125" in refused.text.en


@pytest.mark.parametrize("path", [ADD_MATERIAL, UPLOAD, DRAFT, SUBMIT])
async def test_a_token_that_goes_bad_at_any_call_is_renewed_once(act, simulator, story, path):
    def spoil(called):
        if called == path:
            simulator.revoke_tokens()
            simulator.before = None

    simulator.before = spoil
    accepted = await act.publish(story)
    assert isinstance(accepted, Accepted)
    assert simulator.calls.count(TOKEN) == 2
    simulator.settle()
    assert len(simulator.live) == 1


async def test_a_token_that_expires_meanwhile_is_renewed(act, simulator, story):
    def wait(path):
        if path == DRAFT:
            simulator.now += 7300
            simulator.before = None

    simulator.before = wait
    assert isinstance(await act.publish(story), Accepted)
    assert len(simulator.tasks) == 1


async def test_a_token_that_is_never_good_is_tried_later(act, simulator, story):
    simulator.before = lambda path: path != TOKEN and simulator.revoke_tokens()
    outcome = await act.publish(story)
    assert isinstance(outcome, TryLater)
    assert simulator.calls == [TOKEN, ADD_MATERIAL, TOKEN, ADD_MATERIAL]


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"secret": "other"}, "40125", "AppSecret"),
        ({"app_id": "wxother"}, "40013", "AppID"),
        ({"is_listed": False}, "40164", "白名单"),
    ],
)
async def test_what_an_administrator_has_to_mend_is_refused_in_words(
    act, simulator, story, change, code, word
):
    for name, value in change.items():
        setattr(simulator, name, value)
    refused = await act.publish(story)
    assert isinstance(refused, Refused)
    assert code in refused.text.zh
    assert word in refused.text.zh


# -- refusals and limits of calls ----------------------------------------------------------------------------


async def test_an_account_without_the_right_is_told_so_and_keeps_its_draft(act, simulator, story):
    simulator.is_verified = False
    refused = await act.publish(story)
    assert isinstance(refused, Refused)
    assert "2025" in refused.text.zh
    assert "草稿箱" in refused.text.zh
    assert len(simulator.drafts) == 1


@pytest.mark.parametrize("code", [53503, 53504, 53505])
async def test_a_draft_that_does_not_pass_is_refused_and_kept(act, simulator, story, code):
    simulator.draft_check = code
    refused = await act.publish(story)
    assert isinstance(refused, Refused)
    assert str(code) in refused.text.en
    assert len(simulator.drafts) == 1


async def test_a_draft_deleted_by_hand_is_refused_without_a_word_of_the_draft_box(act, simulator, story):
    simulator.before = lambda path: path == SUBMIT and simulator.drafts.clear()
    refused = await act.publish(story)
    assert isinstance(refused, Refused)
    assert "40007" in refused.text.zh
    assert "草稿保留" not in refused.text.zh


async def test_a_day_s_limit_is_tried_later_and_leaves_no_draft(act, simulator, story):
    assert isinstance(await act.publish(story), Accepted)
    simulator.used[(SUBMIT, int(simulator.now // 86_400))] = QUOTAS[SUBMIT]
    left = len(simulator.drafts)
    outcome = await act.publish(story, "one too many")
    assert isinstance(outcome, TryLater)
    assert outcome.retry_after_s == 3600.0
    assert "45009" in outcome.text.zh
    assert len(simulator.drafts) == left
    simulator.now += 86_400
    assert isinstance(await act.publish(story, "one too many"), Accepted)


async def test_a_minute_s_limit_is_tried_later(act, simulator, story):
    simulator.minute_quota = 2
    outcome = await act.publish(story)
    assert isinstance(outcome, TryLater)
    assert outcome.retry_after_s == 60.0
    simulator.minute_quota = None
    assert isinstance(await act.publish(story), Accepted)


async def test_http_429_keeps_the_wait_that_it_names(act, simulator, story):
    simulator.faults = {6: Fault.HTTP_429}
    outcome = await act.publish(story)
    assert isinstance(outcome, TryLater)
    assert outcome.retry_after_s == 17.0
    assert simulator.tasks == {}


# -- states --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "word"), [(2, "原创"), (3, "常规失败"), (4, "审核不通过")])
async def test_a_publication_that_fails_is_refused_in_words(act, simulator, story, verdict, word):
    simulator.verdict = verdict
    accepted = await act.publish(story)
    simulator.settle()
    refused = await act.status(story, accepted.external_id)
    assert isinstance(refused, Refused)
    assert word in refused.text.zh
    assert simulator.live == []


@pytest.mark.parametrize(("state", "word"), [("is_deleted", "删除"), ("is_banned", "封禁")])
async def test_an_article_that_goes_later_on_is_told(act, simulator, story, state, word):
    confirmed = await published(act, simulator, story)
    assert await act.status(story, confirmed.external_id) == confirmed
    setattr(simulator.articles[0], state, True)
    refused = await act.status(story, confirmed.external_id)
    assert isinstance(refused, Refused)
    assert word in refused.text.zh


async def test_an_article_found_by_its_marker_is_watched_by_its_own_id(act, simulator, story):
    await published(act, simulator, story)
    found = await act.status(story, None)
    assert found == Confirmed(f"/{simulator.articles[0].article_id}", simulator.articles[0].url)
    assert await act.status(story, found.external_id) == found
    simulator.articles[0].is_deleted = True
    assert isinstance(await act.status(story, found.external_id), Refused)
    assert isinstance(await act.status(story, "/no-such-article"), Refused)


async def test_status_of_an_unknown_task_is_unknown_and_never_send_again(act, simulator, story):
    outcome = await act.status(story, "999")
    assert isinstance(outcome, Unknown)
    assert "40097" in outcome.text.zh


async def test_status_while_the_calls_are_used_up_stays_accepted(act, simulator, story):
    accepted = await act.publish(story)
    simulator.faults = {len(simulator.calls) + 1: Fault.QUOTA}
    assert await act.status(story, accepted.external_id) == Accepted(accepted.external_id, 3600.0)


@pytest.mark.parametrize(
    "answer", [{}, {"publish_status": 9}, {"publish_status": "0"}, {"publish_status": False}]
)
async def test_status_that_cannot_be_read_is_unknown(platform, account, make_tools, story, answer):
    token = {"access_token": "t", "expires_in": 7200}
    tools = make_tools(
        lambda request: httpx.Response(200, json=token if TOKEN in str(request.url) else answer)
    )
    outcome = await platform.status(story, account, Sent("d1", "7"), tools)
    assert isinstance(outcome, Unknown)


# -- look-up -------------------------------------------------------------------------------------------------


async def test_a_submit_without_an_answer_is_unknown_until_it_is_listed(act, simulator, story):
    simulator.list_lag_s = 600
    simulator.faults = {6: Fault.CUT_AFTER}
    assert isinstance(await act.publish(story), Unknown)
    unknown = await act.status(story, None)
    assert isinstance(unknown, Unknown)
    assert "还在公众号草稿箱" in unknown.text.zh
    simulator.settle(60)
    unknown = await act.status(story, None)
    assert isinstance(unknown, Unknown)
    assert "都没有找到" in unknown.text.zh
    simulator.settle(600)
    assert isinstance(await act.status(story, None), Confirmed)
    assert len(simulator.live) == 1


async def test_a_look_up_finds_its_own_among_many(act, simulator, story):
    for number in range(25):
        assert isinstance(await act.publish(story, f"d{number}"), Accepted)
    simulator.settle()
    simulator.calls.clear()
    found = await act.status(story, None, "d3")
    assert found.external_id == f"/{simulator.articles[3].article_id}"
    assert len(simulator.calls) == 2
    assert isinstance(await act.status(story, None, "never sent"), Unknown)


async def test_a_look_up_that_breaks_off_is_unknown(act, simulator, story):
    simulator.faults = {1: Fault.CUT_BEFORE, 2: Fault.QUOTA}
    assert isinstance(await act.status(story, None), Unknown)
    assert isinstance(await act.status(story, None), Unknown)


# -- taking back and correcting ------------------------------------------------------------------------------


async def test_retract_deletes_by_the_ids(act, simulator, story):
    confirmed = await published(act, simulator, story)
    outcome = await act.retract(story, Sent("d1", confirmed.external_id))
    assert isinstance(outcome, Confirmed)
    assert simulator.live == []
    assert isinstance(await act.retract(story, Sent("d1", confirmed.external_id)), Confirmed)
    assert simulator.calls.count("/cgi-bin/freepublish/delete") == 1


async def test_retract_without_ids_finds_the_article_by_its_marker(act, simulator, story):
    await published(act, simulator, story)
    await act.publish(story, "another")
    simulator.settle()
    assert isinstance(await act.retract(story), Confirmed)
    (left,) = simulator.live
    assert marker("another") in left.news["content_source_url"]
    assert isinstance(await act.retract(story), Unknown)


async def test_retract_while_it_is_published_is_tried_until_it_is_out(act, simulator, story):
    accepted = await act.publish(story)
    sent = Sent("d1", accepted.external_id)
    assert isinstance(await act.retract(story, sent), TryLater)
    simulator.settle()
    assert isinstance(await act.retract(story, sent), Confirmed)
    assert simulator.live == []


@pytest.mark.parametrize("verdict", [2, 3, 4])
async def test_retract_of_what_never_came_out_is_confirmed(act, simulator, story, verdict):
    simulator.verdict = verdict
    accepted = await act.publish(story)
    simulator.settle()
    assert isinstance(await act.retract(story, Sent("d1", accepted.external_id)), Confirmed)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("number", [1, 2])
async def test_retract_with_a_fault_at_any_call_ends_with_nothing_live(act, simulator, story, fault, number):
    confirmed = await published(act, simulator, story)
    simulator.faults = {len(simulator.calls) + number: fault}
    for _ in range(4):
        outcome = await act.retract(story, Sent("d1", confirmed.external_id))
        if isinstance(outcome, Confirmed):
            break
        assert isinstance(outcome, TryLater | Unknown)
    assert isinstance(outcome, Confirmed)
    assert simulator.live == []


async def test_retract_past_the_day_s_limit_is_tried_later_and_told_to_people(act, simulator, story):
    confirmed = await published(act, simulator, story)
    simulator.used[("/cgi-bin/freepublish/delete", int(simulator.now // 86_400))] = 10
    outcome = await act.retract(story, Sent("d1", confirmed.external_id))
    assert isinstance(outcome, TryLater)
    assert "人工" in outcome.text.zh
    assert len(simulator.live) == 1


async def test_correct_hands_a_person_what_to_do(platform, simulator, account, tools, corrected):
    before = Sent("d1", "2247500001/b5O2-1")
    outcome = await platform.correct(corrected, account, "d2", before, tools)
    assert outcome == HandedOff(None, {"correct.txt": "handoffs/d2/correct.txt"})
    text = tools.private["handoffs/d2/correct.txt"].decode()
    for word in ("b5O2-1", corrected.note, "不能用接口修改", "逐户敲门"):
        assert word in text
    assert simulator.calls == []


def test_it_says_that_it_is_not_idempotent_and_can_be_looked_up(platform):
    assert (platform.is_idempotent, platform.can_look_up) == (False, True)
