"""What the relay's answers mean."""

import pytest

from relayclient import linking
from relayclient.errors import UnknownContact
from relayclient.events import DevicesChanged, DevicesRefused, MessageState, StateChanged
from relayproto import acts
from relayproto.acts import Instruction
from relayproto.administration import (
    CreateUnit,
    GetAudit,
    GetCheckpoints,
    GetDocument,
    GetProposals,
    GetRoles,
    GetUnits,
)
from relayproto.administration_replies import Acted, Audit, Checkpoints, Document, Proposals, Roles, Units
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import (
    Act,
    GetBundles,
    GetDevices,
    GetRelayKeys,
    Lookup,
    PutPolicy,
    PutPrekeys,
    PutProfile,
    Submit,
)
from relayproto.ids import Address
from relayproto.replies import Account, Devices, Done, NotTaken, Refused
from relayproto.standing import ActState
from relayproto.statistics import GetRetention, GetStatistics, Retention, Statistics
from support.kem import stream
from support.small_relay import NOW_MS, join_second
from support.talk import BOB, forget_sessions, introduce, of, texts


def test_a_refused_submit_is_tried_again_later(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice)
    submit = of(Submit, alice.next_submits(10, NOW_MS))[0]

    alice.answered(Refused(Code.INTERNAL, 700), submit, NOW_MS)

    assert alice.next_submits(10, NOW_MS + 699) == []
    assert alice.next_submits(10, NOW_MS + 700) == [submit]


def test_an_address_that_names_nobody_ends_what_was_sent_to_it(relay, alice):
    message = alice.queue(Address("nobody@office.example"), "text", now_ms=NOW_MS)

    told = relay.connect(alice).run()

    assert of(StateChanged, told) == [StateChanged(message, MessageState.REFUSED, Code.NOT_AVAILABLE)]


@pytest.mark.parametrize("command", [GetBundles, GetDevices])
def test_an_account_that_is_gone_ends_what_was_sent_to_it(relay, alice, bob, command):
    introduce(relay, alice, bob)
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    forget_sessions(alice)
    with alice._store.step() as step:
        step.run("UPDATE contact SET stale = ?", command is GetDevices)
    relay.answers[command] = Refused(Code.NOT_AVAILABLE, 0)

    relay.connect(alice).run()

    assert alice.state_of(message) == (MessageState.REFUSED, Code.NOT_AVAILABLE)


def test_an_answer_that_is_late_is_waited_for(relay, alice, bob):
    message = alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.answers[Lookup] = Refused(Code.BUSY, 2_000)
    line = relay.connect(alice)
    line.run()

    waited = alice.wait_ms(NOW_MS)
    del relay.answers[Lookup]
    relay.now_ms += 2_000
    line.run()

    assert waited == 2_000
    assert alice.state_of(message) == (MessageState.ACCEPTED, None)


def test_an_account_can_be_written_to_without_an_address(relay, alice, bob):
    alice.queue(bob.identity.account, "text", now_ms=NOW_MS)

    relay.connect(alice).run()

    assert texts(relay.connect(bob).run()) == ["text"]


def test_a_deposit_that_is_refused_waits_for_the_next_connection(relay, alice):
    relay.seat(alice).prekeys[PrekeyKind.ONE_TIME].clear()
    relay.answers[PutPrekeys] = Refused(Code.LIMIT, 0)
    line = relay.connect(alice)
    line.run()

    assert len(of(PutPrekeys, line.commands)) == 2


def test_a_busy_relay_that_names_no_time_is_given_a_second(relay, alice, bob):
    introduce(relay, alice, bob)
    alice.queue(BOB, "text", now_ms=NOW_MS)
    relay.connect(alice)
    submit = of(Submit, alice.next_submits(10, NOW_MS))[0]

    alice.answered(NotTaken(submit.submission, Code.BUSY, 0), submit, NOW_MS)

    assert alice.next_submits(10, NOW_MS + 999) == []
    assert alice.next_submits(10, NOW_MS + 1_000) == [submit]


def test_an_answer_that_does_not_belong_to_its_command_is_ignored(relay, alice):
    relay.connect(alice).run()

    assert alice.answered(NotTaken(1, Code.BUSY, 0), GetRelayKeys(), NOW_MS) == []
    assert alice.answered(Refused(Code.UNSUPPORTED, 0), PutPrekeys(()), NOW_MS) == []


def test_an_account_whose_list_is_not_believed_is_not_pinned(relay, alice, bob):
    relay.connect(alice)
    answer = Account(bob.identity.account, BOB, relay.accounts[bob.identity.account][0], bytes(64))

    told = alice.answered(answer, Lookup(BOB), NOW_MS)

    assert [type(event) for event in told] == [DevicesRefused]
    with pytest.raises(UnknownContact):
        alice.contact(BOB)


@pytest.mark.parametrize("address", ["", "bob", "bob\x1b[2J@office.example", "b\u043eb@office.example"])
def test_devices_without_a_plausible_address_are_known_by_their_account(relay, alice, bob, address):
    relay.connect(alice)
    account = bob.identity.account

    told = alice.answered(Devices(*relay.accounts[account], address), GetDevices(account), NOW_MS)

    assert told == []
    assert alice.contact(account).address is None


def test_an_own_list_that_grew_elsewhere_is_fetched(relay, alice, bob, tmp_path):
    with join_second(relay, alice, tmp_path / "alice2"):
        line = relay.connect(alice)

        told = line.run()

    assert GetDevices(alice.identity.account) in line.commands
    assert of(DevicesChanged, told) == [DevicesChanged(alice.identity.account, (2,), ())]


def act_of(device, number: int) -> Act:
    said = device.identity
    octets = acts.encode(
        Instruction(bytes(32), said.account, said.device, number, NOW_MS, NOW_MS + 1, "", False, CreateUnit(1, "x"))
    )
    return Act(octets, bytes(64))


@pytest.mark.parametrize(
    "reply", [Acted(ActState.DONE, 1, 2, b""), Refused(Code.NOT_PERMITTED, 0), Refused(Code.BUSY, 9)]
)
def test_an_acts_number_is_not_given_again_whatever_came_of_it(relay, alice, reply):
    relay.connect(alice)

    assert alice.answered(reply, act_of(alice, 7), NOW_MS) == []
    assert alice.answered(reply, act_of(alice, 3), NOW_MS) == []

    assert alice._link.act == 7


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (GetUnits(1, 0, 9), Units((), False)), (GetRoles(1, 0, 9), Roles((), False)),
        (GetDocument(1, None), Document(1, 0, b"", b"")), (GetProposals(1, 0, 9), Proposals((), False)),
        (GetAudit(1, 0, 9), Audit((), False)), (GetCheckpoints(0, 9), Checkpoints((), False)),
        (GetStatistics(1, 0, 9), Statistics((), None)), (GetRetention(0, 9), Retention((), False)),
        (PutPolicy(bytes(30)), Done()),
        (PutProfile("on leave", bytes(25)), Done()),
    ],
)  # fmt: skip
def test_the_answer_to_an_officers_question_is_for_who_asked(relay, alice, question, answer):
    relay.connect(alice)

    for reply in (answer, Refused(Code.NOT_PERMITTED, 0), Refused(Code.RATE, 5_000)):
        assert alice.answered(reply, question, NOW_MS) == []

    assert alice.wait_ms(NOW_MS) is None, "the device itself asks nothing again"


def test_the_own_list_that_the_relay_has_taken_is_known_at_once(relay, alice, tmp_path):
    code = linking.begin(tmp_path / "2", passphrase=None, entropy=stream("new device"))
    command = alice.linking.grow(code, NOW_MS)

    told = alice.answered(Devices(command.devices, command.signature, ""), command, NOW_MS)

    assert told == [DevicesChanged(alice.identity.account, (2,), ())]
    assert [entry.device for entry in alice.linking.devices().devices] == [1, 2]
