"""Officers who act: signed acts through the relay's own pipeline, on a real SQLite file without its threads."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from relayd.domain.acting import Denied
from relayd.domain.lookalikes import look
from relayd.domain.mailbox import Quota
from relayd.domain.refusals import Refusal
from relayd.domain.seat import Seat
from relayd.store import acts as store_acts
from relayd.store import logins, questions
from relayd.store.authority import View
from relayd.store.marks import Marks
from relayd.store.works import Verb, Works
from relayproto import acts, audit
from relayproto.acts import Instruction
from relayproto.administration import Change, GetProposals, Question
from relayproto.administration_replies import Acted, Proposal
from relayproto.audit import Record
from relayproto.codes import Code
from relayproto.commands import Act
from relayproto.ids import Address, UnitId
from relayproto.primitives import x25519_public
from relayproto.standing import PLATFORM, ProposalState, Role, Standing, UnitState
from support.clocks import HandClock
from support.inline_store import PLACE, Cut, InlineStore, founded
from support.stores import MASTER_KEY, Guest, hello_of

RELAY = hashlib.sha256(b"the relay's root").digest()
MINUTE_MS = 60_000
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


def instruction(officer: Guest, change: Change, now_ms: int, **changes: Any) -> Instruction:
    """Return an act of an officer's first device, its number being the time, unless another is given."""
    fields = {
        "relay": RELAY, "account": officer.account, "device": 1, "number": 0, "issued_ms": now_ms,
        "expires_ms": now_ms + 5 * MINUTE_MS, "reason": "as decided", "rehearsal": False, "change": change,
    } | changes  # fmt: skip
    if not fields["number"]:
        fields["number"] = officer.next_submission
        officer.next_submission += 1
    return Instruction(**fields)


def signed(officer: Guest, act: Instruction, sign_seed: bytes | None = None) -> Act:
    octets = acts.encode(act)
    return Act(octets, acts.signature_of(sign_seed or officer.keys[act.device][1], octets))


@dataclass
class Chamber:
    """A store with three officers (alice, bob and carol), and whoever else is needed without devices."""

    store: InlineStore
    clock: HandClock
    alice: Guest
    bob: Guest
    carol: Guest
    known: dict[str, bytes] = field(default_factory=dict)

    @property
    def db(self):
        return self.store.db

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    @property
    def view(self) -> View:
        return View(self.db, self.now_ms)

    # --- how things are ---

    def unit(self, number: int, under: int = PLATFORM, state: UnitState = UnitState.ACTIVE) -> UnitId:
        """Make a unit with this number; an organisation brings the domain ``uN.example``."""
        root = number if under == PLATFORM else self._organisation(under)
        self.db.execute(
            "INSERT INTO unit (id, under, organisation, name, state) VALUES (?, ?, ?, ?, ?)",
            (number, under, root, f"unit {number}", state),
        )
        if under == PLATFORM:
            self.db.execute(
                "INSERT INTO organisation (unit, root_key, form_hash, since_ms) VALUES (?, ?, zeroblob(32), 0)",
                (number, hashlib.sha256(b"root %d" % number).digest()),
            )
            self.db.execute("INSERT INTO domain (name, unit) VALUES (?, ?)", (f"u{number}.example", number))
        return UnitId(number)

    def _organisation(self, unit: int) -> int:
        return self.db.execute("SELECT organisation FROM unit WHERE id = ?", (unit,)).fetchone()[0]

    def person(self, address: str, unit: int = PLATFORM, standing: Standing = Standing.PUBLIC) -> bytes:
        """Make an account without devices and return its id."""
        if address not in self.known:
            self.known[address] = hashlib.sha256(address.encode()).digest()
            self.db.execute(
                "INSERT INTO account (account, address, look, unit, standing, list_version, highest_device, devices,"
                " signature) VALUES (?, ?, ?, ?, ?, 1, 1, x'', x'')",
                (self.known[address], address, look(Address(address)), unit, standing),
            )
        return self.known[address]

    def place(self, who: Guest, unit: int, standing: Standing = Standing.VERIFIED) -> None:
        self.db.execute("UPDATE account SET unit = ?, standing = ? WHERE account = ?", (unit, standing, who.account))

    def hold(self, account: bytes, role: Role, unit: int = PLATFORM, until_ms: int = 0) -> None:
        """Let an account hold a role, as if it had been granted."""
        self.db.execute(
            "INSERT INTO held_role (unit, account, role, until_ms)"
            " VALUES (?, (SELECT id FROM account WHERE account = ?), ?, ?)",
            (unit, account, role, until_ms or self.now_ms + YEAR_MS),
        )

    def drop(self, account: bytes) -> None:
        """Take all roles from an account."""
        self.db.execute("DELETE FROM held_role WHERE account = (SELECT id FROM account WHERE account = ?)", (account,))

    def held(self, account: bytes) -> set[tuple[int, int]]:
        """Return the roles that an account holds, and over what."""
        return set(
            self.db.execute(
                "SELECT role, held_role.unit FROM held_role JOIN account ON account.id = held_role.account"
                " WHERE account.account = ? AND until_ms > ?",
                (account, self.now_ms),
            ).fetchall()
        )

    def number(self, who: Guest) -> int:
        """Return the number of an account's newest act."""
        return self.db.execute("SELECT act FROM account WHERE account = ?", (who.account,)).fetchone()[0]

    def dump(self, *, without: tuple[str, ...] = ()) -> list[str]:
        """Return the whole database as statements, but for some tables."""
        names = tuple(f'INSERT INTO "{table}"' for table in without)
        return [line for line in self.db.iterdump() if not line.startswith(names or "\0")]

    # --- acts ---

    def login(self, who: Guest, device: int = 1) -> Seat:
        key = x25519_public(who.keys[device][0])
        who.seats[device] = self.store.act(partial(logins.login, hello=hello_of(who, device), static_key=key)).seat
        return who.seats[device]

    def act(self, who: Guest, change: Change, *proven: str, **changes: Any) -> Acted | Code:
        """Perform an act; a denial is its code."""
        command = signed(who, instruction(who, change, self.now_ms, **changes))
        return self.perform(who, command, *proven, device=changes.get("device", 1))

    def perform(self, who: Guest, command: Act, *proven: str, device: int = 1) -> Acted | Code:
        done = self.store.act(self._verb(who.seats[device], command, frozenset(proven)))
        if isinstance(done, Exception):
            raise done
        return done

    def fails(self, who: Guest, command: Act, at: int, *proven: str) -> bool:
        """Let statement number ``at`` of the commit of an act fail; False where it has not so many, and is done."""
        verb = Verb(self._verb(who.seat, command, frozenset(proven)), None)
        try:
            self.store.commit(Works([], [], [verb]), fail_at=at)
        except Cut:
            return True
        return False

    def tried(self, who: Guest, change: Change, *proven: str, **changes: Any) -> Acted | Code:
        """Perform an act for real, and take the whole of it back."""
        command = signed(who, instruction(who, change, self.now_ms, **changes))
        came: list[Acted | Code] = []

        def verb(commit):
            came.append(self._verb(who.seat, command, frozenset(proven))(commit))
            raise Refusal(Code.BUSY)

        self.store.act(verb)
        return came[0]

    def _verb(self, seat: Seat, command: Act, proven: frozenset[str]):
        return lambda commit: store_acts.perform(commit, seat, command, RELAY, proven)

    def ask(self, account: bytes, question: Question) -> Any:
        """Answer a question; a denial is its code."""
        try:
            return questions.answer(self.view, account, question, Marks(MASTER_KEY))
        except Denied as denied:
            return denied.code

    def proposal(self, number: int) -> tuple[ProposalState, bytes]:
        """Return a proposal's state and digest."""
        state, digest = self.db.execute("SELECT state, digest FROM proposal WHERE id = ?", (number,)).fetchone()
        return ProposalState(state), digest

    def proposals(self, account: bytes, unit: int) -> tuple[Proposal, ...]:
        return self.ask(account, GetProposals(unit, 0, 100)).proposals

    def sweep(self, seconds: float = 0.0) -> None:
        """Let time go by and end what is over."""
        self.clock.advance(seconds)
        self.store.act(store_acts.sweep)

    # --- the log ---

    def records(self) -> list[Record]:
        return [audit.decode(octets) for (octets,) in self.db.execute("SELECT record FROM audit ORDER BY id")]

    def last(self) -> Record:
        return self.records()[-1]

    def broken_log(self) -> None:
        """Let nothing be written to the audit log any more."""
        self.db.execute("CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")

    def mended_log(self) -> None:
        self.db.execute("DROP TRIGGER broken")


@contextlib.contextmanager
def chamber() -> Iterator[Chamber]:
    """Open a store in memory with three people in it, all logged in."""
    files, (alice, bob, carol) = founded(*[(f"{name}@gad.example", 2) for name in ("alice", "bob", "carol")])
    with tempfile.TemporaryDirectory(dir=PLACE) as directory:
        for name, octets in files.items():
            Path(directory, name).write_bytes(octets)
        clock = HandClock()
        store = InlineStore(Path(directory), clock, Quota(messages=20, octets=1 << 16, reopen_percent=80))
        people = [Guest(one.name, one.identity_seed, one.devices, dict(one.keys)) for one in (alice, bob, carol)]
        made = Chamber(store, clock, *people)
        try:
            for one in people:
                made.login(one)
            yield made
        finally:
            store.close()
