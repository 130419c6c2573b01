"""Organisations on a real SQLite file, and officers whose changes are tried, each by its verb alone."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from relayd.domain.acting import Denied, Effect
from relayd.domain.lookalikes import look
from relayd.store import authority
from relayd.store.commit import Commit
from relayd.store.database import connect
from relayd.store.residents import Residents
from relayd.store.verbs import VERBS
from relayproto import descriptor, rootkeys
from relayproto.administration import CreateOrganisation
from relayproto.codes import Code
from relayproto.ids import Address
from relayproto.primitives import ed25519_public
from relayproto.standing import PLATFORM, Role, Standing

NOW_MS = 1_790_000_000_000
YEAR_MS = 365 * 86_400_000
OPERATOR = "operator@relay.example"
RELAY = descriptor.fingerprint(b"")
"""The relay that root keys sign for where a store was told of no offline root."""


def seed_of(domain: str) -> bytes:
    """Return the root seed of the organisation that brings a domain along."""
    return hashlib.sha256(domain.encode()).digest()


def other_key(domain: str) -> dict[str, bytes]:
    """Return the fields of another root key for a domain."""
    seed = seed_of(f"another of {domain}")
    return {"root_key": ed25519_public(seed), "owned": rootkeys.sign_domain(seed, RELAY, domain)}


def founding(name: str, domain: str, admin: bytes, /, **changes: Any) -> CreateOrganisation:
    """Return what lets an organisation in, rightly signed."""
    fields = {
        "name": name, "domain": domain, "root_key": ed25519_public(seed_of(domain)),
        "owned": rootkeys.sign_domain(seed_of(domain), RELAY, domain), "form_hash": b"f" * 32, "admin": admin,
        "until_ms": NOW_MS + YEAR_MS,
    } | changes  # fmt: skip
    return CreateOrganisation(**fields)


def tables(commit: Commit) -> list[str]:
    """Return all that a store holds, as statements."""
    return list(commit.db.iterdump())


def tried(commit: Commit, account: bytes, change: Any, *proven: str) -> Effect | Code:
    """Do a change by its verb; a denial is its code, and has changed nothing."""
    actor = authority.actor(commit, account, frozenset(proven))
    assert actor is not None
    before, writes = tables(commit), commit.db.total_changes
    try:
        return VERBS[change.KIND](commit, actor, change)
    except Denied as denied:
        assert commit.db.total_changes == writes
        assert tables(commit) == before
        return denied.code


@dataclass
class Registry:
    """A store without its threads: people, organisations and what is tried on them."""

    commit: Commit
    known: dict[str, bytes] = field(default_factory=dict)

    @property
    def db(self) -> Any:
        return self.commit.db

    def person(self, address: str, unit: int = PLATFORM, standing: Standing = Standing.PUBLIC) -> bytes:
        """Make an account and return its id; the same address is the same account."""
        if address not in self.known:
            self.known[address] = hashlib.sha256(address.encode()).digest()
            self.db.execute(
                "INSERT INTO account (account, address, look, unit, standing, list_version, highest_device, devices,"
                " signature) VALUES (?, ?, ?, ?, ?, 1, 1, x'', x'')",
                (self.known[address], address, look(Address(address)), unit, standing),
            )
        return self.known[address]

    def come(self, account: bytes, unit: int, standing: Standing) -> None:
        """Let an account belong to a unit, as if it had come by a ticket."""
        self.db.execute("UPDATE account SET unit = ?, standing = ? WHERE account = ?", (unit, standing, account))

    def row(self, account: bytes) -> int:
        return self.db.execute("SELECT id FROM account WHERE account = ?", (account,)).fetchone()[0]

    def belongs(self, account: bytes) -> tuple[int, int]:
        """Return an account's unit and standing."""
        return self.db.execute("SELECT unit, standing FROM account WHERE account = ?", (account,)).fetchone()

    def hold(self, account: bytes, role: Role, unit: int = PLATFORM, until_ms: int = NOW_MS + YEAR_MS) -> None:
        """Let an account hold a role, as if it had been granted."""
        self.db.execute(
            "INSERT INTO held_role (unit, account, role, until_ms) VALUES (?, ?, ?, ?)",
            (unit, self.row(account), role, until_ms),
        )

    def held(self, account: bytes) -> set[tuple[int, int]]:
        """Return the roles that an account holds, and over what."""
        return set(
            self.db.execute("SELECT role, unit FROM held_role WHERE account = ?", (self.row(account),)).fetchall()
        )

    def do(self, account: bytes, change: Any, *proven: str) -> Effect | Code:
        return tried(self.commit, account, change, *proven)

    def done(self, account: bytes, change: Any, *proven: str) -> Effect:
        """Do a change that nothing speaks against."""
        effect = self.do(account, change, *proven)
        assert isinstance(effect, Effect), effect
        return effect

    def operator(self) -> bytes:
        """Return the platform's operator."""
        if OPERATOR not in self.known:
            self.hold(self.person(OPERATOR), Role.PLATFORM_OPERATOR)
        return self.known[OPERATOR]

    def organisation(self, domain: str = "gad.example") -> tuple[int, bytes]:
        """Let an organisation in and return it, and its admin ``admin@domain``."""
        admin = self.person(f"admin@{domain}")
        return self.done(self.operator(), founding(domain, domain, admin), domain).value, admin


@contextlib.contextmanager
def registry(directory: Path) -> Iterator[Registry]:
    """Open a store's file, with its schema, and close it in the end."""
    with contextlib.closing(connect(directory / "relay.db", autocheckpoint_pages=1000)) as db:
        tools: Any = SimpleNamespace(residents=Residents(), entropy=os.urandom, root_key=b"")
        yield Registry(Commit(db, tools, NOW_MS, disk_tight=False))
