"""The page of limits is what the code says."""

import ast

import pytest

from support.generate_limits_page import PATH, generate, reason, shown


def test_the_page_is_what_the_code_says() -> None:
    assert PATH.read_text(encoding="utf-8") == generate(), "make vectors writes it again"


def test_every_bound_has_its_reason() -> None:
    rows = [line.split(" | ") for line in generate().splitlines() if line.startswith("| `")]

    assert len(rows) > 100
    assert all(len(row) == 4 and row[3].removesuffix(" |").strip() for row in rows)


def test_a_bound_without_a_reason_is_found() -> None:
    with pytest.raises(LookupError, match="A_MAX has no reason"):
        reason(ast.parse('A_MAX: int = 1\nB_MAX: int = 2\n"""Why."""\n'), "A_MAX")


def test_a_default_is_shown_as_a_person_reads_it() -> None:
    assert [shown(value) for value in (32 << 20, (1 << 63) - 1, 5_000, 20.0, (1, 2))] == [
        "32 Mi", "2^63 - 1", "5,000", "20", "1, 2",
    ]  # fmt: skip
