import pytest

from relayproto import codes
from relayproto.codes import Code, CodeRange, Kind, range_of


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (Code.STORED, CodeRange.SUCCESS),
        (Code.OVER_QUOTA, CodeRange.RETRY_LATER),
        (Code.NOT_AVAILABLE, CodeRange.PERMANENT),
        (Code.AUTHENTICATION, CodeRange.AUTHENTICATION),
        (Code.INTERNAL, CodeRange.INTERNAL),
        (199, CodeRange.RETRY_LATER),
        (777, CodeRange.PERMANENT),
    ],
)
def test_a_code_has_a_meaning_by_its_range_known_or_not(code: int, meaning: CodeRange) -> None:
    assert range_of(code) is meaning


def test_every_code_lies_in_a_range() -> None:
    assert all(code // 100 in iter(CodeRange) for code in Code)


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        (1, 31, {"HELLO", "SUBMIT", "ACK"}),
        (32, 63, {"PING", "PONG", "REKEY", "GOAWAY"}),
        (128, 159, {"WELCOME", "SUBMITTED"}),
        (160, 191, {"DELIVER", "OUTCOME"}),
    ],
)
def test_a_kind_lies_in_the_range_of_who_says_it(first: int, last: int, names: set[str]) -> None:
    assert names <= {kind.name for kind in Kind if first <= kind <= last}


def test_no_two_names_share_a_number() -> None:
    enums = [thing for thing in vars(codes).values() if isinstance(thing, type) and hasattr(thing, "__members__")]

    assert all(len({int(m) for m in each.__members__.values()}) == len(each.__members__) for each in enums)
