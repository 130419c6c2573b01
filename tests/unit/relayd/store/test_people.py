"""Who is in a unit: whom the asker could look up, as far as he is shown them; what is hidden is not sought."""

import pytest

from relayd.store import people, policies, questions
from relayd.store.authority import View
from relayd.store.marks import Marks
from relayproto import attestation, visibility
from relayproto.administration import PlaceMember
from relayproto.attestation import Attestation
from relayproto.codes import Code
from relayproto.people import GetPeople, People
from relayproto.policy import ROW_BYTES
from relayproto.primitives import blake2b_256
from relayproto.standing import Field, Permission, Role, Standing, Viewer, Visibility
from relayproto.verification import RevokeAttestation
from support.attestable import DOMAIN, Department, department
from support.attesting import DAY_MS
from support.organisations import NOW_MS
from support.stores import MASTER_KEY

MARKS = Marks(MASTER_KEY)


@pytest.fixture
def at(tmp_path):
    """Bob (Bob Roy, Registrar) and carol (Carol Das, Clerk) of the unit are attested; dan is of the root."""
    with department(tmp_path) as made:
        made.attested(expires_ms=NOW_MS + 10 * DAY_MS)
        made.carol = person(made, "carol", "Carol Das", "Clerk")
        made.dan = made.desk.person(f"dan@{DOMAIN}", made.root, Standing.VERIFIED)
        yield made


def person(at: Department, name: str, called: str, title: str, unit: int | None = None) -> bytes:
    account = at.desk.person(f"{name}@{DOMAIN}", unit or at.unit, Standing.INVITED)
    at.attested(
        account=account, serial=name.encode().ljust(16), address=f"{name}@{DOMAIN}",
        texts={Field.NAME: called, Field.TITLE: title},
    )  # fmt: skip
    return account


def ask(at: Department, who: bytes, unit: int, sought: str = "", after: bytes = b"", rows: int = 100) -> People:
    question = GetPeople(unit, sought, after, rows)
    return questions.answer(View(at.desk.db, at.desk.commit.now_ms), who, question, MARKS)


def accounts(found: People) -> set[bytes]:
    return {each.account for each in found.people}


def hide(at: Department, account: bytes, *cells: tuple[Field, Viewer], about: str = "") -> None:
    table = bytearray(visibility.TABLE_BYTES)
    for field, viewer in cells:
        table[visibility.cell(field, viewer)] = Visibility.HIDE
    at.desk.db.execute("UPDATE account SET hidden = ?, about = ? WHERE account = ?", (bytes(table), about, account))


def test_who_is_attested_is_listed_by_account_with_proof(at) -> None:
    found = ask(at, at.dan, at.root)

    assert accounts(found) == {at.bob, at.carol}, "dan and vera are not attested"
    assert [each.account for each in found.people] == sorted(accounts(found))
    [bob] = [each for each in found.people if each.account == at.bob]
    stated = attestation.texts(attestation.decode_proof(bob.proof).statements)
    assert (stated[Field.NAME], stated[Field.UNIT], found.more) == ("Bob Roy", str(at.unit), False)
    assert isinstance(attestation.decode(attestation.decode_proof(bob.proof).attestation), Attestation)


def test_pages_go_on_after_an_account_and_say_whether_others_follow(at) -> None:
    first = ask(at, at.dan, at.root, rows=1)
    rest = ask(at, at.dan, at.root, after=first.people[-1].account, rows=1)

    assert (first.more, rest.more) == (True, False)
    assert accounts(first) | accounts(rest) == {at.bob, at.carol}


def test_nobody_asks_about_units_that_he_is_not_of_and_has_no_role_over(at) -> None:
    other, stranger = at.desk.organisation("other.example")

    for who, unit in ((stranger, at.root), (at.dan, at.unit), (at.dan, other), (at.dan, 99)):
        with pytest.raises(questions.Denied) as denied:
            ask(at, who, unit)
        assert denied.value.code is Code.NOT_PERMITTED
    at.desk.hold(at.dan, Role.AUDITOR, at.unit)
    assert accounts(ask(at, at.dan, at.unit)) == {at.bob, at.carol}


def test_who_could_not_be_looked_up_is_not_listed(at) -> None:
    db = at.desk.db
    row = bytearray(ROW_BYTES)
    row[Standing.VERIFIED * 6 + 5] = Permission.DENY
    db.execute("UPDATE account SET policy = ? WHERE account = ?", (bytes(row), at.carol))
    assert accounts(ask(at, at.dan, at.root)) == {at.bob}
    assert accounts(ask(at, at.carol, at.root)) == {at.bob, at.carol}, "but oneself"
    db.execute("INSERT INTO block VALUES (?, ?)", (at.desk.row(at.bob), MARKS.of(at.bob, at.dan)))
    assert accounts(ask(at, at.dan, at.root)) == set()
    db.execute("DELETE FROM block")
    db.execute("UPDATE account SET suspended = 1 WHERE account = ?", (at.bob,))
    assert accounts(ask(at, at.dan, at.root)) == set()


def test_who_left_or_is_attested_no_longer_is_listed_no_longer(at) -> None:
    at.desk.done(at.admin, RevokeAttestation(at.unit, at.carol))
    assert accounts(ask(at, at.dan, at.root)) == {at.bob}
    at.desk.commit.now_ms = NOW_MS + 10 * DAY_MS
    assert accounts(ask(at, at.dan, at.root)) == set(), "before the sweep, too"

    at.desk.commit.now_ms = NOW_MS
    at.desk.done(at.admin, PlaceMember(at.unit, at.bob, Standing.PUBLIC))
    assert accounts(ask(at, at.dan, at.root)) == set()


@pytest.mark.parametrize("sought", ["ROY", " registrar ", "bob@gad", "Bob Roy"])
def test_somebody_is_found_by_part_of_what_is_shown(at, sought: str) -> None:
    assert accounts(ask(at, at.dan, at.root, sought)) == {at.bob}
    assert accounts(ask(at, at.dan, at.root, "nobody")) == set()


def test_somebody_is_found_by_what_he_says_of_himself(at) -> None:
    hide(at, at.carol, about="on LEAVE")

    [found] = ask(at, at.dan, at.root, "leave").people
    assert (found.account, found.about) == (at.carol, "on LEAVE")


@pytest.mark.parametrize(
    ("field", "sought"),
    [(Field.NAME, "roy"), (Field.TITLE, "registrar"), (Field.ADDRESS, "bob@"), (Field.ABOUT, "leave")],
)
def test_what_is_hidden_is_neither_found_nor_shown_nor_counted(at, field: Field, sought: str) -> None:
    hide(at, at.bob, about="on leave")
    assert accounts(ask(at, at.dan, at.root, sought)) == {at.bob}

    hide(at, at.bob, (field, Viewer.SAME_ORGANISATION), about="on leave")

    assert ask(at, at.dan, at.root, sought, rows=1) == People((), False)
    assert accounts(ask(at, at.carol, at.root, sought)) == {at.bob}, "who is of the same unit still finds him"
    assert accounts(ask(at, at.admin, at.root, sought)) == {at.bob}, "and who has to know him"


def test_who_hides_his_unit_is_listed_at_the_root_alone(at) -> None:
    """Else one could ask unit by unit."""
    at.desk.hold(at.dan, Role.AUDITOR, at.unit)
    hide(at, at.bob, (Field.UNIT, Viewer.SAME_ORGANISATION))

    assert accounts(ask(at, at.dan, at.unit)) == {at.carol}
    assert accounts(ask(at, at.dan, at.root)) == {at.bob, at.carol}
    assert accounts(ask(at, at.carol, at.unit)) == {at.bob, at.carol}


def test_a_units_table_is_read_once_a_question(at) -> None:
    hiding = bytearray(visibility.TABLE_BYTES)
    hiding[visibility.cell(Field.NAME, Viewer.SAME_ORGANISATION)] = Visibility.HIDE
    policies.put(at.desk.commit, at.unit, None, None, bytes(hiding))
    statements: list[str] = []
    at.desk.db.set_trace_callback(statements.append)

    found = ask(at, at.dan, at.root)

    at.desk.db.set_trace_callback(None)
    assert sum("WITH RECURSIVE above" in each for each in statements) == 2, "the asker's and the unit's"
    for each in found.people:
        assert Field.NAME not in attestation.texts(attestation.decode_proof(each.proof).statements)


def test_who_is_next_is_found_by_an_index_of_the_unit_alone(at) -> None:
    asked = {"unit": at.root, "after": b"", "rows": 100}
    plan = [detail for *_, detail in at.desk.db.execute(f"EXPLAIN QUERY PLAN {people._NEXT}", asked)]

    assert "SEARCH account USING COVERING INDEX account_of_unit (unit=? AND account>?)" in plan, plan


def steps(at: Department, sought: str) -> int:
    """Return how many hundreds of SQLite's steps a question takes."""
    counted = []
    at.desk.db.set_progress_handler(lambda: counted.append(1), 100)
    ask(at, at.dan, at.root, sought)
    at.desk.db.set_progress_handler(None, 0)
    return len(counted)


def strangers(at: Department, count: int, unit: int) -> None:
    at.desk.db.executemany(
        "INSERT INTO account (account, address, look, unit, standing, list_version, highest_device, devices, signature)"
        " VALUES (?1, ?2, ?2, ?3, 1, 1, 1, x'', x'')",
        [(blake2b_256(b"%d" % each), f"s{each}@other.example", unit) for each in range(count)],
    )


def test_who_is_of_another_organisation_costs_a_question_nothing(at) -> None:
    other, _ = at.desk.organisation("other.example")
    before = steps(at, "nobody")

    strangers(at, 5_000, other)

    assert steps(at, "nobody") <= before + 5, "in hundreds: one step each would be fifty"


def test_a_long_search_is_many_looks_and_nobody_is_left_out(at, monkeypatch) -> None:
    strangers(at, 40, at.unit)
    whole = ask(at, at.dan, at.root)
    monkeypatch.setattr(people, "LOOKED_MAX", 7)
    listed = questions.Listed(GetPeople(at.root, "", b"", 100))
    looks = [listed.look(View(at.desk.db, NOW_MS), at.dan, MARKS) for _ in range(7)]

    assert looks[:6] == [None] * 6, "44 of the root and below are looked at, 7 at once"
    assert looks[6] == whole
    assert accounts(whole) == {at.bob, at.carol}


def test_a_page_that_is_full_is_not_looked_for_further(at, monkeypatch) -> None:
    monkeypatch.setattr(people, "LOOKED_MAX", 5)
    strangers(at, 40, at.unit)
    whole = ask(at, at.dan, at.root, rows=1)
    taken: list[str] = []
    at.desk.db.set_trace_callback(taken.append)

    again = ask(at, at.dan, at.root, rows=1)

    assert again == whole
    assert whole.more
    assert sum("AS newest" in each or "FROM attestation" in each for each in taken) < 45


def test_who_loses_his_right_between_two_looks_is_told_nothing(at, monkeypatch) -> None:
    monkeypatch.setattr(people, "LOOKED_MAX", 1)
    listed = questions.Listed(GetPeople(at.root, "", b"", 100))
    assert listed.look(View(at.desk.db, NOW_MS), at.dan, MARKS) is None

    at.desk.come(at.dan, 0, Standing.PUBLIC)

    with pytest.raises(questions.Denied) as denied:
        listed.look(View(at.desk.db, NOW_MS), at.dan, MARKS)
    assert denied.value.code is Code.NOT_PERMITTED
