"""Officers who act over real connections of a relay that runs as a process of its own."""

import contextlib
import itertools
import sqlite3
import time

from relayproto import acts
from relayproto.acts import Instruction
from relayproto.administration import Change, CreateUnit, GetRoles
from relayproto.administration_replies import Acted, Document, Roles
from relayproto.codes import Code
from relayproto.commands import Act
from relayproto.message import Message
from relayproto.primitives import ed25519_public
from relayproto.replies import Refused
from relayproto.standing import Role, Standing
from support.device import Line
from support.processes import RelayProcess
from support.visitors import Visitor

ROOT = 1
ROOT_SEED = b"k" * 32
"""The organisation's root key."""


class Session:
    """One open connection of an officer, who signs what he does."""

    def __init__(self, who: Visitor, line: Line, number: int) -> None:
        self.who = who
        self.line = line
        self.numbers = itertools.count(number + 1)

    @property
    def relay(self) -> bytes:
        """The fingerprint of the relay's root."""
        return self.who.invitation.root_fingerprint

    def act(self, change: Change, *, rehearsal: bool = False) -> Act:
        person = self.who.person
        now_ms = int(time.time() * 1000)
        act = Instruction(
            self.relay, person.account, person.device, next(self.numbers), now_ms, now_ms + 60_000,
            "a test", rehearsal, change,
        )  # fmt: skip
        octets = acts.encode(act)
        return Act(octets, acts.signature_of(person.sign_seed, octets))

    async def ask(self, command: Message) -> Message:
        """Say something and return its answer."""
        self.line.say(command)
        return await self.line.expect((Acted, Document, Roles, Refused))

    async def do(self, change: Change, *, rehearsal: bool = False) -> Message:
        """Make a change and return what it came to."""
        return await self.ask(self.act(change, rehearsal=rehearsal))

    async def may(self) -> bool:
        """Say whether this session has its right: by a change and by a question, which have to agree."""
        changed = await self.do(CreateUnit(ROOT, f"unit {time.monotonic_ns()}"))
        asked = await self.ask(GetRoles(ROOT, 0, 10))
        assert isinstance(changed, Acted | Refused)
        assert isinstance(asked, Roles | Refused)
        for answer in (changed, asked):
            assert isinstance(answer, Acted | Roles) or answer.code == Code.NOT_PERMITTED
        return isinstance(changed, Acted)


async def session(who: Visitor) -> Session:
    line, welcome = await who.login()
    return Session(who, line, welcome.act)


def found_an_organisation(
    relay: RelayProcess,
    admins: list[Visitor],
    people: tuple[Visitor, ...] = (),
    *,
    domain: str = "",
    everybody: bool = False,
) -> None:
    """Put an organisation with these admins and people into the database of a relay that does not run.

    ``domain`` is its mail domain, if it needs one; ``everybody`` of the relay belongs to it.
    """
    with contextlib.closing(sqlite3.connect(relay.state / "relay.db")) as db, db:
        db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (1, 0, 1, 'An organisation', 1)")
        db.execute("INSERT INTO organisation VALUES (1, ?, x'', 1)", (ed25519_public(ROOT_SEED),))
        if domain:
            db.execute("INSERT INTO domain VALUES (?, ?)", (domain, ROOT))
        if everybody:
            db.execute("UPDATE account SET unit = ?, standing = ?", (ROOT, Standing.VERIFIED))
        for person in (*admins, *people):
            db.execute(
                "UPDATE account SET unit = ?, standing = ? WHERE account = ?",
                (ROOT, Standing.VERIFIED, person.person.account),
            )
        for admin in admins:
            db.execute(
                "INSERT INTO held_role (unit, account, role, until_ms)"
                " SELECT ?, id, ?, ? FROM account WHERE account = ?",
                (ROOT, Role.ORGANISATION_ADMIN, int(time.time() * 1000) + 86_400_000, admin.person.account),
            )
