"""Hosts that are spoken to in something other than HTTP: checked as web addresses are, and quoted with care."""

import pytest

from platforms.connecting import LinkFailed, checked_socket, port_of, said
from platforms.frame import Refused, TryLater
from platforms.net import AddressRefused, NameNotResolved, Target, resolve_host


async def inner(host, port):
    return ["93.184.216.34", "10.0.0.5"]


async def outer(host, port):
    return ["93.184.216.34"]


async def none(host, port):
    raise OSError


async def test_a_host_with_one_inner_address_is_refused_unless_listed():
    with pytest.raises(AddressRefused) as refusal:
        await resolve_host("playout.example.org", 22, (), inner)
    assert refusal.value.code == "address.not_public"
    for entry in ("playout.example.org", "playout.example.org:22"):
        target = await resolve_host("playout.example.org", 22, (entry,), inner)
        assert target == Target("playout.example.org", 22, ("93.184.216.34", "10.0.0.5"))
    with pytest.raises(AddressRefused):
        await resolve_host("playout.example.org", 22, ("playout.example.org:2222",), inner)


@pytest.mark.parametrize(
    "host",
    ["", " ", "a/b", "user@a.example", "a.example:22", "a b", "http://a.example", "a\nb", "a?b", "a#b"],
)
async def test_what_is_no_host_is_refused(host):
    with pytest.raises(AddressRefused) as refusal:
        await resolve_host(host, 22, (), outer)
    assert refusal.value.code == "address.host"


@pytest.mark.parametrize("port", [0, -1, 65_536])
async def test_what_is_no_port_is_refused(port):
    with pytest.raises(AddressRefused):
        await resolve_host("a.example", port, (), outer)


async def test_a_name_without_an_address_can_be_tried_again():
    with pytest.raises(NameNotResolved):
        await resolve_host("a.example", 22, (), none)


async def test_an_address_check_becomes_an_outcome(tools):
    with pytest.raises(LinkFailed) as failed:
        await checked_socket(tools, "127.0.0.1", 1)
    assert isinstance(failed.value.outcome, Refused)
    tools.allowed_private_hosts = ("127.0.0.1", "::1")
    for host in ("127.0.0.1", "::1"):
        with pytest.raises(LinkFailed) as failed:
            await checked_socket(tools, host, 1)
        assert isinstance(failed.value.outcome, TryLater)


@pytest.mark.parametrize(
    ("value", "port"), [("", 22), (" 2222 ", 2222), ("ssh", 0), ("-1", 0), ("２２", 0), ("1" * 9, 0)]
)
def test_a_port_is_a_number_or_none(value, port):
    assert port_of(value, 22) == port


def test_what_a_server_said_is_one_short_line_without_our_secrets():
    shown = said("550 s3cret\r\n\x1b[31mred " + "x" * 500, ("s3cret", ""))
    assert shown.startswith("550 *** [31mred xxx")
    assert len(shown) == 200
