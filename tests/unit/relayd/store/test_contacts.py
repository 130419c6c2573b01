from relayd.domain.party import Party
from relayd.domain.permits import Side
from relayd.store import contacts
from relayd.store.contacts import Contacts, Passes, sent
from relayproto import policy
from relayproto.codes import Class
from relayproto.limits import PASS_BYTES, PASS_DAYS, REQUEST_BYTES_MAX
from relayproto.standing import Action, Standing
from support.changed import replace

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS
PASSES = Passes(b"m" * 32)


def somebody(row: int, standing: Standing) -> Party:
    table = policy.PLATFORM_DEFAULT
    side = Side(standing, policy.inbound(table, standing), policy.outbound(table, standing))
    return Party(row, bytes([row]) * 32, 1, 1, {1: row}, False, side)


CITIZEN, NEIGHBOUR, OFFICER = somebody(1, Standing.PUBLIC), somebody(2, Standing.PUBLIC), somebody(3, Standing.VERIFIED)
TEXT = sent(Class.CHAT, 300, b"")


def a_desk() -> Contacts:
    return Contacts(PASSES, b"k" * 32)


def test_a_pass_is_good_for_its_pair_in_its_direction_for_thirty_days() -> None:
    made = PASSES.make(OFFICER.account, CITIZEN.account, NOW_MS)

    assert len(made) == PASS_BYTES
    for days, good in ((0, True), (PASS_DAYS, True), (PASS_DAYS + 1, False), (-1, False)):
        assert PASSES.good(made, OFFICER.account, CITIZEN.account, NOW_MS + days * DAY_MS) is good
    assert not PASSES.good(made, CITIZEN.account, OFFICER.account, NOW_MS)
    assert not PASSES.good(made, OFFICER.account, NEIGHBOUR.account, NOW_MS)
    assert not Passes(b"n" * 32).good(made, OFFICER.account, CITIZEN.account, NOW_MS)


def test_no_bit_of_a_pass_can_be_changed() -> None:
    made = PASSES.make(OFFICER.account, CITIZEN.account, NOW_MS)

    for bit in range(8 * PASS_BYTES):
        wrong = bytearray(made)
        wrong[bit // 8] ^= 1 << bit % 8
        assert not PASSES.good(bytes(wrong), OFFICER.account, CITIZEN.account, NOW_MS)
    for wrong in (b"", made[:-1], made + b"\0"):
        assert not PASSES.good(wrong, OFFICER.account, CITIZEN.account, NOW_MS)


def test_a_citizen_answers_an_officer_and_does_not_write_first() -> None:
    desk = a_desk()
    shown = PASSES.make(OFFICER.account, CITIZEN.account, NOW_MS)

    assert not desk.may_send(CITIZEN, OFFICER, TEXT, NOW_MS)
    assert desk.may_send(CITIZEN, OFFICER, replace(TEXT, shown=shown), NOW_MS)
    assert not desk.may_send(CITIZEN, OFFICER, sent(Class.CALL, 300, shown), NOW_MS), "calls stay denied"
    assert desk.may_send(OFFICER, CITIZEN, TEXT, NOW_MS)


def test_only_who_needs_one_is_given_a_pass() -> None:
    desk = a_desk()

    assert PASSES.good(desk.pass_for(CITIZEN, OFFICER, NOW_MS), OFFICER.account, CITIZEN.account, NOW_MS)
    assert desk.pass_for(OFFICER, CITIZEN, NOW_MS) == b""
    assert desk.pass_for(CITIZEN, CITIZEN, NOW_MS) == b""


def test_a_request_is_one_short_text_a_pair_and_day() -> None:
    desk = a_desk()
    asked = [desk.may_send(CITIZEN, NEIGHBOUR, TEXT, NOW_MS)]
    desk.stored(CITIZEN, NEIGHBOUR, TEXT, NOW_MS)

    asked += [desk.may_send(CITIZEN, NEIGHBOUR, TEXT, NOW_MS + after) for after in (0, DAY_MS - 1, DAY_MS)]

    assert asked == [True, False, False, True]
    assert desk.may_send(NEIGHBOUR, CITIZEN, TEXT, NOW_MS), "the other way is another pair"
    desk.forget()
    assert desk.may_send(CITIZEN, NEIGHBOUR, TEXT, NOW_MS)


def test_what_is_long_or_no_text_is_no_request() -> None:
    for class_, octets, may in (
        (Class.CHAT, REQUEST_BYTES_MAX, True), (Class.CHAT, REQUEST_BYTES_MAX + 1, False),
        (Class.NOTICE, 10, False), (Class.CALL, 10, False),
    ):  # fmt: skip
        assert a_desk().may_send(CITIZEN, NEIGHBOUR, sent(class_, octets, b""), NOW_MS) is may


def test_an_answer_does_not_use_up_the_days_request() -> None:
    desk = a_desk()
    answer = replace(TEXT, shown=PASSES.make(NEIGHBOUR.account, CITIZEN.account, NOW_MS))
    desk.stored(CITIZEN, NEIGHBOUR, answer, NOW_MS)
    desk.stored(OFFICER, CITIZEN, TEXT, NOW_MS)

    assert desk.may_send(CITIZEN, NEIGHBOUR, TEXT, NOW_MS)


def test_no_more_requests_are_remembered_than_the_bound(monkeypatch) -> None:
    monkeypatch.setattr(contacts, "REQUESTS_MAX", 2)
    desk = a_desk()
    others = [somebody(row, Standing.PUBLIC) for row in (5, 6, 7)]
    for other in others:
        desk.stored(CITIZEN, other, TEXT, NOW_MS)

    assert [desk.may_send(CITIZEN, other, TEXT, NOW_MS) for other in others] == [True, False, False]


def test_a_call_is_a_call_and_all_else_is_text() -> None:
    assert {class_: sent(class_, 1, b"").action for class_ in Class} == {
        class_: Action.CALL if class_ is Class.CALL else Action.TEXT for class_ in Class
    }
