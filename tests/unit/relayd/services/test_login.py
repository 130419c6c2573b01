import pytest

from relayd.domain.refusals import Refusal
from relayd.services.login import BAD_ENDS, Logins
from relayproto.codes import Code, GoawayCode
from relayproto.errors import RemoteProtocolError
from support.desks import AgreeableStore
from support.device import hello
from support.people import Person


class Faulted(AgreeableStore):
    async def login(self, *_: object) -> str:
        raise RemoteProtocolError(GoawayCode.BAD_ACK, "a floor above what was given")


async def test_a_login_is_the_stores_to_decide() -> None:
    alice = Person("alice")
    store = AgreeableStore(alice)

    assert await Logins(store).login(hello(alice), b"k" * 32, 0.0) == "welcome"

    assert store.taken == [(hello(alice), b"k" * 32)]


async def test_after_too_many_bad_ends_the_key_has_to_wait() -> None:
    alice = Person("alice")
    store = AgreeableStore(alice)
    logins = Logins(store)
    for _ in range(BAD_ENDS):
        logins.ended_badly(b"k" * 32, 0.0)

    with pytest.raises(Refusal) as refused:
        await logins.login(hello(alice), b"k" * 32, 0.0)

    assert refused.value.code is Code.RATE
    assert 0 < refused.value.retry_after_ms <= 20_001
    assert store.taken == []
    assert await logins.login(hello(alice), b"k" * 32, 20.0)


async def test_one_device_does_not_use_up_anothers_bad_ends() -> None:
    alice = Person("alice")
    logins = Logins(AgreeableStore(alice))
    for _ in range(9):
        logins.ended_badly(b"m" * 32, 0.0)

    assert await logins.login(hello(alice), b"k" * 32, 0.0)


async def test_who_was_sent_away_waits_and_nobody_else_does() -> None:
    alice = Person("alice")
    logins = Logins(AgreeableStore(alice))

    logins.sent_away(b"k" * 32, 0.0)
    logins.sent_away(b"k" * 32, 0.0)

    with pytest.raises(Refusal) as refused:
        await logins.login(hello(alice), b"k" * 32, 0.0)
    assert refused.value.code is Code.RATE
    assert await logins.login(hello(alice), b"m" * 32, 0.0)
    assert await logins.login(hello(alice), b"k" * 32, 20.0)


async def test_a_hello_that_breaks_the_protocol_counts_as_well() -> None:
    alice = Person("alice")
    logins = Logins(Faulted(alice))
    for _ in range(BAD_ENDS):
        with pytest.raises(RemoteProtocolError):
            await logins.login(hello(alice), b"k" * 32, 0.0)

    with pytest.raises(Refusal):
        await logins.login(hello(alice), b"k" * 32, 0.0)
