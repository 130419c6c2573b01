from relayd.domain.answers import DevicesChanged, Enrolment
from relayproto.replies import Devices


def test_answers_are_values() -> None:
    changed = DevicesChanged(Devices(b"list", bytes(64), "alice@gad.example"), (3,))

    assert changed == DevicesChanged(Devices(b"list", bytes(64), "alice@gad.example"), (3,))
    assert Enrolment(bytes(32), "alice@gad.example") != Enrolment(bytes(32), "bob@gad.example")
