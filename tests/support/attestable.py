"""A department with a verifier whose key is warranted, and officers of whom something may be attested."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relayproto.administration import CreateUnit
from relayproto.attestation import Attestation, Warrant
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.standing import Field, Role, Standing
from relayproto.verification import Attest
from support import attesting
from support.attesting import DAY_MS, VERIFIER_SEED
from support.organisations import NOW_MS, Registry, registry, seed_of

DOMAIN = "gad.example"


@dataclass
class Department:
    """Organisation ``root`` with ``unit`` below it; ``vera`` verifies there and ``bob`` is invited."""

    desk: Registry
    root: int
    unit: int
    admin: bytes
    vera: bytes
    bob: bytes

    @property
    def root_seed(self) -> bytes:
        return seed_of(DOMAIN)

    def warrant(self, **changes: Any) -> Warrant:
        return attesting.warrant(
            **{"organisation": self.root, "unit": self.unit, "account": self.vera, "expires_ms": NOW_MS + 300 * DAY_MS}
            | changes
        )  # fmt: skip

    def attestation(self, **changes: Any) -> Attestation:
        fields = {"root": blake2b_256(ed25519_public(self.root_seed)), "organisation": self.root, "account": self.bob}
        return attesting.attested(**fields | changes)

    def attest(
        self, said: Attestation, *, unit: int | None = None, address: str = f"bob@{DOMAIN}",
        texts: Mapping[Field, str] | None = None, sign_seed: bytes = VERIFIER_SEED, **changes: Any,
    ) -> Attest:  # fmt: skip
        """Return the change that attests, of bob in the unit unless something else is said."""
        stated = {**attesting.TEXTS, Field.UNIT: str(unit or self.unit), Field.ADDRESS: address, **(texts or {})}
        return attesting.attest(said, sign_seed, texts=stated, **changes)

    def warranted(self, **changes: Any) -> None:
        """Let vera's device attest for the unit."""
        self.desk.done(self.admin, attesting.put_warrant(self.warrant(**changes), self.root_seed))

    def attested(
        self, *, unit: int | None = None, address: str = f"bob@{DOMAIN}", texts: Mapping[Field, str] | None = None,
        **changes: Any,
    ) -> None:  # fmt: skip
        """Attest what is attested of bob, unless something else is said."""
        change = self.attest(self.attestation(**changes), unit=unit, address=address, texts=texts)
        self.desk.done(self.vera, change)

    def device(self, account: bytes, sign_seed: bytes) -> None:
        """Let an account have a device with a key."""
        self.desk.db.execute(
            "INSERT INTO device (account, device, dh_key, sign_key) VALUES (?, 1, x'', ?)",
            (self.desk.row(account), ed25519_public(sign_seed)),
        )

    def standing(self, account: bytes) -> int:
        return self.desk.belongs(account)[1]


@contextlib.contextmanager
def department(directory: Path, *, warranted: bool = True) -> Iterator[Department]:
    """Open a store with the department."""
    with registry(directory) as desk:
        root, admin = desk.organisation(DOMAIN)
        unit = desk.done(admin, CreateUnit(root, "Records")).value
        vera = desk.person(f"vera@{DOMAIN}", unit, Standing.VERIFIED)
        bob = desk.person(f"bob@{DOMAIN}", unit, Standing.INVITED)
        desk.hold(vera, Role.VERIFIER, unit)
        made = Department(desk, root, unit, admin, vera, bob)
        made.device(vera, VERIFIER_SEED)
        if warranted:
            made.warranted()
        yield made
