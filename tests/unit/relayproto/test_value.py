"""What a value is: its fields, and nothing else about it."""

import importlib
from collections.abc import Iterator
from typing import ClassVar

import pytest

from relayproto.value import Value
from support.tree import modules


class Pair(Value, frozen=True):
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"secret"})
    number: int
    secret: bytes = b""


class Other(Value, frozen=True):
    number: int
    secret: bytes = b""


def test_values_are_equal_where_their_fields_and_their_class_are() -> None:
    assert Pair(4, b"ab") == Pair(secret=b"ab", number=4) != Pair(5, b"ab")
    assert Pair(4) != Other(4)
    assert Pair(4) != (4, b"")
    assert len({Pair(4), Pair(4), Pair(5)}) == 2


def test_a_value_never_changes_and_has_no_more_than_its_fields() -> None:
    with pytest.raises(AttributeError):
        Pair(4).number = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Pair(4).more = 5  # type: ignore[attr-defined]


def test_the_fields_have_the_order_of_the_class() -> None:
    assert Pair(secret=b"ab", number=4).fields() == (4, b"ab")


def test_a_value_is_taken_apart_by_place() -> None:
    match Pair(4, b"ab"):
        case Pair(number, secret):
            assert (number, secret) == (4, b"ab")


def test_what_is_hidden_is_in_no_repr() -> None:
    assert repr(Pair(7, b"hush")) == "Pair(number=7)"
    assert repr(Other(7, b"hush")) == "Other(number=7, secret=b'hush')"


def kinds(of: type[Value]) -> Iterator[type[Value]]:
    for each in of.__subclasses__():
        yield each
        yield from kinds(each)


def test_what_a_class_hides_is_a_field_of_it() -> None:
    for module in (*modules("relayproto"), *modules("relayclient")):
        importlib.import_module(module.name)

    found = list(kinds(Value))

    assert len(found) > 150
    assert [each.__name__ for each in found if not set(each.__struct_fields__) >= each.HIDDEN] == []
