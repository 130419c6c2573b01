"""relay stats."""

import pytest

from relayclient.cli.stats import lasting
from relayproto.codes import Class, Code, Fate, Size
from relayproto.replies import Refused
from relayproto.standing import Standing
from relayproto.statistics import Cell, Day, GetRetention, GetStatistics, Kept, Retention, Statistics

DAYS = (
    Day(20_700, (Cell(Class.CHAT, Size.SMALL, Fate.STORED, 120), Cell(Class.CHAT, Size.SMALL, Fate.DELIVERED, 96),
                 Cell(Class.OTP, Size.SMALL, Fate.STORED, 4_000))),
    Day(20_709, (Cell(Class.CHAT, Size.LARGE, Fate.EXPIRED, 10),)),
)  # fmt: skip
ROWS = (
    Kept("envelope", "lane", "sender and recipient", "whose it is", "expired", 30 * 86_400),
    Kept("envelope", "class", "sender and recipient", "chat \x1b[2J or else", "expired", 30 * 86_400),
    Kept("account", "address", "members", "what people type", "with the relay", None),
)


@pytest.fixture
def works(office):
    """Alice belongs to organisation 1, whose relay tells of one day in an answer and of two rows of its map."""
    office.join("alice")
    office.relay.belongs[office.relay.addresses["alice@office.example"]] = (Standing.VERIFIED, 1)
    office.asked = []

    def statistics(_, asked, __):
        office.asked.append(asked)
        if asked.unit == 6:
            return Refused(Code.NOT_PERMITTED, 0)
        days = [day for day in DAYS if asked.first_day <= day.day <= asked.last_day]
        return Statistics(tuple(days[:1]), days[1].day if days[1:] else None)

    office.relay.script[GetStatistics] = statistics
    office.relay.script[GetRetention] = lambda _, asked, __: Retention(
        ROWS[asked.after : asked.after + 2], asked.after + 2 < len(ROWS)
    )
    return office


def test_days_are_shown_with_a_line_for_each_class_and_size(works):
    ran = works.run("alice", "stats", "show", "--from", "2026-09-01")

    head, *lines = [line.split() for line in ran.out.splitlines()]
    few = ["<10"]
    assert head == ["DAY", "CLASS", "SIZE", *[fate.name for fate in Fate]]
    assert lines == [
        ["2026-09-04", "otp", "small", "4000", *few * 8],
        ["2026-09-04", "chat", "small", "120", *few * 4, "96", *few * 3],
        ["2026-09-13", "chat", "large", *few * 7, "10", *few],
    ]
    assert works.asked[0].unit == 1


def test_days_are_asked_for_from_one_to_another(works):
    ran = works.run("alice", "stats", "show", "--from", "2026-09-05", "--to", "2026-09-30", "--json")

    assert works.asked == [GetStatistics(1, 20_701, 20_726)]
    assert ran.lines == [
        {"day": "2026-09-13", "class": "chat", "size": "large", "fate": "expired", "targets": 10}
    ]  # fmt: skip


def test_totals_are_said_to_be_up_to_nine_below_the_truth(works):
    ran = works.run("alice", "stats", "show", "0", "--from", "2026-09-01")

    assert works.asked[0].unit == 0
    assert "up to nine below it" in ran.err


def test_without_days_the_last_month_is_asked_for(works):
    works.run("alice", "stats", "show")

    (asked,) = works.asked
    assert asked.last_day - asked.first_day == 31
    assert works.run("alice", "stats", "show", "--to", "2026-09-30").status == 0
    assert works.asked[1] == GetStatistics(1, 20_695, 20_726)


def test_where_nothing_may_be_told_it_is_said(works):
    ran = works.run("alice", "stats", "show", "--from", "2027-01-01")

    assert (ran.status, ran.out) == (0, "")
    assert ran.err == "Nothing to show.\n"


def test_who_has_no_right_is_told_so(works):
    ran = works.run("alice", "stats", "show", "6")

    assert ran.status == 77
    assert "NOT_PERMITTED" in ran.err


def test_what_is_kept_is_a_page(works):
    ran = works.run("alice", "stats", "retention")

    assert ran.out.splitlines() == [
        "envelope - of sender and recipient; at most 30 days; expired",
        "    lane: whose it is",
        "    class: chat \N{SYMBOL FOR ESCAPE}[2J or else",
        "account - of members; with the relay",
        "    address: what people type",
    ]


def test_what_is_kept_is_json_a_line_each(works):
    ran = works.run("alice", "stats", "retention", "--json")

    assert [(line["place"], line["column"], line["kept_s"]) for line in ran.lines] == [
        ("envelope", "lane", 2_592_000), ("envelope", "class", 2_592_000), ("account", "address", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "no time"), (1, "1 second"), (60, "1 minute"), (90, "90 seconds"), (3_600, "1 hour"),
        (86_400, "1 day"), (401 * 86_400, "401 days"), (1_000 * 86_400, "1,000 days"),
    ],
)  # fmt: skip
def test_a_time_is_said_in_the_largest_unit_that_says_it_exactly(seconds, said):
    assert lasting(seconds) == said
