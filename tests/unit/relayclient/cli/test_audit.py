"""relay audit."""

import json
import re
import stat

import pytest

from relayproto import audit
from relayproto.audit import Record
from relayproto.codes import Code, Kind
from relayproto.standing import ActState, Role, Standing
from support.registrar import NOW_MS, Registrar

HOUR_MS = 3_600_000


@pytest.fixture
def works(office):
    office.join("alice", "bob")
    bob = office.relay.addresses["bob@office.example"]
    office.relay.belongs[office.relay.addresses["alice@office.example"]] = (Standing.VERIFIED, 1)
    made = Registrar()
    made.write(*[
        Record(NOW_MS + n * HOUR_MS, 1, kind, bob if n % 2 else b"x" * 32, 1, Role.ORGANISATION_ADMIN, 1, object=n,
               whom=bob if n == 4 else b"", code=Code.CONFLICT if n == 3 else 0,
               state=0 if n == 3 else ActState.DONE, reason=f"reason {n}")
        for n, kind in enumerate([Kind.GRANT_ROLE, Kind.CREATE_UNIT, Kind.CLOSE_UNIT, Kind.PLACE_MEMBER,
                                  Kind.GRANT_ROLE, Kind.CREATE_UNIT], 1)
    ])  # fmt: skip
    made.sign(office.relay, 4)
    return made.install(office.relay)


def carry(office, one, path, torn=None):
    """Write a checkpoint as the unit that carries them does, after a line that a power cut tore."""
    said = {"relay": office.relay.root_fingerprint.hex(), "records": one.records, "head": one.head.hex(),
            "at_ms": one.at_ms, "key_id": one.key_id, "signature": one.signature.hex()}  # fmt: skip
    path.write_text("".join(f"{line}\n" for line in (torn, json.dumps(said)) if line is not None))


def numbers(ran):
    return [line["number"] for line in ran.lines]


def export(office, name="log.jsonl"):
    path = office.place / name
    ran = office.run("alice", "audit", "export", str(path))
    return ran, path


def test_the_newest_records_are_listed_oldest_first_with_addresses(office, works):
    ran = office.run("alice", "audit", "list", "--limit", "3")

    rows = ran.out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["4", "5", "6"]
    assert "bob@office.example" in rows[1]
    assert "organisation-admin/1" in rows[1]
    assert "reason 5" in rows[1]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--by", "bob@office.example"), [1, 3, 5]),
        (("--by", "78" * 32), [2, 4, 6]),
        (("--whom", "bob@office.example"), [4]),
        (("--verb", "grant-role"), [1, 5]),
        (("--about", "3"), [3]),
        (("--outcome", "denied"), [3]),
        (("--outcome", "done", "--verb", "close-unit"), []),
        (("--reason", "REASON 6"), [6]),
        (("--since", "2026-09-21T17:00"), [3, 4, 5, 6]),
        (("--until", "2026-09-21T17:00"), [1, 2]),
        (("--limit", "2"), [5, 6]),
        ((), [1, 2, 3, 4, 5, 6]),
    ],
)
def test_records_are_searched(office, works, arguments, found):
    ran = office.run("alice", "audit", "search", ".", *arguments, "--json")

    assert (ran.status, numbers(ran)) == (0, found)


def test_a_denial_is_listed_with_its_code(office, works):
    assert "denied CONFLICT" in office.run("alice", "audit", "search", "--outcome", "denied").out


def test_hidden_records_are_passed_over(office, works):
    log = works.log
    works.rows = [(1, log[0]), (2, audit.hidden([audit.digest(each) for each in log[1:5]])), (6, log[5])]

    assert numbers(office.run("alice", "audit", "list", "--json")) == [1, 6]


def test_an_export_is_private_whole_and_verified(office, works):
    ran, path = export(office)
    verified = office.run("alice", "audit", "verify", str(path))
    [said] = office.run("alice", "audit", "verify", str(path), "--json").lines

    assert (ran.status, verified.status) == (0, 77)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (said["first"], said["last"], said["shown"], said["signed"], said["outside"]) == (1, 6, 6, 4, 4)
    assert said["whole"] is False
    assert "signed for all up to record 4" in verified.out
    assert "is in order: records 1 to 6" in verified.out
    assert "whole" not in ran.out + verified.out
    assert "nobody outside has signed for records 5 to 6" in ran.err
    assert "nobody outside has signed for records 5 to 6" in verified.err
    assert [path.name for path in office.place.glob("*.part")] == []


@pytest.mark.parametrize("hidden", [False, True])
def test_an_export_of_what_is_signed_is_whole(office, works, hidden):
    if hidden:
        works.rows = [(1, works.log[0]), (2, audit.hidden([audit.digest(each) for each in works.log[1:]]))]
    path = office.place / "signed.jsonl"
    ran = office.run("alice", "audit", "export", str(path), "--signed")
    verified = office.run("alice", "audit", "verify", str(path))

    assert (ran.status, verified.status) == (0, 0)
    assert "is whole: records 1 to 4" in verified.out
    assert "nobody outside" not in ran.err + verified.err


def test_nothing_signed_is_an_export_without_records(office, works):
    works.checkpoints.clear()
    path = office.place / "signed.jsonl"
    ran = office.run("alice", "audit", "export", str(path), "--signed")
    verified = office.run("alice", "audit", "verify", str(path))

    assert (ran.status, verified.status) == (0, 77)
    assert "it has no records" in verified.err


def test_a_file_does_not_vouch_for_itself_the_second_time_either(office, works):
    _, path = export(office)
    office.join("carol")

    statuses = [office.run("carol", "audit", "verify", str(path)).status for _ in range(2)]

    assert statuses == [77, 77]


def test_an_export_is_verified_where_no_device_is(office, works):
    _, path = export(office)
    carried = office.place / "checkpoints.jsonl"
    carry(office, works.sign(office.relay), carried)

    alone = office.run("nobody", "audit", "verify", str(path))
    named = office.run("nobody", "audit", "verify", str(path), "--relay", office.relay.root_fingerprint.hex())
    other = office.run("nobody", "audit", "verify", str(path), "--relay", "00" * 32)

    held = office.run("nobody", "audit", "verify", str(path), "--relay", office.relay.root_fingerprint.hex(),
                      "--checkpoints", str(carried))  # fmt: skip

    assert (alone.status, named.status, held.status, other.status) == (78, 77, 0, 65)
    assert "--relay" in alone.err
    assert office.run("nobody", "audit", "verify", str(path), "--relay", "zz").status == 2


def test_a_harmed_export_is_told_with_the_record_and_the_reason(office, works):
    _, path = export(office)
    lines = path.read_text().splitlines(keepends=True)
    del lines[3]
    path.write_text("".join(lines))

    ran = office.run("alice", "audit", "verify", str(path))

    assert ran.status == 65
    assert "record 2: missing or out of order" in ran.err


def test_a_device_remembers_how_far_the_relay_had_signed(office, works):
    _, old = export(office, "old.jsonl")
    works.sign(office.relay)
    export(office, "new.jsonl")
    shorter = office.place / "shorter.jsonl"
    works.log, works.checkpoints = works.log[:5], works.checkpoints[:1]

    again = office.run("alice", "audit", "export", str(shorter))

    assert again.status == 65
    assert "record 6: missing: the relay had signed for 6 records" in again.err
    assert office.run("alice", "audit", "verify", str(old)).status == 0


def test_checkpoints_that_were_carried_outside_are_held_against_it(office, works):
    _, path = export(office)
    other = Registrar(log=[*works.log[:1], *works.log[2:], works.log[1]])
    carried = office.place / "checkpoints-2026-09.jsonl"
    carry(office, works.sign(office.relay, 6), carried, torn='{"relay":"')
    agreeing = office.run("alice", "audit", "verify", str(path), "--checkpoints", str(carried))
    carry(office, other.sign(office.relay, 5), carried)
    contradicting = office.run("alice", "audit", "verify", str(path), "--checkpoints", str(carried))

    assert agreeing.status == 0
    assert "passed over, since they are no checkpoints: lines 1" in agreeing.err
    assert "signed for all up to record 6" in agreeing.out
    assert contradicting.status == 65
    assert "checkpoint says otherwise" in contradicting.err


def test_a_log_whose_beginning_is_gone_is_exported_from_a_checkpoint_on(office, works):
    log = works.log
    works.rows = list(enumerate(log, 1))[2:]

    ran, path = export(office)
    [said] = office.run("alice", "audit", "verify", str(path), "--json").lines

    assert ran.status == 0
    assert (said["first"], said["last"]) == (5, 6)
    works.checkpoints.clear()
    none, _ = export(office, "none.jsonl")
    assert none.status == 65


def test_a_relay_that_leaves_records_out_is_found_while_exporting(office, works):
    works.rows = [row for row in enumerate(works.log, 1) if row[0] != 3]

    ran, path = export(office)

    assert ran.status == 65
    assert "record 3: missing" in ran.err
    assert not path.exists()


def test_a_file_that_cannot_be_written_or_read_is_told(office, works):
    unwritten = office.run("alice", "audit", "export", str(office.place / "none" / "log"))
    assert unwritten.status == 73
    assert "cannot be written" in unwritten.err
    assert office.run("alice", "audit", "verify", str(office.place / "none")).status == 66
    (office.place / "bytes").write_bytes(b"\xff\xfe")
    assert office.run("alice", "audit", "verify", str(office.place / "bytes")).status == 65


def test_only_verbs_that_can_be_in_the_log_are_searched_for(office, works):
    ran = office.run("alice", "audit", "search", "--verb", "nonsense")

    assert ran.status == 2
    # Up to Python 3.11 each choice has quotes.
    choices = set(re.findall(r"[a-z-]+", ran.err.partition("choose from")[2]))
    assert {"grant-role", "kick"} <= choices
    assert not choices & {"ping", "welcome", "submit", "hello", "get-status"}
