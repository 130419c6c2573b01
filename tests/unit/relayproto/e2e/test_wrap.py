import pytest

from relayproto.e2e import session
from relayproto.e2e.wrap import UNSEALED, WRAPPED_BYTES, Wrapped, is_withheld, read_wrapped, withheld
from relayproto.errors import CryptoFailure
from relayproto.ids import AccountId, DeviceId

WRAPPED = Wrapped(b"k" * 32, b"\x01" + b"c" * 32)


def test_a_key_and_its_commitment_come_back():
    assert read_wrapped(WRAPPED.to_bytes()) == WRAPPED
    assert len(WRAPPED.to_bytes()) == WRAPPED_BYTES == 66


def test_the_key_is_not_shown():
    assert "kkkk" not in repr(WRAPPED)


@pytest.mark.parametrize("plaintext", [b"", b"\x01" * 65, b"\x02" * 66, b"\x01" * 67])
def test_what_holds_no_key_is_refused(plaintext):
    with pytest.raises(CryptoFailure):
        read_wrapped(plaintext)


def test_what_is_withheld_is_as_long_and_holds_no_key():
    octets = withheld(WRAPPED.commitment)

    assert (len(octets), is_withheld(octets), is_withheld(WRAPPED.to_bytes())) == (WRAPPED_BYTES, True, False)
    assert not is_withheld(octets[:-1])
    with pytest.raises(CryptoFailure):
        read_wrapped(octets)


def test_an_unsealed_wrap_opens_for_nobody():
    with pytest.raises(CryptoFailure):
        session.prekeys_of(session.Sessions(session.Peer(AccountId(bytes(32)), DeviceId(1))), UNSEALED)
