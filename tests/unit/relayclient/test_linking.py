"""Another device of one account: codes, what is signed, and what is sealed."""

import os

import pytest

from relayclient import linking
from relayclient.device import Device
from relayclient.errors import (
    AlreadyJoined,
    CodeWrong,
    DevicesFull,
    LastDevice,
    NotBegun,
    NotJoined,
    NumbersDiffer,
    UnknownDevice,
)
from relayproto import identity
from relayproto.identity import supersedes
from relayproto.packed import pack
from relayproto.primitives import box_seal, x25519_public
from relayproto.replies import Devices
from support.kem import stream
from support.small_relay import NOW_MS
from support.talk import ALICE, BOB


def begun(home, name="new device"):
    return linking.begin(home, passphrase=None, entropy=stream(name))


def finished(home, answer, agree=lambda digits, address: None):
    code = answer if isinstance(answer, str) else answer.code
    linking.finish(home, code, NOW_MS, agree, passphrase=None, entropy=stream(f"{home} finishes"))
    return Device.open(home, entropy=stream(f"{home} again"))


def put(relay, device, command):
    """Let the relay take a list, and the device its answer."""
    devices = identity.decode(command.devices, command.signature)
    supersedes(relay.devices_of(devices.account), devices)
    relay.accounts[devices.account] = (command.devices, command.signature)
    for entry in devices.devices:
        relay.seats.setdefault((devices.account, entry.device), type(relay.seat(device))())
    return device.answered(Devices(command.devices, command.signature, ALICE), command, NOW_MS)


def linked(relay, alice, home):
    code = begun(home)
    put(relay, alice, alice.linking.grow(code, NOW_MS))
    return finished(home, alice.linking.answer(code))


def text_of(events):
    return [event.text for event in events if hasattr(event, "text")]


def test_a_new_device_gets_what_is_written_from_then_on_and_writes_as_the_same_account(relay, alice, bob, tmp_path):
    with linked(relay, alice, tmp_path / "alice 2") as second:
        relay.connect(second).run()
        assert second.linking.ready()
        assert (second.identity.account, second.identity.device) == (alice.identity.account, 2)
        assert second.identity.address == ALICE

        bob.queue(ALICE, "to both", now_ms=NOW_MS)
        relay.connect(bob).run()
        heard = [text_of(relay.connect(device).run()) for device in (alice, second)]
        second.queue(BOB, "from the second", now_ms=NOW_MS)
        relay.connect(second).run()

        assert heard == [["to both"], ["to both"]]
        assert text_of(relay.connect(bob).run()) == ["from the second"]


def test_a_device_that_is_let_in_is_not_ready_before_it_was_connected(relay, alice, tmp_path):
    with linked(relay, alice, tmp_path / "alice 2") as second:
        assert not second.linking.ready()


def test_a_removed_device_is_not_in_the_list_any_more(relay, alice, tmp_path):
    with linked(relay, alice, tmp_path / "alice 2") as second:
        relay.connect(second).run()

        put(relay, second, second.linking.shrink(1, NOW_MS))

        assert [entry.device for entry in second.linking.devices().devices] == [2]
        assert second.linking.shrink(1, NOW_MS) is None
        with pytest.raises(LastDevice):
            second.linking.shrink(2, NOW_MS)
        for never in (0, 3):
            with pytest.raises(UnknownDevice):
                second.linking.shrink(never, NOW_MS)


def test_the_number_of_a_removed_device_is_never_given_again(relay, alice, tmp_path):
    linked(relay, alice, tmp_path / "2").close()
    put(relay, alice, alice.linking.shrink(2, NOW_MS))

    with linked(relay, alice, tmp_path / "3") as third:
        assert third.identity.device == 3


def test_a_version_is_signed_once_however_often_it_is_asked_for(relay, alice, tmp_path):
    code, other = begun(tmp_path / "2"), begun(tmp_path / "3", "another")
    first = alice.linking.grow(code, NOW_MS)

    assert alice.linking.grow(code, NOW_MS + 1) == first
    assert alice.linking.grow(other, NOW_MS + 1) == first, "the version without an answer comes first"
    put(relay, alice, first)
    assert alice.linking.grow(code, NOW_MS + 1) is None
    assert alice.linking.grow(other, NOW_MS + 1) != first


def test_a_version_that_another_device_put_meanwhile_is_gone_on_from(relay, alice, tmp_path):
    with linked(relay, alice, tmp_path / "2") as second:
        relay.connect(second).run()
        late = second.linking.grow(begun(tmp_path / "4", "fourth"), NOW_MS)
        put(relay, alice, alice.linking.grow(begun(tmp_path / "3", "third"), NOW_MS))

        relay.connect(second).run()
        again = second.linking.grow(begun(tmp_path / "4", "fourth"), NOW_MS)

        assert again != late
        supersedes(relay.devices_of(alice.identity.account), identity.decode(again.devices, again.signature))


def test_only_the_new_device_opens_the_answer_and_the_accounts_key_is_in_no_code(relay, alice, tmp_path):
    code = begun(tmp_path / "2")
    put(relay, alice, alice.linking.grow(code, NOW_MS))
    answer = alice.linking.answer(code)
    begun(tmp_path / "thief", "a thief")

    with pytest.raises(CodeWrong):
        finished(tmp_path / "thief", answer)
    with pytest.raises(NotJoined):
        Device.open(tmp_path / "thief")
    with alice._store.step() as step:
        seed = step.secret("identity_seed")
    assert seed.hex() not in linking._read("relay-linked:", answer.code).hex()
    finished(tmp_path / "2", answer).close()


def test_an_answer_is_good_once_and_the_key_that_opened_it_is_gone(relay, alice, tmp_path):
    code = begun(tmp_path / "2")
    put(relay, alice, alice.linking.grow(code, NOW_MS))
    answer = alice.linking.answer(code)
    finished(tmp_path / "2", answer).close()

    with pytest.raises(AlreadyJoined):
        finished(tmp_path / "2", answer)
    with pytest.raises(AlreadyJoined):
        begun(tmp_path / "2")
    with Device.open(tmp_path / "2") as second, second._store.step() as step:
        assert step.setting("seal_private") is None


def test_both_devices_show_the_same_digits_of_an_answer_before_it_is_taken_in(relay, alice, tmp_path):
    code = begun(tmp_path / "2")
    put(relay, alice, alice.linking.grow(code, NOW_MS))
    answer = alice.linking.answer(code)
    asked = []

    def disagree(digits, address):
        asked.append((digits, address))
        raise NumbersDiffer

    with pytest.raises(NumbersDiffer):
        finished(tmp_path / "2", answer, disagree)
    with pytest.raises(NotJoined):
        Device.open(tmp_path / "2")
    finished(tmp_path / "2", answer).close()

    assert asked == [(answer.digits, ALICE)]
    assert answer.digits != linking.digits(code)
    assert alice.linking.answer(code).digits == answer.digits, "they name what is in it, and not how it was sealed"


LINKED = (b"E" * 32, 1, ALICE, "relay.example", 7443, 1, b"k" * 32, b"R" * 32, 7)


@pytest.mark.parametrize(
    ("at", "other"),
    [(0, b"F" * 32), (1, 2), (2, BOB), (3, "evil.example"), (4, 7444), (5, 2), (6, b"l" * 32), (7, b"S" * 32), (8, 8)],
)
def test_the_digits_of_an_answer_name_all_that_is_taken_in(tmp_path, at, other):
    """Anybody who saw the code seals an answer to it; the digits are another's then."""
    new = linking.read_new(begun(tmp_path / "2"))
    asked = []

    def disagree(digits, address):
        asked.append(digits)
        raise NumbersDiffer

    for fields in (LINKED, (*LINKED[:at], other, *LINKED[at + 1 :])):
        with pytest.raises(NumbersDiffer):
            finished(
                tmp_path / "2", linking._code("relay-linked:", box_seal(new.seal_key, pack(*fields))), disagree
            )  # fmt: skip
    assert len(set(asked)) == 2


def test_the_digits_of_an_answer_name_the_new_device(tmp_path):
    said = linking._Membership(*LINKED)
    keys = (b"1" * 32, b"2" * 32, b"3" * 32)
    others = [
        linking.NewDevice(*(b"x" * 32 if at == each else key for at, key in enumerate(keys))) for each in range(4)
    ]

    assert len({linking._linked_digits(new, said) for new in others}) == 4


@pytest.mark.parametrize("of", ["sign_key", "dh_key", "both"])
def test_the_accounts_key_is_not_sealed_to_somebody_beside_the_keys_of_a_device_in_the_list(relay, alice, tmp_path, of):
    linked(relay, alice, tmp_path / "2").close()
    for entry in alice.linking.devices().devices:
        sign_key = entry.sign_key if of != "dh_key" else b"s" * 32
        dh_key = entry.dh_key if of != "sign_key" else b"d" * 32
        code = linking._code("relay-new-device:", pack(x25519_public(b"e" * 32), sign_key, dh_key))

        with pytest.raises(CodeWrong, match="in the list"):
            alice.linking.grow(code, NOW_MS)
        with pytest.raises(CodeWrong, match="in the list"):
            alice.linking.answer(code)


def test_a_device_answers_only_what_it_let_in_itself(relay, alice, tmp_path):
    with linked(relay, alice, tmp_path / "2") as second:
        relay.connect(second).run()
        code = begun(tmp_path / "3", "third")
        put(relay, alice, alice.linking.grow(code, NOW_MS))
        relay.connect(second).run()

        with pytest.raises(CodeWrong):
            second.linking.answer(code)
        with pytest.raises(CodeWrong):
            second.linking.grow(code, NOW_MS)
        assert alice.linking.answer(code).code.startswith("relay-linked:")


def test_nobody_is_answered_who_was_not_let_in(relay, alice, tmp_path):
    with pytest.raises(UnknownDevice):
        alice.linking.answer(begun(tmp_path / "2"))


def test_a_code_stays_the_same_until_it_is_answered(tmp_path):
    assert begun(tmp_path / "2") == begun(tmp_path / "2", "other randomness")


def test_a_join_that_was_cut_off_makes_room_for_a_new_device(relay, tmp_path):
    Device.create(tmp_path / "2", relay.invite("dave@office.example"), now_ms=NOW_MS).close()

    assert begun(tmp_path / "2").startswith("relay-new-device:")


def test_nothing_is_finished_that_was_not_begun(relay, alice, tmp_path):
    Device.create(tmp_path / "2", relay.invite("dave@office.example"), now_ms=NOW_MS).close()

    with pytest.raises(NotBegun):
        finished(tmp_path / "2", "relay-linked:x")
    with pytest.raises(NotJoined):
        finished(tmp_path / "3", "relay-linked:x")


@pytest.mark.parametrize("change", [
    lambda code: "", lambda code: code[:-1], lambda code: code.replace("relay-new-device:", "relay-linked:"),
    lambda code: code[:30] + ("A" if code[30] != "A" else "B") + code[31:], lambda code: code + "!",
    lambda _: linking._code("relay-new-device:", b"\xc0"),
    lambda _: linking._code("relay-new-device:", b"\x93\x01\x02\x03"),
])  # fmt: skip
def test_a_code_that_lost_or_changed_a_character_is_told(alice, tmp_path, change):
    code = change(begun(tmp_path / "2"))

    for use in (linking.digits, alice.linking.answer, lambda code: alice.linking.grow(code, NOW_MS)):
        with pytest.raises(CodeWrong):
            use(code)


def test_white_space_in_a_code_does_no_harm(tmp_path):
    code = begun(tmp_path / "2")

    assert linking.digits(f" {code[:40]}\r\n {code[40:]}\n") == linking.digits(code)


def test_the_digits_name_the_keys(tmp_path):
    codes = [linking.begin(tmp_path / f"{n}", passphrase=None, entropy=os.urandom) for n in range(20)]

    assert len({linking.digits(code) for code in codes}) == 20
    assert all(len(linking.digits(code).replace(" ", "")) == 20 for code in codes)


def test_an_account_has_so_many_devices_and_no_more(relay, alice, tmp_path):
    for number in range(2, 9):
        put(relay, alice, alice.linking.grow(begun(tmp_path / f"{number}", f"device {number}"), NOW_MS))

    with pytest.raises(DevicesFull):
        alice.linking.grow(begun(tmp_path / "9", "one too many"), NOW_MS)
