"""Acts and questions of officers: numbers that are never used twice, pages, and what a refusal is."""

import pytest

from relayclient import administration
from relayclient.administration import denial, following
from relayclient.device import Device
from relayclient.errors import BadChange, Denied, DeniedForNow, NoRight, RelayUntrusted
from relayproto import acts, descriptor
from relayproto.administration import CreateUnit, GetAudit, GetCheckpoints, GetProposals, GetRoles, GetUnits
from relayproto.administration_replies import (
    Acted,
    Audit,
    Checkpoint,
    Checkpoints,
    Grant,
    Proposal,
    Proposals,
    Roles,
    Unit,
    Units,
)
from relayproto.audit import hidden
from relayproto.codes import Code
from relayproto.commands import PutProfile
from relayproto.errors import CryptoFailure
from relayproto.ids import Address
from relayproto.invitation import from_link, to_link
from relayproto.limits import UNIT_NAME_CHARS_MAX
from relayproto.people import GetPeople, People, Person
from relayproto.primitives import ed25519_public
from relayproto.replies import Done, Refused
from relayproto.standing import PLATFORM, ActState, ProposalState, Role, Standing, UnitState
from relayproto.statistics import Day, GetRetention, GetStatistics, Kept, Retention, Statistics
from support.kem import stream
from support.small_relay import NOW_MS

CHANGE = CreateUnit(1, "North")
TICKET = b"t" * 16


def signed(device, change=CHANGE, *, rehearsal=False):
    return device.administration.sign(change, reason="new depot", rehearsal=rehearsal, now_ms=NOW_MS)


def number(act) -> int:
    return acts.decode(act.octets).number


def test_an_act_says_who_does_what_at_which_relay_and_is_signed_by_the_device(relay, alice):
    act = signed(alice, rehearsal=True)

    said = acts.decode(act.octets)
    acts.check(act.octets, act.signature, relay.devices_of(alice.identity.account).devices[0].sign_key)
    assert (said.relay, said.account, said.device) == (
        descriptor.fingerprint(ed25519_public(relay.root_seed)), alice.identity.account, alice.identity.device,
    )  # fmt: skip
    assert (said.change, said.reason, said.rehearsal) == (CHANGE, "new depot", True)
    assert (said.issued_ms, said.expires_ms) == (NOW_MS, NOW_MS + 300_000)
    with pytest.raises(CryptoFailure):
        acts.check(act.octets[:-1] + b"x", act.signature, relay.devices_of(alice.identity.account).devices[0].sign_key)


def test_numbers_grow_also_across_a_restart_that_comes_before_anything_was_sent(relay, alice, tmp_path):
    first = number(signed(alice))

    with Device.open(tmp_path / "alice", entropy=stream("again")) as again:
        second = number(signed(again))

    assert (first, second, number(signed(alice))) == (1, 2, 3)


def test_a_number_is_above_what_the_relay_has_seen_from_another_device(relay, alice):
    relay.acts[alice.identity.account] = 41
    relay.connect(alice)

    assert number(signed(alice)) == 42


def test_a_number_is_above_that_of_an_act_that_was_answered(relay, alice):
    relay.connect(alice)
    act = signed(alice)
    alice.answered(Acted(ActState.DONE, 1, 7, b""), act, NOW_MS)
    refused = signed(alice)
    alice.answered(Refused(Code.CONFLICT, 0), refused, NOW_MS)

    assert number(signed(alice)) == number(act) + 2


def test_a_relay_that_names_an_impossible_number_is_not_believed(relay, alice):
    relay.acts[alice.identity.account] = (1 << 64) - 1
    relay.connect(alice)

    with pytest.raises(RelayUntrusted):
        signed(alice)


def test_what_the_relay_would_not_read_is_not_signed_and_costs_no_number(alice):
    with pytest.raises(BadChange, match=r"name: Expected `str` of length <= "):
        signed(alice, CreateUnit(1, "x" * (UNIT_NAME_CHARS_MAX + 1)))

    assert number(signed(alice)) == 1


def test_what_welcome_says_of_the_account_is_known(relay, alice):
    relay.standings[alice.identity.account] = (Standing.VERIFIED, 3)
    relay.connect(alice)

    assert (alice.administration.standing, alice.administration.unit) == (Standing.VERIFIED, 3)


def test_a_ticket_becomes_an_invitation_to_the_place_where_the_device_connects(alice):
    made = alice.administration.invitation(Address("carol@office.example"), TICKET)

    assert from_link(to_link(made)) == made
    assert (made.address, made.ticket, made.host) == ("carol@office.example", TICKET, "relay.example")
    assert made.root_fingerprint == alice.administration.root()


def test_the_relay_keys_are_handed_out_as_the_root_signed_them(relay, alice):
    assert alice.administration.descriptors() == [relay.descriptor]


def test_of_checkpoints_the_furthest_is_remembered(alice):
    assert alice.administration.furthest() is None
    for records in (5, 9, 7):
        alice.administration.remember(Checkpoint(records, bytes([records]) * 32, NOW_MS, 1, bytes(64)))

    assert alice.administration.furthest() == (9, b"\x09" * 32)


UNIT = Unit(4, 1, "North", UnitState.ACTIVE, "", b"")
GRANT = Grant(5, 1, b"a" * 32, "a@office.example", Role.AUDITOR, NOW_MS)
PROPOSAL = Proposal(6, ProposalState.WAITING, 1, "a@office.example", NOW_MS, b"")
CHECKPOINT = Checkpoint(8, bytes(32), NOW_MS, 1, bytes(64))


@pytest.mark.parametrize(
    ("question", "page", "after"),
    [
        (GetUnits(PLATFORM, 0, 100), lambda more: Units((UNIT,), more), 4),
        (GetRoles(1, 0, 100), lambda more: Roles((GRANT,), more), 5),
        (GetProposals(1, 0, 100), lambda more: Proposals((PROPOSAL,), more), 6),
        (GetAudit(1, 0, 100), lambda more: Audit(((1, b"x"), (2, hidden([bytes(32)] * 3))), more), 4),
        (GetCheckpoints(0, 100), lambda more: Checkpoints((CHECKPOINT,), more), 8),
    ],
)
def test_the_next_page_begins_after_the_last_thing_of_this_one(question, page, after):
    asked = following(question, page(True))

    assert asked is not None
    assert asked.after == after
    assert type(asked) is type(question)
    assert following(question, page(False)) is None
    assert following(asked, page(True)) is None, "it leads no further"


KEPT = Kept("account", "account", "members", "who it is", "with the relay", None)


def test_statistics_go_on_with_the_next_day():
    question = GetStatistics(1, 20, 40)

    assert following(question, Statistics((), 27)) == GetStatistics(1, 27, 40)
    assert following(question, Statistics((Day(20, ()),), None)) is None


@pytest.mark.parametrize("next_day", [20, 19, 41])
def test_a_next_day_that_leads_no_further_ends_the_asking(next_day):
    assert following(GetStatistics(1, 20, 40), Statistics((), next_day)) is None


def test_the_rows_of_the_map_go_on_after_as_many_as_came():
    asked = following(GetRetention(3, 100), Retention((KEPT, KEPT), True))

    assert asked == GetRetention(5, 100)
    assert following(asked, Retention((KEPT,), False)) is None
    assert following(asked, Retention((), True)) is None


@pytest.mark.parametrize(
    ("question", "page"),
    [
        (GetStatistics(1, 0, 9), Units((UNIT,), True)), (GetRetention(0, 9), Units((UNIT,), True)),
        (GetUnits(PLATFORM, 0, 9), Statistics((), 5)), (GetRoles(1, 0, 9), Retention((KEPT,), True)),
    ],
)  # fmt: skip
def test_a_page_of_another_question_ends_the_asking(question, page):
    assert following(question, page) is None


def test_an_empty_page_is_the_last():
    assert following(GetRoles(1, 0, 100), Roles((), True)) is None


@pytest.mark.parametrize(
    ("code", "error", "status"),
    [(Code.NOT_PERMITTED, NoRight, 77), (Code.CONFLICT, Denied, 65), (Code.RATE, DeniedForNow, 75),
     (Code.INTERNAL, DeniedForNow, 75)],
)  # fmt: skip
def test_a_refusal_is_an_error_that_says_whether_to_try_again(code, error, status):
    made = denial(code, 250)

    assert type(made) is error
    assert (made.code, made.exit_status) == (code, status)


def test_an_account_may_be_named_by_its_digits():
    assert administration.is_named("ab" * 32) == b"\xab" * 32
    assert administration.is_named("ab" * 31) is None
    assert administration.is_named("bob@office.example") is None


def test_people_go_on_after_the_last_account_of_a_page() -> None:
    question, last = GetPeople(1, "roy", b"", 9), Person(b"b" * 32, b"", "")
    page = People((Person(b"a" * 32, b"", ""), last), True)

    assert following(question, page) == GetPeople(1, "roy", last.account, 9)
    assert following(GetPeople(1, "roy", last.account, 9), page) is None, "that leads no further"
    assert following(question, People((last,), False)) is None
    assert following(question, People((), True)) is None
    assert following(question, Units((), True)) is None
    assert following(GetUnits(PLATFORM, 0, 9), page) is None


def test_what_one_says_and_hides_is_remembered(alice) -> None:
    assert alice.administration.own_profile() == ("", bytes(25))

    alice.answered(Done(), PutProfile("on leave", b"\x01" * 25), NOW_MS)

    assert alice.administration.own_profile() == ("on leave", b"\x01" * 25)
