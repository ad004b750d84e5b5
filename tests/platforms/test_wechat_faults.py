"""Every fault at every call to the WeChat official account: never two articles, and no key in any word."""

import asyncio
import logging
import random
import traceback

import httpx
import pytest

from platforms import wechat_api
from platforms.calling import CallFailed
from platforms.frame import Accepted, Confirmed, Refused, Sent, TryLater, Unknown
from platforms.wechat import WechatPlatform
from platforms.wechat_api import Account, Tokens
from tests.platforms.simulators.wechat import Fault, Simulator
from tests.platforms.simulators.wechat_kit import account_of, stock, with_pictures

# token, cover, two pictures, draft, submit; then the first poll
CALLS, SUBMIT_CALL = 6, 6
# The submit was not carried out, and nothing can prove it.
LOST_AT_SUBMIT = {
    Fault.CUT_BEFORE,
    Fault.SLOW_BEFORE,
    Fault.ERROR_500_BEFORE,
    Fault.BUSY_BEFORE,
    Fault.WRONG_BODY_BEFORE,
}


@pytest.fixture
def story(story):
    return with_pictures(story)


@pytest.fixture
def simulator():
    return Simulator()


@pytest.fixture
async def deliver(simulator, story, tools):
    """Delivers as the engine does: a later attempt only after TryLater, then polls or looks up. The last outcome."""
    platform, account = WechatPlatform(lambda: simulator.now), account_of(simulator)
    stock(tools, story)
    said = []

    async def run(delivery_id="d1"):
        for _ in range(8):
            outcome = await platform.publish(story, account, delivery_id, tools)
            said.append(outcome)
            if not isinstance(outcome, TryLater):
                break
        external_id = None
        for _ in range(6):
            if not isinstance(outcome, Accepted | Unknown):
                break
            external_id = outcome.external_id if isinstance(outcome, Accepted) else external_id
            simulator.settle()
            outcome = await platform.status(story, account, Sent(delivery_id, external_id), tools)
            said.append(outcome)
            assert not isinstance(outcome, TryLater), "a poll must never lead to a second article"
        return outcome

    run.said = said
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=simulator)) as client:
        tools.http = client
        yield run


@pytest.mark.parametrize("fault", list(Fault), ids=[fault.name for fault in Fault])
@pytest.mark.parametrize("number", range(1, CALLS + 2))
async def test_a_fault_at_any_call_never_makes_two_articles(deliver, simulator, fault, number, caplog):
    caplog.set_level(logging.DEBUG)
    simulator.faults = {number: fault}
    outcome = await deliver()
    if number == SUBMIT_CALL and fault in LOST_AT_SUBMIT:
        assert isinstance(outcome, Unknown)
        assert simulator.articles == []
        assert len(simulator.drafts) == 1
    elif number == 1 and fault is Fault.TOKEN_REVOKED:  # said of the secret, there: a person's to mend
        assert isinstance(outcome, Refused)
        assert simulator.articles == []
    else:
        assert isinstance(outcome, Confirmed)
        assert len(simulator.articles) == 1
    if number == SUBMIT_CALL and fault.endswith("accept"):
        assert isinstance(deliver.said[0], Unknown)
    _assert_no_key_in(simulator, repr(deliver.said), caplog.text)


async def test_a_fault_at_the_last_attempt_leaves_one_draft_at_most_where_nothing_was_sent(
    deliver, simulator
):
    simulator.faults = dict.fromkeys((SUBMIT_CALL, 12, 18), Fault.QUOTA)
    assert isinstance(await deliver(), Confirmed)
    assert len(simulator.articles) == 1
    assert simulator.drafts == {}


@pytest.mark.parametrize("seed", range(40))
async def test_many_faults_in_a_row_never_make_two_articles(deliver, simulator, seed):
    choose = random.Random(seed)
    simulator.faults = {
        number: choose.choice(list(Fault)) for number in range(1, 60) if choose.random() < 0.3
    }
    outcome = await deliver()
    assert len(simulator.articles) <= 1
    if isinstance(outcome, Confirmed):
        assert len(simulator.articles) == 1
    else:  # nothing is given up while it may be there
        assert simulator.articles == [] or isinstance(outcome, Accepted | Unknown)


async def test_a_submit_that_takes_too_long_is_given_up_and_looked_up(deliver, simulator, monkeypatch):
    def shorten(path):
        if path.endswith("draft/add"):
            monkeypatch.setattr(wechat_api, "TIMEOUT_S", 0.05)
        elif path.endswith("submit"):
            monkeypatch.setattr(wechat_api, "TIMEOUT_S", 15.0)

    simulator.before, simulator.slow_s = shorten, 600.0
    simulator.faults = {SUBMIT_CALL: Fault.SLOW_AFTER}
    assert isinstance(await deliver(), Confirmed)
    assert isinstance(deliver.said[0], Unknown)
    assert len(simulator.articles) == 1


async def test_two_deliveries_at_once_make_one_article_each(deliver, simulator):
    for outcome in await asyncio.gather(deliver("d1"), deliver("d2")):
        assert isinstance(outcome, Confirmed)
    links = {each.news["content_source_url"] for each in simulator.articles}
    assert len(links) == len(simulator.articles) == 2


# -- keys ------------------------------------------------------------------------------------------------------


def _assert_no_key_in(simulator, *texts):
    for text in texts:
        assert simulator.secret not in text
        assert "token-" not in text


async def test_no_key_in_errors_reprs_and_logs(simulator, story, tools, make_tools, caplog):
    caplog.set_level(logging.DEBUG)

    def leaky(request):
        # A gateway that repeats everything it was told.
        said = f"{request.url} {request.content!r} token-00001"
        if request.url.path.endswith("stable_token"):
            return httpx.Response(
                200, json={"access_token": "token-00001", "expires_in": 7200, "errmsg": said}
            )
        return httpx.Response(200, json={"errcode": 40097, "errmsg": said})

    broken = make_tools(leaky)
    tokens = Tokens()
    account = Account(account_of(simulator), broken, tokens)
    with pytest.raises(CallFailed) as caught:
        await account.ask("/cgi-bin/draft/add", {"articles": []})
    shown = "".join(traceback.format_exception(caught.value))
    outcome = caught.value.outcome
    assert isinstance(outcome, Refused)
    _assert_no_key_in(
        simulator,
        shown,
        repr(outcome),
        repr(tokens),
        repr(account),
        str(caught.value),
        repr(account_of(simulator)),
    )
    _assert_no_key_in(simulator, caplog.text)


# -- the simulator itself -----------------------------------------------------------------------------------------

PNG = b"\x89PNG" + b"x" * 10


@pytest.fixture
async def ask(simulator):
    """Calls the simulator with a good token; its answer."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=simulator), base_url="http://wx"
    ) as client:
        asked = {"grant_type": "client_credential", "appid": simulator.app_id, "secret": simulator.secret}
        token = (await client.post("/cgi-bin/stable_token", json=asked)).json()["access_token"]

        async def call(path, body=None, *, data=None, token=token, **query):
            files = {"media": ("x.jpg", data, "image/jpeg")} if data is not None else None
            params = {"access_token": token, **query}
            answer = await client.post(f"/cgi-bin/{path}", params=params, json=body, files=files)
            return answer.json()

        yield call


async def _draft(ask, **changes):
    thumb = (await ask("material/add_material", data=PNG, type="image"))["media_id"]
    news = {"title": "t", "content": "<p>c</p>", "thumb_media_id": thumb, **changes}
    return await ask("draft/add", {"articles": [news]})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "字" * 33}, 45003),
        ({"title": ""}, 40227),
        ({"author": "名" * 17}, 45110),
        ({"digest": "摘" * 129}, 45004),
        ({"content": "文" * 20_000}, 45002),
        ({"content": ""}, 44003),
        ({"content_source_url": "https://x/" + "x" * 1020}, 45005),
        ({"thumb_media_id": "material-9"}, 40007),
        ({"pic_crop_1_1": "0_0_2_1"}, 47001),
    ],
)
async def test_simulator_refuses_a_draft_past_a_limit(ask, changes, code):
    assert (await _draft(ask, **changes))["errcode"] == code


@pytest.mark.parametrize(
    ("path", "query", "data", "code"),
    [
        ("material/add_material", {"type": "image"}, b"RIFF", 40005),
        ("material/add_material", {"type": "image"}, b"", 44001),
        ("material/add_material", {"type": "image"}, PNG + b"x" * 10_485_760, 45001),
        ("material/add_material", {"type": "thumb"}, PNG, 40005),
        ("material/add_material", {"type": "news"}, PNG, 40004),
        ("media/uploadimg", {}, b"GIF8", 40005),
        ("media/uploadimg", {}, PNG + b"x" * 1_048_576, 40009),
    ],
)
async def test_simulator_refuses_files(ask, path, query, data, code):
    assert (await ask(path, data=data, **query))["errcode"] == code


async def test_simulator_refuses_the_wrong_order_and_unknown_ids(ask, simulator):
    assert (await ask("freepublish/submit", {"media_id": "draft-1"}))["errcode"] == 40007
    assert (await ask("freepublish/get", {"publish_id": "1"}))["errcode"] == 40097
    assert (await ask("freepublish/delete", {"article_id": "a"}))["errcode"] == 53600
    assert (await ask("freepublish/batchget", {"offset": 0, "count": 21}))["errcode"] == 40097
    draft = (await _draft(ask))["media_id"]
    await ask("draft/delete", {"media_id": draft})
    assert (await ask("freepublish/submit", {"media_id": draft}))["errcode"] == 40007
    assert (await ask("draft/add", {"articles": []}, token=""))["errcode"] == 41001
    assert (await ask("draft/add", {"articles": []}, token="no"))["errcode"] == 40001
    simulator.now += 7200
    assert (await ask("draft/add", {"articles": []}))["errcode"] == 42001


async def test_simulator_drops_script_links_and_foreign_images(ask, simulator):
    content = (
        '<p onclick="x()">a<script>steal()</script></p><img src="https://elsewhere.example/x.jpg">'
        '<iframe src="https://elsewhere.example/"></iframe>'
    )
    await _draft(ask, content=content)
    (news,) = simulator.drafts.values()
    assert news["content"] == "<p>a</p>"


async def test_simulator_publishes_twice_what_is_submitted_twice(ask, simulator):
    draft = (await _draft(ask))["media_id"]
    for _ in range(2):
        assert (await ask("freepublish/submit", {"media_id": draft}))["errcode"] == 0
    simulator.settle()
    assert len(simulator.articles) == 2
