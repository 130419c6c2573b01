"""The organisations of a scripted relay: what officers' questions find there, and the acts that came.

``outcome`` is what acts come to; the real rules are tested in tests/unit/relayd.
"""

from dataclasses import dataclass, field

from relayproto import acts, audit
from relayproto.acts import Instruction
from relayproto.administration import (
    Change,
    GetAudit,
    GetCheckpoints,
    GetDocument,
    GetProposals,
    GetRoles,
    GetUnits,
    PutDocument,
)
from relayproto.administration_replies import (
    Acted,
    Audit,
    Checkpoint,
    Checkpoints,
    Document,
    Grant,
    Proposal,
    Proposals,
    Roles,
    Unit,
    Units,
)
from relayproto.audit import FIRST_HASH, Record
from relayproto.commands import Act
from relayproto.message import Message
from relayproto.replies import Refused
from relayproto.rosters import Claimant, Claims, Expected, GetClaims, GetRoster, Roster
from relayproto.standing import ActState, UnitState
from support.changed import replace
from support.scripted_relay import ScriptedRelay

NOW_MS = 1_790_000_000_000
DONE = Acted(ActState.DONE, 5, 0, b"")


def unit(number: int, under: int, name: str, **fields: object) -> Unit:
    return replace(Unit(number, under, name, UnitState.ACTIVE, "", b""), **fields)


@dataclass
class Registrar:
    """Put into a relay with ``install``."""

    units: list[Unit] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    documents: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    log: list[bytes] = field(default_factory=list)
    rows: list[tuple[int, bytes]] | None = None
    checkpoints: list[Checkpoint] = field(default_factory=list)
    acts: list[Instruction] = field(default_factory=list)
    claims: list[Claimant] = field(default_factory=list)
    lines: list[Expected] = field(default_factory=list)
    outcome: Acted | Refused = DONE

    def install(self, relay: ScriptedRelay) -> "Registrar":
        relay.script.update(
            {
                Act: self._act,
                GetUnits: self._units,
                GetRoles: lambda _, asked, __: Roles(*paged(self.grants, asked, lambda grant: grant.number)),
                GetProposals: lambda _, asked, __: Proposals(*paged(self.proposals, asked, lambda one: one.number)),
                GetClaims: lambda _, asked, __: Claims(*paged(self.claims, asked, lambda one: one.number)),
                GetRoster: lambda _, asked, __: Roster(*paged(self.lines, asked, lambda line: line.number)),
                GetDocument: self._document,
                GetAudit: lambda _, asked, __: Audit(*paged(self._rows(), asked, lambda row: row[0])),
                GetCheckpoints: lambda _, asked, __: Checkpoints(
                    *paged(self.checkpoints, asked, lambda one: one.records)
                ),
            }
        )
        return self

    @property
    def changes(self) -> list[Change]:
        return [act.change for act in self.acts]

    def _act(self, _: object, command: Act, __: int) -> Message:
        act = acts.decode(command.octets)
        self.acts.append(act)
        if isinstance(self.outcome, Refused):
            return self.outcome
        if act.rehearsal:
            return replace(self.outcome, state=ActState.REHEARSED)
        if isinstance(act.change, PutDocument) and self.outcome.state is ActState.DONE:
            self.documents.setdefault(act.change.unit, []).append((act.change.document, act.change.signature))
        return self.outcome

    def _units(self, _: object, asked: GetUnits, __: int) -> Message:
        below = [each for each in self.units if each.under == asked.unit]
        return Units(*paged(below, asked, lambda each: each.unit))

    def _document(self, _: object, asked: GetDocument, __: int) -> Message:
        held = self.documents.get(asked.unit, [])
        version = len(held) if asked.version is None else asked.version
        if not 0 < version <= len(held):
            return Document(asked.unit, 0, b"", b"")
        return Document(asked.unit, version, *held[version - 1])

    # --- the log ------------------------------------------------------------------------------
    def _rows(self) -> list[tuple[int, bytes]]:
        return list(enumerate(self.log, 1)) if self.rows is None else self.rows

    def write(self, *records: Record) -> None:
        self.log += [audit.encode(record) for record in records]

    def sign(self, relay: ScriptedRelay, records: int | None = None) -> Checkpoint:
        """Sign how far the log has come."""
        records = len(self.log) if records is None else records
        head = head_of(self.log[:records])
        root = relay.root_fingerprint
        signature = audit.sign_checkpoint(relay.stamp_seed, root, records, head, NOW_MS)
        self.checkpoints.append(Checkpoint(records, head, NOW_MS, relay.key_id, signature))
        return self.checkpoints[-1]


def head_of(log: list[bytes]) -> bytes:
    head = FIRST_HASH
    for record in log:
        head = audit.following(head, audit.digest(record))
    return head


def paged(rows, asked, number):
    """Return the rows of a page, and whether others follow."""
    left = [row for row in rows if number(row) > asked.after]
    return tuple(left[: asked.rows]), len(left) > asked.rows
