import pytest

from relayproto.codes import GoawayCode
from relayproto.errors import CryptoFailure, LocalProtocolError, Malformed, ProtocolError, RemoteProtocolError


def test_the_peers_fault_carries_what_the_peer_is_told() -> None:
    fault = RemoteProtocolError(GoawayCode.BAD_ACK, "above what was delivered")

    assert fault.code is GoawayCode.BAD_ACK
    assert fault.detail == str(fault) == "above what was delivered"


def test_malformed_bytes_are_a_bad_frame() -> None:
    assert Malformed("too long").code is GoawayCode.BAD_FRAME


@pytest.mark.parametrize("family", [LocalProtocolError, RemoteProtocolError])
def test_both_sides_mistakes_are_protocol_errors(family: type[Exception]) -> None:
    assert issubclass(family, ProtocolError)


def test_a_failed_opening_is_nobodys_protocol_error() -> None:
    assert not issubclass(CryptoFailure, ProtocolError)
