from relayproto.events import Closed, Established


def test_a_channel_binding_does_not_get_into_a_log() -> None:
    assert "secret" not in repr(Established(b"secret"))


def test_an_end_without_goaway_has_no_code() -> None:
    assert Closed(None, True, 0, by_peer=True, detail="the pipe ended").code is None
