from relayd.domain.acting import Denied, Effect
from relayproto.codes import Code


def test_the_ticket_of_an_effect_is_not_shown_in_a_repr() -> None:
    assert repr(Effect(unit=7, value=9, ticket=b"t" * 16)) == "Effect(unit=7, value=9)"


def test_a_denial_names_its_code() -> None:
    assert Denied(Code.LOCKED).code is Code.LOCKED
    assert str(Denied(Code.LOCKED)) == "LOCKED"
