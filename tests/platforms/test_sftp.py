"""Drop folders on a real OpenSSH server: whole or not there, in order, once, and taken back."""

import asyncio
import hashlib
import logging
import os
import random
import traceback
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import asyncssh
import pytest
from lxml import etree

from platforms.frame import Confirmed, DestinationConfig, Refused, Sent, TryLater
from platforms.sftp import DROPS, PrintDrop, RadioDrop, TvDrop
from platforms.sftp_upload import PART_BYTES
from platforms.story import StoryFile, StoryMedia, StoryRendition
from tests.platforms.simulators.cutting_proxy import cutting_proxy
from tests.platforms.simulators.sshd import MISSING, SSHD, start_sshd

pytestmark = [pytest.mark.slow, pytest.mark.skipif(SSHD is None, reason=MISSING)]

SIZE = PART_BYTES + 1_234_567
BYTES = random.Random(6).randbytes(SIZE)
SHA = hashlib.sha256(BYTES).hexdigest()
BASE = "0192f3a4-5b6c-7d8e-9f01-23456789abcd_v2"
MXF = f"{BASE}_01_{SHA[:8]}.mxf"
KEY = "made/x/video.mxf"
NS = {"d": "urn:sanshen:drop:1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def empty_folder(server):
    for path in server.drop.iterdir():
        path.unlink()


@pytest.fixture
def on_air(story):
    made = StoryRendition(
        "tv_mxf", (StoryFile("video", "video.mxf", KEY, "application/mxf", SIZE, SHA),), 1920, 1080, 12.5
    )
    return replace(story, media=(StoryMedia("1a" * 32, "video", "a.mov", "划艇", {"tv_mxf": made}),))


@pytest.fixture
def tools(make_tools):
    made = make_tools()
    made.private[KEY] = BYTES
    made.allowed_private_hosts = ("localhost",)
    return made


def to(server, secret=None, **changes):
    return DestinationConfig("tv", "电视台", server.settings(**changes), secret or server.private_key)


async def publish(server, story, tools, secret=None, **changes):
    return await TvDrop().publish(story, to(server, secret, **changes), "d-1", tools)


async def test_the_file_is_there_whole_and_its_sidecar_with_it(server, on_air, tools):
    assert await publish(server, on_air, tools) == Confirmed(BASE, None)
    assert server.names() == [f"{BASE}.xml", MXF]
    assert (server.drop / MXF).read_bytes() == BYTES
    root = etree.fromstring((server.drop / f"{BASE}.xml").read_bytes())
    assert root.find("d:files/d:file", NS).attrib["sha256"] == SHA


async def test_the_sidecar_appears_only_when_the_media_is_whole(server, on_air, tools):
    seen = []

    async def read_part(key, first, size_bytes):
        seen.append(server.names())
        return BYTES[first : first + size_bytes]

    tools.read_part = read_part
    await publish(server, on_air, tools)
    assert len(seen) == 2
    assert all(names in ([f"{MXF}.part"], []) for names in seen)


async def test_a_repeat_sends_nothing_again(server, on_air, tools):
    await publish(server, on_air, tools)
    before = {path.name: path.stat().st_mtime_ns for path in server.drop.iterdir()}
    tools.read_part = None  # would fail
    assert await publish(server, on_air, tools) == Confirmed(BASE, None)
    assert {path.name: path.stat().st_mtime_ns for path in server.drop.iterdir()} == before


async def test_a_repeat_after_the_playout_took_it_does_not_bring_it_twice(server, on_air, tools):
    await publish(server, on_air, tools)
    empty(server)
    assert await publish(server, on_air, tools) == Confirmed(BASE, None)
    assert server.names() == []


async def test_a_break_between_the_note_and_the_rename_is_finished_by_the_repeat(server, on_air, tools):
    """What a kill at the worst moment leaves: all is there, noted, and the sidecar still has its temporary name."""
    await publish(server, on_air, tools)
    (server.drop / f"{BASE}.xml").rename(server.drop / f"{BASE}.xml.part")
    assert isinstance(await TvDrop().status(on_air, to(server), Sent("d-1", None), tools), TryLater)
    assert await publish(server, on_air, tools) == Confirmed(BASE, None)
    assert server.names() == [f"{BASE}.xml", MXF]


async def test_a_cut_at_every_stage_then_a_repeat_never_shows_half_a_file(server, on_air, tools):
    """The connection is cut every 400 kB more; each attempt goes on, and what has its final name is whole."""
    async with cutting_proxy(server.port) as proxy:
        attempts = 0
        outcome = None
        while not isinstance(outcome, Confirmed):
            attempts += 1
            assert attempts < 40
            proxy.cut_after_bytes, proxy.bytes_up = attempts * 400_000, 0
            outcome = await publish(server, on_air, tools, port=str(proxy.port))
            assert isinstance(outcome, TryLater | Confirmed)
            assert (server.drop / MXF).read_bytes() == BYTES if MXF in server.names() else True
            if f"{BASE}.xml" in server.names():
                assert MXF in server.names()
    assert attempts > 4
    assert server.names() == [f"{BASE}.xml", MXF]
    assert (server.drop / MXF).read_bytes() == BYTES


@pytest.mark.parametrize("after_bytes", [1, 500, 1500, 2500, 3500])
async def test_a_cut_in_the_handshake_can_be_tried_again(server, on_air, tools, after_bytes):
    async with cutting_proxy(server.port) as proxy:
        proxy.cut_after_bytes = after_bytes
        assert isinstance(await publish(server, on_air, tools, port=str(proxy.port)), TryLater)
    assert [name for name in server.names() if not name.endswith(".part")] == []


async def test_a_part_is_gone_on_with_and_not_sent_again(server, on_air, tools):
    (server.drop / f"{MXF}.part").write_bytes(BYTES[: PART_BYTES + 5])
    async with cutting_proxy(server.port) as proxy:
        await publish(server, on_air, tools, port=str(proxy.port))
        assert proxy.bytes_up < SIZE - PART_BYTES + 200_000
    assert (server.drop / MXF).read_bytes() == BYTES


async def test_a_hole_in_the_last_part_of_a_broken_upload_is_filled(server, on_air, tools):
    """Requests run at once, so the end of a part may be written where its middle is not."""
    holed = bytearray(BYTES[:PART_BYTES])
    holed[100:-100] = bytes(PART_BYTES - 200)
    (server.drop / f"{MXF}.part").write_bytes(holed)
    await publish(server, on_air, tools)
    assert (server.drop / MXF).read_bytes() == BYTES


async def test_a_part_that_is_too_long_is_not_ours_and_goes(server, on_air, tools):
    (server.drop / f"{MXF}.part").write_bytes(BYTES + b"more")
    assert isinstance(await publish(server, on_air, tools), Confirmed)
    assert (server.drop / MXF).read_bytes() == BYTES


async def test_two_writers_at_once_leave_one_whole_file(server, on_air, tools):
    for _ in range(3):
        outcomes = await asyncio.gather(*(publish(server, on_air, tools) for _ in range(3)))
        assert all(isinstance(outcome, Confirmed | TryLater) for outcome in outcomes)
        assert any(isinstance(outcome, Confirmed) for outcome in outcomes)
        assert server.names() == [f"{BASE}.xml", MXF]
        assert (server.drop / MXF).read_bytes() == BYTES
        empty(server)
        tools.private = {KEY: BYTES}


async def test_one_writer_renames_while_another_goes_on(server, on_air, tools):
    """The second found a long part, and it is renamed away before it is opened: it must not leave a holed file."""
    reads = 0

    async def read_part(key, first, size_bytes):
        nonlocal reads
        reads += 1
        if reads == 2:
            # The file that was opened is renamed under the writer, as another writer's end does it.
            (server.drop / f"{MXF}.part").rename(server.drop / MXF)
        return BYTES[first : first + size_bytes]

    tools.read_part = read_part
    assert isinstance(await publish(server, on_air, tools), Confirmed)
    assert (server.drop / MXF).read_bytes() == BYTES
    assert server.names() == [f"{BASE}.xml", MXF]


async def test_bytes_that_were_not_signed_are_not_handed_over(server, on_air, tools):
    tools.private[KEY] = BYTES[:-1] + b"x"
    assert isinstance(await publish(server, on_air, tools), Refused)
    assert [name for name in server.names() if not name.endswith(".part")] == []


async def test_a_short_object_in_the_store_is_not_handed_over(server, on_air, tools):
    tools.private[KEY] = BYTES[:-1]
    assert isinstance(await publish(server, on_air, tools), Refused)


async def test_another_host_key_is_refused_before_the_login(server, on_air, tools):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    logged = len(server.log.read_text())
    outcome = await publish(server, on_air, tools, host_key=other)
    assert isinstance(outcome, Refused)
    mine = asyncssh.import_public_key(server.host_key).get_fingerprint()
    assert mine in outcome.text.en
    assert "host_key" in outcome.text.zh
    assert "Accepted" not in server.log.read_text()[logged:]
    assert server.names() == []


@pytest.mark.parametrize("kind", ["ecdsa-sha2-nistp256", "ssh-rsa"])
async def test_a_host_key_of_another_kind_is_refused(server, on_air, tools, kind):
    other = asyncssh.generate_private_key(kind).export_public_key().decode()
    outcome = await publish(server, on_air, tools, host_key=other)
    assert isinstance(outcome, Refused)
    assert asyncssh.import_public_key(server.host_key).get_fingerprint() in outcome.text.en


async def test_of_several_pinned_keys_one_will_do(server, on_air, tools):
    other = asyncssh.generate_private_key("ssh-rsa").export_public_key().decode()
    outcome = await publish(server, on_air, tools, host_key=f"{other}\n{server.host_key}")
    assert isinstance(outcome, Confirmed)


@pytest.mark.parametrize("prefix", ["[localhost]:2222 ", "", "# remark\n\nlocalhost "])
async def test_a_host_key_may_be_as_ssh_keyscan_prints_it(server, on_air, tools, prefix):
    outcome = await publish(server, on_air, tools, host_key=prefix + server.host_key + " comment")
    assert isinstance(outcome, Confirmed)


async def test_a_key_that_the_server_does_not_know_is_refused(server, on_air, tools):
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    outcome = await publish(server, on_air, tools, secret=other)
    assert isinstance(outcome, Refused)
    assert server.names() == []


@pytest.mark.parametrize("secret", ["tab\tand\x07bell", "\u00a0 ", "密码", "\ud800"])
async def test_a_password_of_strange_characters_is_refused_in_words(server, on_air, tools, secret):
    outcome = await publish(server, on_air, tools, secret=secret)
    assert isinstance(outcome, Refused)


async def test_a_wrong_password_is_refused_and_shown_nowhere(server, on_air, tools, caplog):
    with caplog.at_level(logging.DEBUG):
        outcome = await publish(server, on_air, tools, secret="h0rse-battery")
    assert isinstance(outcome, Refused)
    assert "h0rse-battery" not in caplog.text + repr(outcome) + repr(to(server, "h0rse-battery"))


async def test_a_private_key_is_shown_nowhere(server, on_air, tools, caplog):
    body = server.private_key.splitlines()[2]
    broken = server.private_key.replace(body, "!" + body[1:])
    with caplog.at_level(logging.DEBUG):
        outcomes = [
            await publish(server, on_air, tools),
            await publish(server, on_air, tools, secret=broken),
            await publish(server, on_air, tools, folder="/nowhere"),
        ]
    assert isinstance(outcomes[1], Refused)
    assert body[1:] not in caplog.text + repr(outcomes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"host": ""}, "host"),
        ({"port": "ssh"}, "port"),
        ({"port": "99999"}, "port"),
        ({"user": " "}, "user"),
        ({"folder": ""}, "folder"),
        ({"folder": "/drop/../etc"}, "folder"),
        ({"host_key": ""}, "host_key"),
        ({"host_key": "ssh-ed25519 AAAA"}, "host_key"),
        ({"host_key": "-----BEGIN"}, "host_key"),
    ],
)
async def test_a_setting_that_is_amiss_is_named(server, on_air, tools, changes, named):
    outcome = await publish(server, on_air, tools, **changes)
    assert isinstance(outcome, Refused)
    assert f" {named} " in outcome.text.zh


async def test_a_folder_that_is_not_there_is_refused_and_not_made(server, on_air, tools):
    missing = server.drop / "missing"
    assert isinstance(await publish(server, on_air, tools, folder=str(missing)), Refused)
    assert not missing.exists()


async def test_an_inner_host_is_called_only_from_the_list(server, on_air, tools):
    tools.allowed_private_hosts = ("elsewhere",)
    async with cutting_proxy(server.port) as proxy:
        outcome = await publish(server, on_air, tools, port=str(proxy.port))
        assert isinstance(outcome, Refused)
        assert "allow list" in outcome.text.en
        assert proxy.connections == 0


async def test_a_server_that_is_not_there_can_be_tried_again(server, on_air, tools):
    assert isinstance(await publish(server, on_air, tools, port="1"), TryLater)


async def test_a_server_that_says_nothing_is_left_in_time(server, on_air, tools, monkeypatch):
    monkeypatch.setattr("platforms.sftp_session.LOGIN_S", 0.5)
    async with cutting_proxy(server.port) as proxy:
        proxy.is_silent, proxy.cut = True, lambda up, down: len(up) > 100
        async with asyncio.timeout(10):
            assert isinstance(await publish(server, on_air, tools, port=str(proxy.port)), TryLater)


async def test_a_full_disk_keeps_the_part_and_is_tried_again(tmp_path, on_air, tools):
    full = start_sshd(tmp_path / "full", PART_BYTES + 500_000)
    try:
        outcome = await publish(full, on_air, tools)
        assert isinstance(outcome, TryLater)
        assert "磁盘" in outcome.text.zh
        assert full.names() == [f"{MXF}.part"]
    finally:
        full.stop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written_is_refused(server, on_air, tools):
    server.drop.chmod(0o500)
    try:
        assert isinstance(await publish(server, on_air, tools), Refused)
    finally:
        server.drop.chmod(0o700)


async def test_retract_removes_what_is_there_and_leaves_a_notice(server, on_air, tools):
    await publish(server, on_air, tools)
    taken_back = replace(on_air, status="canceled", note="地点有误")
    for _ in range(2):
        assert await TvDrop().retract(taken_back, to(server), "d-1", tools) == Confirmed(BASE, None)
        assert server.names() == [f"{BASE}.retracted.xml"]
    root = etree.fromstring((server.drop / f"{BASE}.retracted.xml").read_bytes())
    assert root.attrib["status"] == "retracted"
    assert root.findtext("d:story/d:note", namespaces=NS) == "地点有误"


async def test_retract_of_what_was_taken_needs_a_person_and_leaves_a_notice(server, on_air, tools):
    await publish(server, on_air, tools)
    empty(server)
    outcome = await TvDrop().retract(on_air, to(server), "d-1", tools)
    assert isinstance(outcome, Refused)
    assert "电话" in outcome.text.zh
    assert server.names() == [f"{BASE}.retracted.xml"]


@pytest.mark.parametrize("left", [MXF, f"{BASE}.xml"])
async def test_retract_of_what_was_taken_in_part_needs_a_person(server, on_air, tools, left):
    await publish(server, on_air, tools)
    for path in server.drop.iterdir():
        if path.name != left:
            path.unlink()
    for _ in range(2):
        assert isinstance(await TvDrop().retract(on_air, to(server), "d-1", tools), Refused)
        assert server.names() == [f"{BASE}.retracted.xml"]


async def test_retract_of_a_broken_upload_clears_its_parts(server, on_air, tools):
    (server.drop / f"{MXF}.part").write_bytes(b"half")
    (server.drop / "another_v2.mxf").write_bytes(b"of somebody else")
    assert isinstance(await TvDrop().retract(on_air, to(server), "d-1", tools), Confirmed)
    assert server.names() == [f"{BASE}.retracted.xml", "another_v2.mxf"]


async def test_correct_names_the_older_and_removes_what_was_not_taken(server, on_air, tools):
    await publish(server, on_air, tools)
    newer = replace(on_air, version=3, note="更正人数")
    before = Sent("d-1", BASE)
    outcome = await TvDrop().correct(newer, to(server), "d-2", before, tools)
    assert outcome == Confirmed(BASE[:-1] + "3", None)
    assert [name for name in server.names() if name.startswith(BASE)] == []
    root = etree.fromstring((server.drop / f"{BASE[:-1]}3.xml").read_bytes())
    assert root.find("d:replaces", NS).attrib["base"] == BASE
    # And the older is known to be gone, not taken.
    assert isinstance(await TvDrop().retract(on_air, to(server), "d-1", tools), Confirmed)


@pytest.mark.parametrize("external_id", ["../../etc/passwd", "*", "", None])
async def test_correct_with_a_strange_earlier_name_removes_nothing(server, on_air, tools, external_id):
    (server.drop / "somebody.xml").write_bytes(b"else's")
    newer = replace(on_air, version=3)
    before = Sent("never-sent", external_id)
    assert isinstance(await TvDrop().correct(newer, to(server), "d-2", before, tools), Confirmed)
    assert "somebody.xml" in server.names()


async def test_status_tells_there_taken_and_never_came_apart(server, on_air, tools):
    async def status():
        return await TvDrop().status(on_air, to(server), Sent("d-1", None), tools)

    assert isinstance(await status(), TryLater)
    await publish(server, on_air, tools)
    assert await status() == Confirmed(BASE, None)
    empty(server)
    assert await status() == Confirmed(BASE, None)


async def test_another_render_of_the_version_takes_the_place_of_the_earlier(server, on_air, tools):
    await publish(server, on_air, tools)
    other = BYTES[::-1]
    tools.private[KEY] = other
    sha = hashlib.sha256(other).hexdigest()
    (media,) = on_air.media
    file = replace(media.renditions["tv_mxf"].files[0], sha256=sha)
    made = replace(media.renditions["tv_mxf"], files=(file,))
    again = replace(on_air, media=(replace(media, renditions={"tv_mxf": made}),))
    assert isinstance(await publish(server, again, tools), Confirmed)
    assert server.names() == [f"{BASE}.xml", f"{BASE}_01_{sha[:8]}.mxf"]


async def test_print_gets_the_text_too(server, story, tools):
    text_only = replace(story, media=())
    assert isinstance(await PrintDrop().publish(text_only, to(server), "d-1", tools), Confirmed)
    kinds = sorted(name.split("_", 2)[-1].split("_")[0] for name in server.names() if "_text" in name)
    assert kinds == ["text"]
    (html,) = server.drop.glob("*_text_*.html")
    assert story.title in html.read_text()
    assert len(list(server.drop.glob("*_ninjs_*.json"))) == 1


async def test_what_cannot_be_broadcast_is_said_before_sign_off(story):
    stills = replace(story, media=story.media[1:])
    assert [problem.code for problem in TvDrop().check(stills)] == ["tv_drop.media_missing"]
    assert [problem.code for problem in RadioDrop().check(stills)] == ["radio_drop.media_missing"]
    assert PrintDrop().check(stills) == ()
    assert [each.code for each in TvDrop().check(replace(story, title=" "))] == ["tv_drop.title_missing"]


async def test_no_drop_starts_before_its_renditions(server, story, tools):
    outcome = await publish(server, story, tools)
    assert isinstance(outcome, Refused)
    assert "tv_mxf" in outcome.text.en


def test_every_drop_names_profiles_that_exist():
    from media.profiles import PROFILES

    for drop in DROPS:
        for table in (drop.renditions, drop.where_possible):
            for kind, names in table.items():
                assert all(kind in [each.value for each in PROFILES[name].kinds] for name in names)


class Account(asyncssh.SSHServer):
    """A server of another make, which takes a password."""

    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == ("playout", "c0rrect-horse")


class Plain(asyncssh.SFTPServer):
    """A server without OpenSSH's extensions."""

    def posix_rename(self, oldpath, newpath):
        raise asyncssh.SFTPOpUnsupported("no posix-rename")

    def fsync(self, file_obj):
        raise asyncssh.SFTPOpUnsupported("no fsync")


class Racing(Plain):
    """Another writer finishes and renames just before the part is opened."""

    raced: ClassVar[list[str]] = []

    def open(self, path, pflags, attrs):
        local = Path(self.map_path(path).decode())
        if local.name == f"{MXF}.part" and local.exists():
            local.rename(local.with_suffix(""))
            self.raced.append(local.name)
        return super().open(path, pflags, attrs)


class Quota(asyncssh.SFTPServer):
    """A server whose quota is spent; it repeats the password, as no server should."""

    def write(self, file_obj, offset, data):
        raise asyncssh.SFTPQuotaExceeded("quota of playout:c0rrect-horse\nis\x1b spent " + "x" * 1000)


@pytest.fixture
async def other_server(server):
    key = asyncssh.generate_private_key("ssh-ed25519")
    running = []

    async def start(sftp):
        listener = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[key], server_factory=Account, sftp_factory=sftp, sftp_version=6
        )
        running.append(listener)
        settings = server.settings(user="playout", port=str(listener.get_port()))
        settings["host_key"] = key.export_public_key().decode()
        return DestinationConfig("tv", "电视台", settings, "c0rrect-horse")

    yield start
    for listener in running:
        listener.close()
        await listener.wait_closed()


async def test_a_server_without_extensions_and_with_a_password_serves_as_well(
    server, other_server, on_air, tools
):
    destination = await other_server(Plain)
    assert isinstance(await TvDrop().publish(on_air, destination, "d-1", tools), Confirmed)
    assert server.names() == [f"{BASE}.xml", MXF]
    assert (server.drop / MXF).read_bytes() == BYTES
    assert isinstance(await TvDrop().retract(on_air, destination, "d-1", tools), Confirmed)


async def test_a_part_that_another_renames_before_it_is_opened_leaves_a_whole_file(
    server, other_server, on_air, tools
):
    (server.drop / f"{MXF}.part").write_bytes(BYTES)
    assert isinstance(await TvDrop().publish(on_air, await other_server(Racing), "d-1", tools), Confirmed)
    assert Racing.raced == [f"{MXF}.part"]
    assert (server.drop / MXF).read_bytes() == BYTES
    assert server.names() == [f"{BASE}.xml", MXF]


async def test_a_spent_quota_is_tried_again_and_told_without_the_password(other_server, on_air, tools):
    outcome = await TvDrop().publish(on_air, await other_server(Quota), "d-1", tools)
    assert isinstance(outcome, TryLater)
    assert "quota of playout:*** is spent" in outcome.text.en
    assert len(outcome.text.en) < 400


async def test_an_error_of_the_store_goes_on_without_the_password(other_server, on_air, tools):
    async def read_part(key, first, size_bytes):
        raise RuntimeError("the store is away")

    tools.read_part = read_part
    with pytest.raises(RuntimeError) as caught:
        await TvDrop().publish(on_air, await other_server(Plain), "d-1", tools)
    assert "c0rrect-horse" not in "".join(traceback.format_exception(caught.value))


def empty(server):
    for path in server.drop.iterdir():
        path.unlink()
