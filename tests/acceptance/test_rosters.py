"""Whom an organisation expects (issue 6): a list is imported whatever is wrong with some of it; a long one by two.

Real processes and people's own command lines. Only the department and its roles are written into the database
beforehand: its founding needs a look-up of a mail domain.
"""

import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayd.store.rosters import PLACE_BITS
from relayproto.primitives import ed25519_public
from relayproto.standing import Role, Standing
from support.processes import Ended, RelayProcess, a_relay, command, end, relay, run, running, succeed, until

DOMAIN = "gad.example"
ADMIN, VERA, CAROL = (f"{name}@{DOMAIN}" for name in ("admin", "vera", "carol"))
DAY_MS = 86_400_000


class Story:
    """The relay, people's homes, and the organisation's machine in ``place``; CAROL is of nobody and on no list."""

    def __init__(self, made: RelayProcess, place: Path) -> None:
        self.made, self.place = made, place
        for address in (ADMIN, VERA, CAROL):
            made.join(self.home(address), address)
        self.key = place / "works.key"
        succeed(relay(place / "nobody", "org", "key", "new", self.key))
        made.stop()
        self._found(ed25519_public(bytes.fromhex(self.key.read_text().splitlines()[1])))
        made.start()

    def home(self, address: str) -> Path:
        return self.place / address.partition("@")[0]

    def _found(self, root_key: bytes) -> None:
        with contextlib.closing(sqlite3.connect(self.made.state / "relay.db")) as db, db:
            db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (1, 0, 1, 'Works', 1)")
            db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (2, 1, 1, 'Records', 1)")
            db.execute("INSERT INTO organisation VALUES (1, ?, x'', 1)", (root_key,))
            db.execute("INSERT INTO domain VALUES (?, 1)", (DOMAIN,))
            for address, unit, role in ((ADMIN, 1, Role.ORGANISATION_ADMIN), (VERA, 2, Role.VERIFIER)):
                db.execute(
                    "UPDATE account SET unit = ?, standing = ? WHERE address = ?", (unit, Standing.VERIFIED, address)
                )
                db.execute(
                    "INSERT INTO held_role (unit, account, role, until_ms) SELECT ?, id, ?, ? FROM account"
                    " WHERE address = ?",
                    (unit, role, int(time.time() * 1000) + 300 * DAY_MS, address),
                )
            db.execute("UPDATE account SET unit = 0, standing = 0 WHERE address = ?", (CAROL,))

    def run(self, address: str, *arguments: object) -> list[dict]:
        ended = succeed(relay(self.home(address), *arguments, "--json"))
        return [json.loads(line) for line in ended.out.splitlines()]

    def imported(self, path: Path, *arguments: object, by: str = VERA) -> tuple[Ended, dict[int, str]]:
        """Import a file and return what came of each of its lines."""
        ended = relay(self.home(by), "member", "import", "2", path, *arguments, "--json", timeout_s=120.0)
        said = [json.loads(line) for line in ended.out.splitlines()]
        return ended, {each["line"]: each["came"] for each in said if "line" in each}

    def expected(self) -> set[str]:
        return {each["address"] for each in self.run(VERA, "member", "roster", "2")}

    def count(self, table: str) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{self.made.state / 'relay.db'}?mode=ro", uri=True)) as db:
            return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def belongs(self, address: str) -> tuple[int, int]:
        with contextlib.closing(sqlite3.connect(f"file:{self.made.state / 'relay.db'}?mode=ro", uri=True)) as db:
            return db.execute("SELECT unit, standing FROM account WHERE address = ?", (address,)).fetchone()

    def forget(self) -> None:
        """Begin without rosters, and with nothing that anybody has done alone today."""
        self.made.stop()
        with contextlib.closing(sqlite3.connect(self.made.state / "relay.db")) as db, db:
            for table in ("roster", "roster_line", "claim", "alone", "proposal"):
                db.execute(f"DELETE FROM {table}")
        self.made.start()

    def warranted(self) -> None:
        """Let vera's device attest for unit 2."""
        asked, signed = self.place / "vera.json", self.home(VERA) / "warrant.json"
        asked.write_text(json.dumps(self.run(VERA, "warrant", "ask")[0]))
        ended = succeed(
            relay(self.place / "nobody", "warrant", "sign", self.key, "--verifier", asked, "--organisation", 1,
                  "--unit", 2)
        )  # fmt: skip
        signed.write_bytes(ended.out)
        self.run(ADMIN, "warrant", "put", signed, "--reason", "vera verifies")


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Iterator[Story]:
    place = tmp_path_factory.mktemp("rosters")
    with a_relay(place / "relay") as made:
        yield Story(made, place)


@pytest.fixture(autouse=True)
def _nothing_expected(request) -> None:
    if "story" in request.fixturenames:
        request.getfixturevalue("story").forget()


def sheet(story: Story, octets: bytes) -> Path:
    path = story.place / "officers.csv"
    path.write_bytes(octets)
    return path


ROWS = [["E-Mail", "Name", "Post"], [f"dave@{DOMAIN}", "José Núñez", "Registrar"], [f"erin@{DOMAIN}", "Erin", ""]]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("encoding", "separator"), [("utf-8", ","), ("utf-8-sig", ";"), ("utf-16", "\t"), ("cp1252", ";")]
)  # fmt: skip
def test_a_list_is_read_in_any_encoding_and_with_any_separator_of_spreadsheets(story, encoding, separator) -> None:
    text = "\r\n".join(separator.join(row) for row in ROWS)

    ended, came = story.imported(sheet(story, text.encode(encoding)))

    assert (ended.status, came) == (0, {2: "taken", 3: "taken"})
    kept = {each["address"]: each["name"] for each in story.run(VERA, "member", "roster", "2")}
    assert kept == {f"dave@{DOMAIN}": "José Núñez", f"erin@{DOMAIN}": "Erin"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_thirteen_faulty_lines_are_each_told_and_the_others_are_expected(story) -> None:
    bad = [
        ("nobody", "no address"), ("dan@", "no address"), (f"dan smith@{DOMAIN}", "no address"),
        ("dan@else.example", "BAD_ADDRESS"), (f"dan@sub.{DOMAIN}", "BAD_ADDRESS"),
        (f"d\u0430n@{DOMAIN}", "no address"), (f"ver\u00e0@{DOMAIN}", "no address"),
        (f"p0@{DOMAIN}", "the same address stands in line 2"), (f"P1@{DOMAIN}", "the same address stands in line 3"),
        (f"\u0441arol@{DOMAIN}", "no address"), (f"caro1@{DOMAIN}", "ADDRESS_TAKEN"), (f"pl@{DOMAIN}", "ADDRESS_TAKEN"),
        (f"po@{DOMAIN}", "ADDRESS_TAKEN"),
    ]  # fmt: skip
    good = [f"p{number}@{DOMAIN},Person {number},Officer" for number in range(90)]
    rows = [*good, *(f"{address},Somebody,Clerk" for address, _ in bad)]
    path = sheet(story, "\n".join(["address,name,title", *rows]).encode())

    ended, came = story.imported(path)

    assert ended.status == 65
    assert {number for number, said in came.items() if said == "taken"} == set(range(2, 92))
    for number, (_, why) in enumerate(bad, 92):
        assert why in came[number], (number, came[number])
    assert len(story.expected()) == 90
    assert b"90 were taken, 13 were not." in ended.err


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", b"empty"), (b"name,title\nBob,Clerk", b"names no column"), (b"mail,address\na,b", b"more than one"),
        (b'address,name\n"bob@gad.example,Bob', b"line 2"), ("address\nb".encode("utf-16")[:-1], b"UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_is_told_and_nothing_of_it_is_done(story, octets: bytes, why: bytes) -> None:
    ended, _ = story.imported(sheet(story, octets))

    assert ended.status == 65
    assert why in ended.err
    assert (story.count("roster"), story.count("roster_line")) == (0, 0)


def numbered(lines: int) -> bytes:
    return "\n".join(["address,name", *(f"p{number:05}@{DOMAIN},Person {number}" for number in range(lines))]).encode()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_long_list_is_read_and_approved_by_a_second_person_and_nothing_is_expected_before(story) -> None:
    path = sheet(story, numbered(2_000))

    ended, came = story.imported(path, "--reason", "the department's list")
    [proposed] = [json.loads(line) for line in ended.out.splitlines() if b'"state"' in line]
    before = story.expected()
    own = relay(story.home(VERA), "proposal", "approve", proposed["value"], "--yes", "--unit", "2")
    read = succeed(relay(story.home(ADMIN), "proposal", "show", proposed["value"], "--unit", "2")).out.decode()
    lines = story.run(ADMIN, "member", "roster", "2", "--roster", proposed["roster"])
    [done] = story.run(ADMIN, "proposal", "approve", proposed["value"], "--unit", "2", "--yes")

    assert (ended.status, proposed["state"], before, own.status) == (0, "proposed", set(), 77)
    assert "expect the 2,000 people of the roster" in read
    assert f"p00000@{DOMAIN}, Person 0" in read
    assert "and 1,990 others" in read
    assert [line["address"] for line in lines] == [f"p{number:05}@{DOMAIN}" for number in range(2_000)]
    assert done["state"] == "done"
    assert len(story.expected()) == 2_000
    assert len(came) == 2_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_import_that_was_killed_goes_on_and_one_whose_relay_was_killed_too(story) -> None:
    path = sheet(story, numbered(20_000))
    importing = command("relayclient.cli.main", "--home", story.home(VERA), "member", "import", "2", path)
    out, err = story.place / "import.out", story.place / "import.err"

    with running(importing, story.place, out=out, err=err) as process:
        until(lambda: story.count("roster_line") >= 2_000, 60.0)
        os.kill(process.pid, signal.SIGKILL)
        end(process)
    cut = story.count("roster_line")
    with running(importing, story.place, out=out, err=err) as process:
        until(lambda: story.count("roster_line") >= cut + 2_000, 60.0)
        story.made.kill()
        end(process)
    story.made.start()
    again = story.count("roster_line")
    ended, came = story.imported(path)

    assert 2_000 <= cut < again < 20_000
    assert (ended.status, len(came), story.count("roster")) == (0, 20_000, 1)
    with contextlib.closing(sqlite3.connect(f"file:{story.made.state / 'relay.db'}?mode=ro", uri=True)) as db:
        places = db.execute("SELECT id & ? FROM roster_line ORDER BY id", ((1 << PLACE_BITS) - 1,)).fetchall()
    assert places == [(number,) for number in range(20_000)], "each line once, in its place"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_who_comes_belongs_to_the_unit_and_is_attested_with_all_others_and_struck_when_he_leaves(story) -> None:
    story.warranted()
    rows = [f"{CAROL},Carol Das,Clerk", f"gina@{DOMAIN},Gina Rao,Registrar", f"hugo@{DOMAIN},Hugo,"]
    ended, _ = story.imported(sheet(story, "\n".join(["address,name,title", *rows]).encode()))
    assert ended.status == 0
    gina = f"gina@{DOMAIN}"

    story.made.join(story.home(gina), gina)
    until(lambda: story.count("claim") == 2, 30.0)
    came = story.belongs(gina)
    own = story.run(gina, "claim", "status")
    waiting = story.run(VERA, "claim", "list", "2")
    attested = story.run(VERA, "member", "attest-all", "2")

    assert came == (2, Standing.INVITED), "by her address alone"
    assert story.belongs(CAROL) == (2, Standing.VERIFIED) == story.belongs(gina)
    assert (own[0]["state"], own[0]["name"]) == ("waiting", "Gina Rao")
    assert sorted(each["address"] for each in waiting) == [CAROL, gina]
    assert sorted(attested, key=lambda each: each["address"]) == [
        {"address": CAROL, "came": "attested"}, {"address": gina, "came": "attested"},
    ]  # fmt: skip
    assert story.run(CAROL, "lookup", gina)[0]["attested"]["title"] == "Registrar"
    story.run(ADMIN, "member", "revoke", "2", gina, "--yes", "--reason", "left")
    assert story.expected() == {CAROL, f"hugo@{DOMAIN}"}
    story.run(VERA, "member", "strike", "2", f"hugo@{DOMAIN}")
    assert story.expected() == {CAROL}
    story.run(ADMIN, "unit", "place", "1", CAROL, "--standing", "public", "--yes")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_somebody_on_no_list_claims_and_is_approved_or_refused(story) -> None:
    story.warranted()
    made = story.run(CAROL, "claim", "make", "--name", "Carol Das", "--title", "Clerk")
    elsewhere = relay(story.home(VERA), "claim", "refuse", "2", CAROL)
    story.run(ADMIN, "claim", "refuse", "1", CAROL, "--reason", "nobody knows her")
    refused = story.run(CAROL, "claim", "status")
    again = relay(story.home(CAROL), "claim", "make", "--name", "Carol the Great")

    assert (made[0]["state"], elsewhere.status, refused[0]["state"], again.status) == ("waiting", 77, "refused", 65)
    assert story.belongs(CAROL) == (0, Standing.PUBLIC)


ANOTHER_TIME = """
import sys, time
off_s, now_s = float(sys.argv.pop(1)), time.time
time.time = lambda: now_s() + off_s
from relayclient.cli.main import main
sys.exit(main())
"""


def with_a_clock_off(story: Story, off_s: int, *arguments: object) -> Ended:
    """Run vera's command line on a machine whose clock is off by so many seconds."""
    home = story.home(VERA)
    return run([sys.executable, "-c", ANOTHER_TIME, str(off_s), "--home", str(home), *map(str, arguments)], home.parent)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("off_s", [-DAY_MS // 1000, DAY_MS // 1000])
def test_a_clock_that_is_a_day_off_is_named_or_does_no_harm_and_nothing_is_half_done(story, off_s: int) -> None:
    story.warranted()
    path = sheet(story, f"address,name\n{CAROL},Carol Das\nhugo@{DOMAIN},Hugo\n".encode())

    ended = [
        with_a_clock_off(story, off_s, "member", "import", "2", path),
        with_a_clock_off(story, off_s, "member", "attest", "2", CAROL, "--name", "Carol Das"),
    ]

    if off_s < 0:
        assert [each.status for each in ended] == [0, 0], "the relay's time counts where it is later"
    else:
        assert [each.status for each in ended] == [65, 65]
        assert all(b"a clock is wrong" in each.err for each in ended)
        assert (story.expected(), story.belongs(CAROL)) == (set(), (0, Standing.PUBLIC))
        assert story.imported(path)[0].status == 0
        story.run(VERA, "member", "attest", "2", CAROL, "--name", "Carol Das")
    assert story.expected() == {CAROL, f"hugo@{DOMAIN}"}
    assert story.belongs(CAROL) == (2, Standing.VERIFIED)
    shown = with_a_clock_off(story, off_s, "member", "show", CAROL)
    assert (shown.status, b"Carol Das" in shown.out) == (0, True), "dated by the relay's time, whatever the machine's"
    story.run(ADMIN, "unit", "place", "1", CAROL, "--standing", "public", "--yes")
