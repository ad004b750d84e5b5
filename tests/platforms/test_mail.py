"""Mail to a real SMTP server: encrypted, within its budget, and never sent twice by itself."""

import asyncio
import base64
import hashlib
import logging
import re
from dataclasses import replace

import pytest

from platforms.frame import Confirmed, DestinationConfig, Refused, Sent, TryLater, Unknown
from platforms.mail import MAILS, Mobile30, Mobile300, OutletMail
from platforms.mail_session import mail_settings, send
from platforms.story import StoryFile, StoryMedia, StoryRendition
from tests.platforms.simulators.cutting_proxy import cutting_proxy
from tests.platforms.simulators.smtpd import PASSWORD, USER, Authority, smtp_server

pytestmark = pytest.mark.slow

PICTURE = bytes(range(256)) * 200
SHA = hashlib.sha256(PICTURE).hexdigest()
KEY = "made/x/still.jpg"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def illustrated(story):
    def made(profile):
        return StoryRendition(
            profile, (StoryFile("image", "still.jpg", KEY, "image/jpeg", len(PICTURE), SHA),)
        )

    names = ("print_still", "mms_still", "mms_still_100", "mms_still_30")
    still = StoryMedia("2b" * 32, "still", "I.JPG", "村民领取热水", {name: made(name) for name in names})
    return replace(story, media=(still,))


@pytest.fixture
def tools(make_tools):
    made = make_tools()
    made.private[KEY] = PICTURE
    made.allowed_private_hosts = ("localhost",)
    return made


@pytest.fixture
async def mailbox(authority):
    async with smtp_server(authority.serving()) as running:
        yield running


def to(mailbox, secret=PASSWORD, **changes):
    settings = {"host": "localhost", "port": str(mailbox.port), "security": "starttls", "user": USER}
    settings |= {"from": "news@example.org", "to": "desk@paper.example.com"} | changes
    return DestinationConfig("m", "日报", settings, secret)


@pytest.fixture
def publish(authority, tools):
    async def call(story, destination, platform=OutletMail, delivery_id="d-1"):
        return await platform(authority.trusting).publish(story, destination, delivery_id, tools)

    return call


def parts(mail):
    return [(part.get_content_type(), part.get_filename()) for part in mail.walk() if not part.is_multipart()]


async def test_a_story_arrives_with_text_html_and_stills(mailbox, illustrated, publish):
    assert await publish(illustrated, to(mailbox)) == Confirmed("<d-1@example.org>", None)
    (mail,) = mailbox.mails
    assert mail["Subject"] == illustrated.title
    assert mail["From"] == "青川融媒 <news@example.org>"
    assert (mail["Message-ID"], mail["X-Sanshen-Delivery"]) == ("<d-1@example.org>", "d-1")
    name = f"{illustrated.id}_v2_01_{SHA[:8]}.jpg"
    assert parts(mail) == [("text/plain", None), ("text/html", None), ("image/jpeg", name)]
    assert "消防员逐户敲门。" in mail.get_body(("plain",)).get_content()
    assert f"图 1（{name}）：村民领取热水" in mail.get_body(("html",)).get_content()
    (attached,) = mail.iter_attachments()
    assert attached.get_content() == PICTURE
    assert mailbox.logins == ["PLAIN"]


async def test_mail_over_tls_from_the_first_byte_arrives(authority, illustrated, publish):
    async with smtp_server(authority.serving(), is_wrapped=True) as mailbox:
        assert isinstance(await publish(illustrated, to(mailbox, security="tls")), Confirmed)
        assert len(mailbox.taken) == 1


async def test_a_relay_without_login_takes_mail_too(authority, illustrated, publish):
    async with smtp_server(authority.serving()) as mailbox:
        outcome = await publish(illustrated, to(mailbox, secret=None, user=""))
        # This server wants a login; that none was tried is what is seen here.
        assert isinstance(outcome, Refused)
        assert mailbox.logins == []


async def test_the_mobile_newspaper_is_text_and_stills_alone(mailbox, illustrated, publish):
    assert isinstance(await publish(illustrated, to(mailbox), Mobile300), Confirmed)
    assert [kind for kind, _ in parts(mailbox.mails[0])] == ["text/plain", "image/jpeg"]


@pytest.mark.parametrize(("platform", "is_over"), [(Mobile300, False), (Mobile30, True), (OutletMail, False)])
async def test_what_is_over_the_budget_is_told_at_review_with_limit_and_source(
    illustrated, platform, is_over
):
    problems = platform().check(illustrated)
    assert bool(problems) is is_over
    for problem in problems:
        assert (problem.code, problem.limit) == ("mobile_30.too_large", 30_000)
        assert "PLATFORMS.md" in problem.source
        assert "30000" in problem.text.zh


def test_a_story_that_fits_its_budget_to_the_byte_passes(story):
    text_only = replace(story, media=(), body="", byline="", title="x" * 29_999)
    assert Mobile30().check(text_only) == ()
    assert len(Mobile30().check(replace(text_only, title="x" * 30_000))) == 1


def test_a_missing_title_is_told_at_review(story):
    for platform in MAILS:
        assert [each.code for each in platform.check(replace(story, media=(), title=" "))] == [
            f"{platform.name}.title_missing"
        ]


async def test_a_budget_of_the_destination_is_kept(mailbox, illustrated, publish):
    outcome = await publish(illustrated, to(mailbox, max_bytes="20000"))
    assert isinstance(outcome, Refused)
    assert "20000" in outcome.text.zh
    assert mailbox.taken == []


async def test_no_header_can_be_injected(mailbox, poisoned, publish):
    title = "标题\r\nBcc: everybody@example.com\r\n\r\nbody\x00\u2028x"
    story = replace(poisoned, media=(), title=title, note=title, byline=title)
    assert isinstance(await publish(story, to(mailbox), delivery_id="d\r\nBcc: x@y.example"), Confirmed)
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "标题 Bcc: everybody@example.com body x"
    assert mailbox.recipients == [["desk@paper.example.com"]]
    assert "<script" not in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize("ending", ["\r\n", ""])
async def test_lines_that_are_a_dot_arrive_as_they_are(mailbox, authority, tools, ending):
    lines = "Subject: x\r\n\r\n.\r\n..\r\n.ends\r\nQUIT\r\n" + "....\r\n" * 20_000 + "x"
    settings = mail_settings(to(mailbox))
    assert await send(settings, (lines + ending).encode(), tools, authority.trusting) is None
    assert mailbox.taken == [(lines + "\r\n").encode()]


async def test_text_of_dots_arrives_as_it_is(mailbox, story, publish):
    dotted = replace(story, media=(), body=".\n\n..\n\n.ends\n\nQUIT")
    assert isinstance(await publish(dotted, to(mailbox)), Confirmed)
    got = mailbox.mails[0].get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert ".\n\n..\n\n.ends\n\nQUIT" in got


@pytest.mark.parametrize("title", ["洪" * 3000, "x" * 3000, "e\u0301 " * 1500])
async def test_a_long_title_is_folded(mailbox, story, publish, title):
    assert isinstance(await publish(replace(story, media=(), title=title), to(mailbox)), Confirmed)
    assert mailbox.mails[0]["Subject"].replace(" ", "") == title.replace(" ", "")
    assert max(len(line) for line in mailbox.taken[0].split(b"\r\n")) <= 998


async def test_two_mails_of_one_delivery_can_be_known_as_one(mailbox, illustrated, publish):
    await publish(illustrated, to(mailbox))
    await publish(illustrated, to(mailbox))
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1
    assert not OutletMail.is_idempotent


async def test_a_correction_answers_the_first_mail(mailbox, corrected, authority, tools):
    story = replace(corrected, media=())
    platform = OutletMail(authority.trusting)
    outcome = await platform.correct(story, to(mailbox), "d-2", Sent("d-1", "<d-1@example.org>"), tools)
    assert outcome == Confirmed("<d-2@example.org>", None)
    (mail,) = mailbox.mails
    assert mail["Subject"] == f"【更正】{story.title}"
    assert mail["In-Reply-To"] == mail["References"] == "<d-1@example.org>"
    assert mail.get_body(("plain",)).get_content().startswith(f"【更正】{story.note}")


@pytest.mark.parametrize("noted", [None, "<x>\r\nBcc: y@z.example", "plain"])
async def test_a_strange_earlier_id_is_replaced_by_our_own(mailbox, corrected, authority, tools, noted):
    platform = OutletMail(authority.trusting)
    await platform.correct(replace(corrected, media=()), to(mailbox), "d-2", Sent("d-1", noted), tools)
    assert mailbox.mails[0]["References"] == "<d-1@example.org>"


async def test_a_retraction_says_so_without_the_story(mailbox, illustrated, authority, tools):
    story = replace(illustrated, status="canceled", note="地点有误")
    outcome = await OutletMail(authority.trusting).retract(story, to(mailbox), "d-1", tools)
    assert outcome == Confirmed("<d-1.retract@example.org>", None)
    (mail,) = mailbox.mails
    assert mail["Subject"] == f"【撤稿通知】{story.title}"
    assert mail["References"] == "<d-1@example.org>"
    assert parts(mail) == [("text/plain", None)]
    text = mail.get_content()
    assert "地点有误" in text
    assert "消防员" not in text


@pytest.mark.parametrize(
    ("says", "outcome_type", "shown"),
    [
        ({"MAIL": "451 4.3.0 greylisted"}, TryLater, "451 4.3.0 greylisted"),
        ({"MAIL": "552 5.3.4 too big"}, Refused, "552 5.3.4 too big"),
        ({"desk@paper.example.com": "550 5.1.1 no such user"}, Refused, "no such user"),
        ({"desk@paper.example.com": "450 4.2.1 box busy"}, TryLater, "box busy"),
        ({"DATA": "554 5.7.1 spam"}, Refused, "554 5.7.1 spam"),
        ({"DATA": "452 4.3.1 disk full"}, TryLater, "disk full"),
        ({"DATA": f"554 {USER} {PASSWORD} " + "x" * 400}, Refused, "***"),
    ],
)
async def test_what_the_server_says_decides(mailbox, illustrated, publish, says, outcome_type, shown):
    mailbox.says = says
    outcome = await publish(illustrated, to(mailbox))
    assert isinstance(outcome, outcome_type)
    assert shown in outcome.text.en
    assert PASSWORD not in repr(outcome)
    assert len(outcome.text.en) < 400
    assert mailbox.taken == []


async def test_one_recipient_refused_and_nobody_gets_it(mailbox, illustrated, publish):
    mailbox.says = {"b@paper.example.com": "550 no such user"}
    destination = to(mailbox, to="a@paper.example.com, b@paper.example.com")
    assert isinstance(await publish(illustrated, destination), Refused)
    assert mailbox.taken == []
    mailbox.says = {}
    assert isinstance(await publish(illustrated, destination), Confirmed)
    assert mailbox.recipients == [["a@paper.example.com", "b@paper.example.com"]]


async def test_a_server_with_a_small_limit_refuses_before_the_sending(authority, illustrated, publish):
    async with smtp_server(authority.serving(), size_limit=10_000) as mailbox:
        outcome = await publish(illustrated, to(mailbox))
        assert isinstance(outcome, Refused)
        assert "552" in outcome.text.en
        assert mailbox.taken == []


async def test_a_wrong_password_is_refused_and_shown_nowhere(mailbox, illustrated, publish, caplog):
    secret = "wr0ng-s3cret"
    with caplog.at_level(logging.DEBUG):
        outcome = await publish(illustrated, to(mailbox, secret=secret))
    logged = " ".join(
        each.getMessage() for each in caplog.records if each.name != "mail.log"
    )  # the server's own
    assert isinstance(outcome, Refused)
    assert "535" in outcome.text.en
    for form in (secret, base64.b64encode(secret.encode()).decode()):
        assert form not in repr(outcome) + logged + repr(to(mailbox, secret=secret))


async def test_no_password_goes_to_a_server_of_an_unknown_authority(mailbox, illustrated, tools, authority):
    outcome = await OutletMail().publish(illustrated, to(mailbox), "d-1", tools)
    assert isinstance(outcome, Refused)
    assert "证书" in outcome.text.zh
    assert mailbox.logins == []
    async with smtp_server(authority.serving(), is_wrapped=True) as wrapped:
        outcome = await OutletMail().publish(illustrated, to(wrapped, security="tls"), "d-1", tools)
        assert isinstance(outcome, Refused)
        assert "证书" in outcome.text.zh


async def test_no_password_goes_to_a_server_of_another_name(mailbox, illustrated, publish, tools):
    tools.allowed_private_hosts = ("127.0.0.1",)
    outcome = await publish(illustrated, to(mailbox, host="127.0.0.1"))
    assert isinstance(outcome, Refused)
    assert mailbox.logins == []


async def test_no_password_goes_over_a_line_that_is_not_encrypted(illustrated, publish):
    async with smtp_server(None) as mailbox, cutting_proxy(mailbox.port) as proxy:
        outcome = await publish(illustrated, to(mailbox, port=str(proxy.port)))
        assert isinstance(outcome, Refused)
        assert "STARTTLS" in outcome.text.en
        assert b"AUTH" not in bytes(proxy.said[0])
        assert mailbox.taken == []


async def test_an_inner_server_is_called_only_from_the_list(mailbox, illustrated, publish, tools):
    tools.allowed_private_hosts = ()
    outcome = await publish(illustrated, to(mailbox))
    assert isinstance(outcome, Refused)
    assert "allow list" in outcome.text.en


async def test_a_server_that_is_not_there_can_be_tried_again(mailbox, illustrated, publish):
    assert isinstance(await publish(illustrated, to(mailbox, port="1")), TryLater)


async def test_a_cut_at_any_byte_is_never_a_false_certainty(mailbox, illustrated, publish):
    """Cut the line a little later each time: TryLater only where the server has nothing, Unknown only at the end."""
    kinds = []
    async with cutting_proxy(mailbox.port) as proxy:
        destination = to(mailbox, port=str(proxy.port))
        proxy.cut_after_bytes = None
        await publish(illustrated, destination)
        whole = proxy.bytes_up
        mailbox.taken.clear()
        for after in [1, 20, 100, 400, 700, 900, *range(1000, whole + 1, 2000), *range(whole - 40, whole, 9)]:
            proxy.cut_after_bytes, proxy.bytes_up = after, 0
            outcome = await publish(illustrated, destination)
            kinds.append(type(outcome))
            if isinstance(outcome, TryLater):
                assert mailbox.taken == []
            mailbox.taken.clear()
    assert TryLater in kinds
    assert kinds.index(TryLater) == 0
    assert not {Refused} & set(kinds)


@pytest.mark.parametrize("is_silent", [True, False])
async def test_no_answer_after_the_end_is_unknown_and_the_mail_may_be_out(
    mailbox, illustrated, publish, is_silent, monkeypatch
):
    monkeypatch.setattr("platforms.mail_session.FINAL_REPLY_S", 0.5)
    async with cutting_proxy(mailbox.port) as proxy:
        proxy.is_silent = is_silent
        # The server's words no longer pass once it has taken the mail.
        proxy.cut = lambda up, down: bool(mailbox.taken)
        outcome = await publish(illustrated, to(mailbox, port=str(proxy.port)))
    assert isinstance(outcome, Unknown)
    assert len(mailbox.taken) == 1


async def test_a_server_that_says_nothing_is_left_in_time(mailbox, illustrated, publish, monkeypatch):
    monkeypatch.setattr("platforms.mail_session.REPLY_S", 0.3)
    async with cutting_proxy(mailbox.port) as proxy:
        proxy.is_silent, proxy.cut = True, lambda up, down: True
        async with asyncio.timeout(10):
            outcome = await publish(illustrated, to(mailbox, port=str(proxy.port)))
    assert isinstance(outcome, TryLater)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"host": ""}, "host"),
        ({"security": "none"}, "security"),
        ({"port": "mail"}, "port"),
        ({"from": "news"}, "from"),
        ({"from": "a@b.example\r\nBcc: c@d.example"}, "from"),
        ({"to": ""}, "to"),
        ({"to": "a@b.example <c@d.example>"}, "to"),
        ({"user": "a\nb"}, "user"),
        ({"max_bytes": "-1"}, "max_bytes"),
    ],
)
async def test_a_setting_that_is_amiss_is_named(mailbox, illustrated, publish, changes, named):
    outcome = await publish(illustrated, to(mailbox, **changes))
    assert isinstance(outcome, Refused)
    assert f" {named} " in outcome.text.zh
    assert isinstance(await publish(illustrated, to(mailbox, secret=None)), Refused)


async def test_a_picture_that_was_not_signed_is_not_sent(mailbox, illustrated, publish, tools):
    for other in (PICTURE[:-1] + b"x", PICTURE[:-1], b""):
        tools.private[KEY] = other
        assert isinstance(await publish(illustrated, to(mailbox)), Refused)
    assert mailbox.taken == []


async def test_no_mail_goes_before_its_renditions(mailbox, story, publish):
    outcome = await publish(story, to(mailbox))
    assert isinstance(outcome, Refused)
    assert "print_still" in outcome.text.en


async def test_a_large_mail_passes_in_parts(mailbox, illustrated, publish, tools):
    large = PICTURE * 100
    file = StoryFile("image", "s.jpg", KEY, "image/jpeg", len(large), hashlib.sha256(large).hexdigest())
    made = {"print_still": StoryRendition("print_still", (file,))}
    tools.private[KEY] = large
    story = replace(illustrated, media=(replace(illustrated.media[0], renditions=made),))
    assert isinstance(await publish(story, to(mailbox)), Confirmed)
    (attached,) = mailbox.mails[0].iter_attachments()
    assert attached.get_content() == large


def test_every_mail_names_profiles_that_exist_and_limits_with_a_source():
    from media.profiles import PROFILES

    for platform in MAILS:
        assert all(name in PROFILES for names in platform.renditions.values() for name in names)
        assert all(re.search(r"\d{4}-\d\d-\d\d", limit.cited) for limit in platform.limits)
