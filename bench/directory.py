"""What the directory costs a relay with many organisations: ``python bench/directory.py``.

A database of 100,000 accounts in 500 organisations is written row by row, every officer of them attested; of those who
are asked about each signature is real, of the others as long. Timed are look-ups on the store's own objects, in
processor time; look-ups of a real relay by devices on loopback, in the relay's processor time and in round trips; and
what a client does to check what it was told. JSON lines go to standard output.
"""

import argparse
import contextlib
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import machine
from asking import Asking
from people import DEVICE, Person, born
from policy import OFFICERS, UNITS_EACH, account, fill
from relay import Relay

from relayd.store.authority import View
from relayd.store.contacts import Passes
from relayd.store.database import connect
from relayd.store.lookups import Asking as Asked
from relayd.store.lookups import account_of, devices_of
from relayd.store.marks import Marks
from relayd.store.publicrecords import get
from relayproto import attestation, descriptor, organisation, policy
from relayproto.attestation import Attestation, Proof, Statement, Warrant
from relayproto.codes import Kind
from relayproto.commands import GetDevices, Lookup
from relayproto.ids import AccountId, Address, UnitId
from relayproto.limits import PAGE_ROWS_MAX
from relayproto.message import Message
from relayproto.people import GetPeople, People
from relayproto.primitives import blake2b_256, ed25519_public, x25519_public
from relayproto.replies import Account, Devices
from relayproto.standing import Action, Field, Permission, Standing
from relayproto.verification import GetOrganisation

if TYPE_CHECKING:
    from relayproto.organisation import PublicRecord

ROUNDS = 5
CHECKED = 2_000
SIGNED = CHECKED * ROUNDS
LOOKED_UP = 10_000
ASKERS = 200
CACHE_KIB = 500_000
"""The whole database stays in memory until it is written."""
PAGES, SEARCHES = 1_000, 400
DAY_MS = 86_400_000
_SEED = b"root of %d"


class Known(NamedTuple):
    """What a benchmark asks about."""

    officers: list[int]
    relay: bytes
    askers: list[Person]


def _root_seed(root: int) -> bytes:
    return blake2b_256(_SEED % root)


def _verifier_seed(root: int) -> bytes:
    return blake2b_256(b"verifier of %d" % root)


def attest(db: sqlite3.Connection, relay: bytes, now_ms: int, signed: set[int]) -> None:
    """Give each organisation a root key and a warrant, and attest all its officers; some of them with signatures."""
    warrants: dict[int, tuple[bytes, bytes, bytes]] = {}
    for (root,) in db.execute("SELECT unit FROM organisation").fetchall():
        seed, key = _root_seed(root), ed25519_public(_verifier_seed(root))
        serial = blake2b_256(b"warrant %d" % root)[:16]
        said = Warrant(serial, root, root, AccountId(b"V" * 32), key, now_ms - DAY_MS, now_ms + 300 * DAY_MS)
        octets = attestation.encode_warrant(said)
        warrants[root] = serial, octets, attestation.sign_warrant(seed, relay, octets)
        db.execute("UPDATE organisation SET root_key = ? WHERE unit = ?", (ed25519_public(seed), root))
        db.execute("INSERT INTO warrant VALUES (?, ?, ?, ?, ?)", (serial, root, said.expires_ms, *warrants[root][1:]))
    found = db.execute(
        "SELECT account.id, account, address, unit, organisation FROM account JOIN unit ON unit.id = account.unit"
        " WHERE standing = ?",
        (Standing.VERIFIED,),
    ).fetchall()
    for row, who, address, unit, root in found:
        serial, warrant, warranted = warrants[root]
        seed, own = _verifier_seed(root), blake2b_256(b"attestation %d" % row)[:16]
        said_of = Attestation(
            own, serial, blake2b_256(ed25519_public(_root_seed(root))), root, who, Standing.VERIFIED,
            now_ms, now_ms + 80 * DAY_MS,
        )  # fmt: skip
        octets = attestation.encode(said_of)
        texts = {Field.NAME: f"Officer {row}", Field.TITLE: "Registrar", Field.UNIT: str(unit), Field.ADDRESS: address}
        if row in signed:
            signature = attestation.sign_attestation(seed, relay, octets)
            stated = attestation.state(seed, relay, own, texts)
        else:
            signature = bytes(64)
            stated = tuple(Statement(each, texts[each], signature) for each in sorted(texts))
        proof = Proof(octets, signature, warrant, warranted, stated)
        db.execute(
            "INSERT INTO attestation (account, serial, warrant, expires_ms, proof) VALUES (?, ?, ?, ?, ?)",
            (row, own, serial, said_of.expires_ms, attestation.encode_proof(proof)),
        )


def _root_of(number: int, units: int) -> UnitId:
    """Return the organisation of an asker."""
    return UnitId(1 + number * UNITS_EACH % units)


def let_in(db: sqlite3.Connection, accounts: int, units: int) -> list[Person]:
    """Give some officers, one of as many organisations, keys with which their devices can log in."""
    people = []
    for number in range(ASKERS):
        person = born()
        row, unit = accounts + 1 + number, _root_of(number, units)
        db.execute(
            "INSERT INTO account (id, account, address, look, list_version, highest_device, devices, signature,"
            " standing, unit) VALUES (?1, ?2, ?3, ?3, 1, 1, x'', x'', ?4, ?5)",
            (row, person.account, f"asker{number}@o{unit}.example", Standing.VERIFIED, unit),
        )
        db.execute(
            "INSERT INTO device (id, account, device, dh_key, sign_key) VALUES (?, ?, ?, ?, ?)",
            (row, row, DEVICE, x25519_public(person.dh_private), ed25519_public(person.sign_seed)),
        )
        db.execute("INSERT INTO mailbox VALUES (?, 9, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0)", (row,))
        db.execute("INSERT INTO ledger VALUES (?, 0, 9, 0)", (row,))
        people.append(person)
    return people


def populated(relay: Relay, options: argparse.Namespace) -> Known:
    """Write everybody into the database of a relay that does not run."""
    root = descriptor.fingerprint((relay.state / "root.pub").read_bytes())
    with contextlib.closing(connect(relay.state / "relay.db", autocheckpoint_pages=1_000)) as db:
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute("BEGIN")
        fill(db, options.accounts, options.organisations)
        for unit, table in db.execute("SELECT id, policy FROM unit WHERE policy IS NOT NULL").fetchall():
            allowing = bytearray(table)
            allowing[policy.cell(Standing.VERIFIED, Standing.VERIFIED, Action.LOOKUP)] = Permission.ALLOW
            db.execute("UPDATE unit SET policy = ? WHERE id = ?", (bytes(allowing), unit))
        # Addresses of the organisations' own domains, and device lists of the size of signed ones; nobody opens them.
        db.execute(
            "UPDATE account SET devices = zeroblob(220), signature = zeroblob(64), address = CASE unit WHEN 0"
            " THEN address ELSE 'a' || id || '@' || (SELECT domain.name FROM unit JOIN domain"
            " ON domain.unit = unit.organisation WHERE unit.id = account.unit) END"
        )
        officers = random.Random(2).sample(range(1, int(options.accounts * OFFICERS)), SIGNED)
        attest(db, root, time.time_ns() // 1_000_000, set(officers))
        askers = let_in(db, options.accounts, options.organisations * UNITS_EACH)
        db.commit()
    return Known(officers, root, askers)


def us_each(act: Callable[[], int]) -> dict[str, float]:
    """Return the median and the worst of some rounds: microseconds of processor time for each of what is done."""
    took = []
    for _ in range(ROUNDS):
        begun = time.thread_time()
        done = act()
        took.append((time.thread_time() - begun) / done * 1e6)
    took.sort()
    return {"us": round(took[ROUNDS // 2], 1), "worst_us": round(took[-1], 1)}


def address_of(db: sqlite3.Connection, row: int) -> Address:
    """Return the address of an account."""
    return Address(db.execute("SELECT address FROM account WHERE id = ?", (row,)).fetchone()[0])


def of_the_store(relay: Relay, known: Known) -> Iterator[dict[str, Any]]:
    """Yield what a look-up costs the store's reader, each time of another account."""
    chance, key = random.Random(3), bytes(32)
    with contextlib.closing(connect(relay.state / "relay.db", autocheckpoint_pages=1_000)) as db:
        asking = Asked(known.askers[0].account, b"", Marks(key), Passes(key), time.time_ns() // 1_000_000)
        rows = chance.sample(known.officers, SIGNED)
        addresses = [address_of(db, row) for row in rows]
        turn = iter(range(10 * ROUNDS))

        def some(of: list[Any], one: Callable[[Any], object]) -> int:
            begin = next(turn) % ROUNDS * CHECKED
            for each in of[begin : begin + CHECKED]:
                one(each)
            return CHECKED

        cases = {
            "a look-up by address": lambda: some(addresses, lambda each: account_of(db, asking, each)),
            "a look-up by account": lambda: some(rows, lambda row: devices_of(db, asking, AccountId(account(row)))),
        }
        for what, act in cases.items():
            yield {"case": "store", "what": what, **us_each(act)}


def of_clients(relay: Relay, known: Known) -> Iterator[dict[str, Any]]:
    """Yield what a client pays to check an attestation that came with an answer."""
    chance, now_ms = random.Random(4), time.time_ns() // 1_000_000
    told: list[tuple[AccountId, bytes, PublicRecord]] = []
    with contextlib.closing(connect(relay.state / "relay.db", autocheckpoint_pages=1_000)) as db:
        for row in chance.sample(known.officers, CHECKED):
            proof, root = db.execute(
                "SELECT proof, organisation FROM attestation JOIN account ON account.id = attestation.account"
                " JOIN unit ON unit.id = account.unit WHERE account.id = ?",
                (row,),
            ).fetchone()
            said = get(View(db, now_ms), GetOrganisation(UnitId(root)))
            told.append((AccountId(account(row)), proof, organisation.decode(said.record, known.relay)))

    def checked() -> int:
        for who, proof, record in told:
            attestation.check(attestation.decode_proof(proof), known.relay, record, who, now_ms)
        return len(told)

    yield {
        "case": "client", "what": "an attestation with four statements, decoded and checked",
        "proof_bytes": round(statistics.mean(len(proof) for _, proof, _ in told)), **us_each(checked),
    }  # fmt: skip


class Question(NamedTuple):
    """What is asked how often; ``said`` is made of the number of who asks and of an officer's row."""

    what: str
    times: int
    said: Callable[[int, int], Message]
    good: Callable[[Message], bool]


def of_the_relay(relay: Relay, known: Known, asked: list[Question]) -> Iterator[dict[str, Any]]:
    """Yield what questions take of a real relay: its processor time, and the time until the answer is there."""
    chance = random.Random(5)
    lines = [Asking(relay.place, person) for person in known.askers]
    for what, answers, said, good in asked:
        took = []
        before = machine.process_cpu_s(relay.pid)
        for turn in range(answers):
            asker = turn % ASKERS
            answer, seconds = lines[asker].ask(said(asker, chance.choice(known.officers)))
            if not good(answer):
                raise RuntimeError(f"{what}: {Kind(answer.KIND).name} {answer.fields()}")
            took.append(seconds)
        spent = machine.process_cpu_s(relay.pid) - before
        cuts = statistics.quantiles(took, n=100)
        yield {
            "case": "relay", "what": what, "answers": answers, "relay_us_each": round(spent / answers * 1e6, 1),
            "round_trip_us": {name: round(cuts[at] * 1e6) for name, at in (("p50", 49), ("p90", 89), ("p99", 98))},
        }  # fmt: skip
    for line in lines:
        line.close()


def proven(answer: Message) -> bool:
    """Say whether an answer came with what is attested."""
    return isinstance(answer, Account | Devices) and answer.proof != b""


def questions(addresses: dict[int, Address], units: int) -> list[Question]:
    """Return what is asked; each account's rates allow it."""
    return [
        Question("LOOKUP", LOOKED_UP, lambda _, row: Lookup(addresses[row]), proven),
        Question("GET_DEVICES", LOOKED_UP, lambda _, row: GetDevices(AccountId(account(row))), proven),
        Question(
            "GET_PEOPLE, a page of the organisation's officers", PAGES,
            lambda asker, _: GetPeople(_root_of(asker, units), "", b"", PAGE_ROWS_MAX),
            lambda answer: isinstance(answer, People) and len(answer.people) > 0,
        ),
        Question(
            "GET_PEOPLE, a search of the organisation that finds nobody", SEARCHES,
            lambda asker, _: GetPeople(_root_of(asker, units), "nobody is called that", b"", PAGE_ROWS_MAX),
            lambda answer: isinstance(answer, People) and not answer.people,
        ),
    ]  # fmt: skip


def main() -> None:
    """Write, measure and print."""
    parser = argparse.ArgumentParser(description="Measure what the directory costs a relay with many organisations.")
    parser.add_argument("--accounts", type=int, default=100_000, help="accounts (100000)")
    parser.add_argument("--organisations", type=int, default=500, help="organisations (500)")
    parser.add_argument("--directory", type=Path, help="where the relay's state is made (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relayd-bench-", dir=options.directory) as directory:
        sizes = {"accounts": options.accounts, "organisations": options.organisations}
        print(json.dumps({"case": "machine", **machine.describe(Path(directory)), **sizes}), flush=True)
        cores = sorted(os.sched_getaffinity(0))
        relay = Relay(Path(directory) / "state", cores[0])
        relay.start()
        relay.stop()
        begun = time.perf_counter()
        known = populated(relay, options)
        filled = round(time.perf_counter() - begun, 1)
        print(json.dumps({"case": "filled", "seconds": filled, "signed": len(known.officers)}), flush=True)
        with contextlib.closing(connect(relay.state / "relay.db", autocheckpoint_pages=1_000)) as db:
            addresses = {row: address_of(db, row) for row in known.officers}
        for results in (of_the_store, of_clients):
            for result in results(relay, known):
                print(json.dumps(result), flush=True)
        asked = questions(addresses, options.organisations * UNITS_EACH)
        os.sched_setaffinity(0, {cores[-1]})
        relay.start()
        try:
            for result in of_the_relay(relay, known, asked):
                print(json.dumps(result), flush=True)
        finally:
            relay.stop()


if __name__ == "__main__":
    sys.exit(main())
