import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import invitation
from relayproto.invitation import CUT_OFF, NEWER, NO_PLACE, NOT_ONE, Invitation, InvitationError, from_link, to_link
from relayproto.limits import ADDRESS_CHARS_MAX, INVITATION_CHARS_MAX
from support.changed import replace

OFFICER = Invitation("officer@gad.example", "relay.gad.example", 7443, 1, b"k" * 32, b"f" * 32, b"t" * 16)
LINK = to_link(OFFICER)


def coded(octets, host="relay.gad.example", port=7443):
    checked = octets + invitation._checksum(host, port, octets)
    return f"relay://{host}:{port}/join#" + base64.urlsafe_b64encode(checked).rstrip(b"=").decode()


@pytest.mark.parametrize("host", ["relay.gad.example", "127.0.0.1", "::1", "2001:db8::7"])
def test_an_invitation_comes_back_from_its_link(host):
    link = to_link(replace(OFFICER, host=host))

    assert from_link(link) == replace(OFFICER, host=host)
    assert link.startswith(f"relay://[{host}]:7443/join#" if ":" in host else f"relay://{host}:7443/join#")


def test_white_space_that_came_in_on_the_way_does_no_harm():
    assert from_link(f"  {LINK[:50]}\r\n {LINK[50:]}\n") == OFFICER


def test_the_longest_link_fits_its_bound():
    longest = replace(OFFICER, address="\U0001f600" * ADDRESS_CHARS_MAX, host="h" * 253, port=65_535)

    assert len(to_link(longest)) <= INVITATION_CHARS_MAX


def test_the_ticket_is_not_shown_in_a_repr():
    assert "ticket" not in repr(OFFICER)
    assert "tttt" not in repr(OFFICER)


@pytest.mark.parametrize("link", ["", "hello", "https://relay.gad.example/join#abc", LINK + " " * INVITATION_CHARS_MAX])
def test_what_is_no_link_is_said_to_be_none(link):
    with pytest.raises(InvitationError, match="not an invitation"):
        from_link(link)


@given(st.integers(min_value=len("relay://"), max_value=len(LINK) - 1))
def test_a_link_that_was_cut_off_anywhere_is_told_apart(length):
    with pytest.raises(InvitationError) as refused:
        from_link(LINK[:length])

    assert str(refused.value) == CUT_OFF


@given(st.integers(min_value=8, max_value=len(LINK) - 1))
def test_a_changed_character_is_noticed(at):
    changed = LINK[:at] + ("A" if LINK[at] != "A" else "B") + LINK[at + 1 :]

    try:
        read = from_link(changed)
    except InvitationError as error:
        read = str(error)

    # The last character may have bits that mean nothing.
    assert read in (OFFICER, CUT_OFF, NEWER)


@pytest.mark.parametrize("port", ["0", "65536", "123456", "", "x"])
def test_a_port_that_is_none_is_said(port):
    with pytest.raises(InvitationError, match="not complete"):
        from_link(LINK.replace(":7443/", f":{port}/"))


def test_a_link_of_a_newer_version_asks_for_an_update():
    with pytest.raises(InvitationError) as refused:
        from_link(coded(b"\x02\x90"))

    assert str(refused.value) == NEWER


@pytest.mark.parametrize("octets", [b"\x01\xc1", b"\x01\x90", b"\x01\x01"])
def test_a_link_whose_checksum_holds_and_content_does_not_is_none(octets):
    with pytest.raises(InvitationError) as refused:
        from_link(coded(octets))

    assert str(refused.value) == NOT_ONE


@pytest.mark.parametrize("changes", [{"host": "no host"}, {"host": ""}, {"host": "fe80::1%eth0"}])
def test_a_host_that_cannot_stand_in_a_link_is_refused(changes):
    with pytest.raises(InvitationError) as refused:
        to_link(replace(OFFICER, **changes))

    assert str(refused.value) == NO_PLACE
