from relayd.services.messages import BUSY_RETRY_MS, Bodies, Messages
from relayd.services.pairs import Pairs
from relayd.services.rates import Rates
from relayproto.codes import Code
from relayproto.limits import BODY_HANDLES_MAX
from relayproto.replies import NotTaken
from support.desks import AgreeableStore, seat_of
from support.device import submit
from support.people import Person

ALICE, BOB, CAROL = Person("alice"), Person("bob"), Person("carol")


def messages(*, burst: int = 100, pair_burst: int = 100) -> tuple[Messages, AgreeableStore]:
    store = AgreeableStore(BOB)
    pairs = Pairs(bytes(32), per_s=1, burst=pair_burst)
    return Messages(store, rates=Rates(per_s=1, burst=burst), pairs=pairs), store


def test_a_submission_goes_to_the_store_with_its_body() -> None:
    service, store = messages()
    settle = [].append

    assert service.submit(seat_of(ALICE), submit(1, BOB), Bodies(), settle, 0.0, under_way=1)

    assert store.taken == [(seat_of(ALICE), submit(1, BOB), b"sealed", settle)]


def test_more_than_there_is_room_for_is_not_taken_and_costs_nothing() -> None:
    service, store = messages(burst=1)
    store.room = 2

    assert not service.submit(seat_of(ALICE), submit(1, BOB), Bodies(), [].append, 0.0, under_way=3)
    assert service.submit(seat_of(ALICE), submit(1, BOB), Bodies(), [].append, 0.0, under_way=2)
    assert len(store.taken) == 1


def test_over_the_rate_nothing_is_taken_and_the_number_stays_free() -> None:
    service, store = messages(burst=3)
    answers = []

    assert service.submit(seat_of(ALICE), submit(1, BOB, CAROL), Bodies(), answers.append, 0.0, under_way=1)
    assert service.submit(seat_of(ALICE), submit(2, BOB, CAROL), Bodies(), answers.append, 0.0, under_way=1)

    assert answers == [NotTaken(2, Code.RATE, 1001)]
    assert len(store.taken) == 1


def test_over_the_rate_of_a_pair_only_that_pair_waits() -> None:
    service, store = messages(pair_burst=1)
    answers = []
    for number, target in enumerate((BOB, CAROL), 1):
        assert service.submit(seat_of(ALICE), submit(number, target), Bodies(), answers.append, 0.0, under_way=1)

    assert service.submit(seat_of(ALICE), submit(3, BOB), Bodies(), answers.append, 0.0, under_way=1)

    assert answers == [NotTaken(3, Code.RATE, 1001)]
    assert len(store.taken) == 2


def test_what_goes_to_ones_own_devices_is_no_pairs() -> None:
    service, store = messages(pair_burst=1)

    for number, target in enumerate((BOB, CAROL), 1):
        service.submit(seat_of(ALICE), submit(number, target, ALICE), Bodies(), [].append, 0.0, under_way=1)
    for number in (3, 4):
        service.submit(seat_of(ALICE), submit(number, ALICE), Bodies(), [].append, 0.0, under_way=1)

    assert len(store.taken) == 4


def test_a_submission_that_is_not_taken_costs_no_other_pair_anything() -> None:
    service, store = messages(pair_burst=1)
    service.submit(seat_of(ALICE), submit(1, BOB), Bodies(), [].append, 0.0, under_way=1)
    service.submit(seat_of(ALICE), submit(2, BOB, CAROL), Bodies(), [].append, 0.0, under_way=1)

    service.submit(seat_of(ALICE), submit(2, CAROL), Bodies(), [].append, 0.0, under_way=1)

    assert len(store.taken) == 2


def test_a_submission_that_is_not_taken_costs_its_device_nothing() -> None:
    service, store = messages(burst=2, pair_burst=1)
    for number, target in enumerate((BOB, BOB, CAROL), 1):
        service.submit(seat_of(ALICE), submit(number, target), Bodies(), [].append, 0.0, under_way=1)

    assert [command.submission for _, command, *_ in store.taken] == [1, 3]


def test_who_waited_too_long_for_room_is_told_so() -> None:
    service, store = messages()
    answers = []

    service.busy(submit(5, BOB), answers.append)

    assert answers == [NotTaken(5, Code.BUSY, BUSY_RETRY_MS)]
    assert store.taken == []


def test_a_parked_body_is_found_by_its_handle() -> None:
    bodies = Bodies()
    bodies.park(3, b"first")
    bodies.park(3, b"second")

    assert [bodies.parked(handle) for handle in (3, 4, None)] == [b"second", b"", b""]


def test_a_submission_has_its_own_body_or_a_parked_one() -> None:
    service, store = messages()
    bodies = Bodies()
    bodies.park(3, b"parked")

    for number, (body, handle) in enumerate(((None, 3), (b"own", 3), (None, None)), 1):
        command = submit(number, BOB, body=body, handle=handle)
        service.submit(seat_of(ALICE), command, bodies, [].append, 0.0, under_way=1)

    assert [taken[2] for taken in store.taken] == [b"parked", b"own", b""]


def test_only_so_many_bodies_are_parked_and_the_oldest_goes_first() -> None:
    bodies = Bodies()
    for handle in range(BODY_HANDLES_MAX):
        bodies.park(handle, b"body")
    bodies.park(0, b"again")

    bodies.park(99, b"one more")

    assert bodies.parked(1) == b""
    assert bodies.parked(0) == b"again"
    assert bodies.parked(99) == b"one more"
