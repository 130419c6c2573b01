"""Something to say of every kind that the relay takes from a device, about somebody: for what must not depend on him.

The kinds come from the contract; a test fails on one that has no scenario here. A change is what an act does, so it is
signed before it is said.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

from relayproto import attestation, rootkeys
from relayproto.administration import (
    CHANGES,
    Approve,
    AssignOffice,
    CloseUnit,
    CreateUnit,
    GetAudit,
    GetCheckpoints,
    GetDocument,
    GetProposals,
    GetRoles,
    GetUnits,
    GrantRole,
    HandOver,
    InviteMember,
    MergeOrganisation,
    MoveUnit,
    PlaceMember,
    PutDocument,
    RenameUnit,
    RevokeRole,
    RotateKey,
    SuspendOrganisation,
    Withdraw,
)
from relayproto.codes import Class, Kind, Lane, PrekeyKind, Purpose, SubmitFlag
from relayproto.commands import (
    Ack,
    Act,
    Block,
    Body,
    Ephemeral,
    GetBundles,
    GetCode,
    GetDevices,
    GetRelayKeys,
    Lookup,
    PutDevices,
    PutPolicy,
    PutPrekeys,
    PutProfile,
    Register,
    Report,
    Submit,
    Target,
    Wrap,
)
from relayproto.connection import _KINDS_OF_PURPOSE
from relayproto.ids import AccountId, Address
from relayproto.limits import REPORT_BYTES, SOUGHT_CHARS_MAX
from relayproto.message import Message
from relayproto.people import GetPeople
from relayproto.policy import ROW_BYTES
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.rosters import (
    Claim,
    GetClaim,
    GetClaims,
    GetRoster,
    ImportRoster,
    PutRoster,
    RefuseClaim,
    RosterLine,
    StrikeLine,
    digest,
)
from relayproto.standing import Field, Role, Standing
from relayproto.statistics import GetRetention, GetStatistics
from relayproto.value import Packable
from relayproto.verification import GetOrganisation, GetRevocations, RevokeAttestation, RevokeWarrant
from relayproto.visibility import NOTHING_HIDDEN
from support import attesting
from support.desks import listed
from support.device import PLENTY, enrolment, submit
from support.organisations import RELAY, founding, seed_of
from support.people import Person

HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS
ASKING = SubmitFlag.OUTCOME | SubmitFlag.WRITABLE
SAID: dict[int, type[Message]] = _KINDS_OF_PURPOSE[Purpose.DEVICE] | _KINDS_OF_PURPOSE[Purpose.BULK]
"""What a device may say on its connection."""
ENROLLING: dict[int, type[Message]] = dict(_KINDS_OF_PURPOSE[Purpose.ENROL])
"""What somebody without an account may say."""
EVERY: dict[int, type[Message]] = SAID | ENROLLING | CHANGES
SILENT = {Kind.BODY, Kind.ACK, Kind.EPHEMERAL}
"""What has no answer, whatever happens."""


@dataclass
class Asker:
    """Who says it; ``unit`` is where he belongs or holds what he holds, and ``domain`` its organisation's."""

    person: Person
    unit: int
    domain: str
    now_ms: int
    epoch: int = 0
    submissions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    acts: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def warrant(self) -> attestation.Warrant:
        """Return what lets his device attest for his unit, where he has been given it."""
        return attesting.warrant(
            organisation=self.unit, unit=self.unit, account=self.person.account,
            key=ed25519_public(self.person.sign_seed), not_before_ms=self.now_ms - HOUR_MS,
            expires_ms=self.now_ms + YEAR_MS // 2, serial=blake2b_256(self.person.account)[:16],
        )  # fmt: skip


@dataclass(frozen=True)
class Whom:
    """Whom it is about.

    ``unit`` is where he may belong, as ``elsewhere`` is; ``shown`` is the pass that he gave, if any; ``texts`` is what
    he is sought by.
    """

    person: Person
    address: str
    unit: int
    root: int
    elsewhere: tuple[int, ...] = ()
    shown: bytes = b""
    texts: tuple[str, ...] = ("",)

    @property
    def account(self) -> AccountId:
        return self.person.account


Scenario = Callable[[Asker, Whom], Iterable[Message]]
SCENARIOS: dict[Kind, Scenario] = {}


def scenario(kind: Kind) -> Callable[[Scenario], Scenario]:
    def added(made: Scenario) -> Scenario:
        assert kind not in SCENARIOS
        SCENARIOS[kind] = made
        return made

    return added


def everything(kinds: Iterable[int]) -> Iterator[tuple[Kind, Scenario]]:
    """Yield kinds and their scenarios by number, replaced device lists last: nothing else is good behind them."""
    for number in sorted(kinds, key=lambda each: (each == Kind.PUT_DEVICES, each)):
        yield Kind(number), SCENARIOS[Kind(number)]


# --- which kinds name a person ---


def names_a_person(kind: type[Message]) -> bool:
    """Say whether something in a command's fields is an account or an address, however deep."""
    return any(_is_a_person(name, hint) for name, hint in _parts(kind))


def _parts(kind: type) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return iter([(name, hints[name]) for name in kind.__struct_fields__])


def _is_a_person(name: str, hint: Any) -> bool:
    if hint in {AccountId, Address} or name in {"address", "contact", "whom"}:
        return True
    inside = [each for each in (hint, *_flat(hint)) if isinstance(each, type) and issubclass(each, Packable)]
    return any(_is_a_person(*part) for each in inside for part in _parts(each))


def _flat(hint: Any) -> Iterator[Any]:
    for each in get_args(hint):
        yield each
        yield from _flat(each)


# --- what anybody says ---


def _target(whom: Whom, *devices: int, version: int = 1) -> Target:
    return Target(whom.account, version, tuple(Wrap(device, b"wrap") for device in devices or (1,)))


@scenario(Kind.SUBMIT)
def _submit(asker: Asker, whom: Whom) -> Iterable[Message]:
    plain = submit(1, whom.person, flags=ASKING)
    for class_, targets, passes, octets in [
        (Class.CHAT, (_target(whom),), (), b"sealed"),
        (Class.CHAT, (_target(whom, 1, 7, version=99),), (), b"sealed"),
        (Class.CALL, (_target(whom),), (), b"sealed"),
        (Class.RECEIPT, (_target(whom), _target(whom, 3)), (), b"sealed"),
        (Class.CHAT, (_target(whom),), (whom.shown,), b"long" * 1_000),
    ]:
        number = next(asker.submissions)
        yield Submit(number, 0, class_, 60, ASKING, plain.commitment, octets, None, targets, None, passes)


@scenario(Kind.BODY)
def _body(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield Body(3, b"parked")
    plain = submit(1, whom.person, flags=ASKING)
    number = next(asker.submissions)
    yield Submit(number, 0, Class.CHAT, 60, ASKING, plain.commitment, None, 3, (_target(whom),), None, (whom.shown,))


@scenario(Kind.ACK)
def _ack(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield Ack(asker.epoch, Lane.NORMAL, 0, (), PLENTY, ())


@scenario(Kind.EPHEMERAL)
def _typing(asker: Asker, whom: Whom) -> Iterable[Message]:
    for shown in {b"", whom.shown}:
        yield Ephemeral(_target(whom), shown)


@scenario(Kind.PUT_PREKEYS)
def _put_prekeys(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield PutPrekeys((asker.person.make_prekey(PrekeyKind.ONE_TIME),))


@scenario(Kind.GET_BUNDLES)
def _bundles(asker: Asker, whom: Whom) -> Iterable[Message]:
    for devices, shown in [((), b""), ((1,), b""), ((1, 9), b""), ((), whom.shown), ((1,), b"\x01" + bytes(18))]:
        yield GetBundles(whom.account, devices, shown)


@scenario(Kind.LOOKUP)
def _lookup(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield Lookup(whom.address)
    yield Lookup(whom.address.upper())


@scenario(Kind.PUT_DEVICES)
def _put_devices(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield PutDevices(*listed(whom.person))
    yield PutDevices(*listed(asker.person, asker.person.next_list()))


@scenario(Kind.GET_DEVICES)
def _devices(asker: Asker, whom: Whom) -> Iterable[Message]:
    for shown in (b"", whom.shown, b"\x01" + bytes(18)):
        yield GetDevices(whom.account, shown)


@scenario(Kind.BLOCK)
def _block(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield Block(whom.account, True)
    yield Block(whom.account, False)


@scenario(Kind.ENROL)
def _enrol(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield enrolment(whom.person, bytes(16))


@scenario(Kind.GET_CODE)
def _code(asker: Asker, whom: Whom) -> Iterable[Message]:
    yield GetCode(whom.address)


@scenario(Kind.REGISTER)
def _register(asker: Asker, whom: Whom) -> Iterable[Message]:
    first = enrolment(asker.person, bytes(16)).fields()[1:]
    for code in ("00000000", ""):
        yield Register(whom.address, code, whom.address, *first)


def _always(*said: Message) -> Scenario:
    return lambda asker, whom: said


SCENARIOS |= {
    Kind.GET_RELAY_KEYS: _always(GetRelayKeys()),
    Kind.REPORT: _always(Report(bytes(REPORT_BYTES))),
    Kind.ACT: _always(Act(b"no act", bytes(64))),
    Kind.PUT_POLICY: _always(PutPolicy(bytes(ROW_BYTES))),
    Kind.PUT_PROFILE: _always(PutProfile("A line", NOTHING_HIDDEN), PutProfile("", NOTHING_HIDDEN)),
    Kind.CLAIM: _always(Claim("Mallory", "Registrar"), Claim("", "")),
    Kind.GET_CLAIM: _always(GetClaim()),
    Kind.GET_CHECKPOINTS: _always(GetCheckpoints(0, 100)),
    Kind.GET_REVOCATIONS: _always(GetRevocations(0, 100)),
    Kind.GET_RETENTION: _always(GetRetention(0, 100)),
    Kind.APPROVE: _always(Approve(1, bytes(32)), Approve(99, bytes(32))),
    Kind.WITHDRAW: _always(Withdraw(1), Withdraw(99)),
}


# --- what officers ask and change, over their own units and over his ---


def _over(*made: Callable[[Asker, Whom, int], Message]) -> Scenario:
    """Return a scenario that says each over the asker's unit, that of whom it is about, and its organisation."""

    def said(asker: Asker, whom: Whom) -> Iterable[Message]:
        for unit in dict.fromkeys((asker.unit or 1, whom.unit, whom.root, *whom.elsewhere)):
            yield from [each(asker, whom, unit) for each in made]

    return said


def _line(whom: Whom) -> RosterLine:
    return RosterLine(whom.address, "Bob Roy", "Registrar")


def _roster_of(asker: Asker, unit: int) -> bytes:
    return blake2b_256(asker.person.account + bytes([unit]))[:16]


@scenario(Kind.GET_PEOPLE)
def _people(asker: Asker, whom: Whom) -> Iterable[Message]:
    units = dict.fromkeys((asker.unit or 1, whom.unit, whom.root, *whom.elsewhere))
    before = (int.from_bytes(whom.account) - 1).to_bytes(32)
    for unit in units:
        yield from [GetPeople(unit, "", b"", rows) for rows in (1, 2, 100)]
        yield from [GetPeople(unit, "", after, 1) for after in (whom.account, before)]
        yield from [GetPeople(unit, text[:SOUGHT_CHARS_MAX], b"", 100) for text in whom.texts if text]


def _until(asker: Asker) -> int:
    return asker.now_ms + 24 * HOUR_MS


def _attest(asker: Asker, whom: Whom, unit: int) -> Message:
    root = blake2b_256(ed25519_public(seed_of(asker.domain)))
    said = attesting.attested(
        organisation=asker.unit, account=whom.account, root=root, warrant=asker.warrant.serial,
        not_before_ms=asker.now_ms, expires_ms=_until(asker),
        serial=blake2b_256(asker.person.account + bytes([unit]))[:16],
    )  # fmt: skip
    texts = attesting.TEXTS | {Field.UNIT: str(unit), Field.ADDRESS: whom.address}
    return attesting.attest(said, asker.person.sign_seed, texts=texts)


def _warrant(asker: Asker, whom: Whom, unit: int) -> Message:
    said = attesting.warrant(
        organisation=asker.unit, unit=unit, account=whom.account, key=ed25519_public(whom.person.sign_seed),
        not_before_ms=asker.now_ms, expires_ms=_until(asker), serial=blake2b_256(bytes([unit]))[:16],
    )  # fmt: skip
    return attesting.put_warrant(said, seed_of(asker.domain))


def _successor(asker: Asker, whom: Whom, unit: int) -> Message:
    old, new = seed_of(asker.domain), blake2b_256(b"a new root key")
    by = [rootkeys.sign_successor(seed, RELAY, unit, ed25519_public(new)) for seed in (old, new)]
    return RotateKey(unit, ed25519_public(new), *by)


SCENARIOS |= {
    Kind.GET_UNITS: _over(lambda _a, _w, unit: GetUnits(unit, 0, 100)),
    Kind.GET_ROLES: _over(lambda _a, _w, unit: GetRoles(unit, 0, 100), lambda _a, _w, _u: GetRoles(0, 0, 100)),
    Kind.GET_DOCUMENT: _over(lambda _a, _w, unit: GetDocument(unit, None)),
    Kind.GET_PROPOSALS: _over(lambda _a, _w, unit: GetProposals(unit, 0, 100)),
    Kind.GET_AUDIT: _over(lambda _a, _w, unit: GetAudit(unit, 0, 100)),
    Kind.GET_ORGANISATION: _over(lambda _a, _w, unit: GetOrganisation(unit)),
    Kind.GET_STATISTICS: _over(lambda asker, _w, unit: GetStatistics(unit, 0, asker.now_ms // 86_400_000)),
    Kind.CREATE_ORGANISATION: lambda asker, whom: [
        founding("Another", "another.example", whom.account, until_ms=_until(asker))
    ],
    Kind.SUSPEND_ORGANISATION: lambda asker, whom: [SuspendOrganisation(whom.root, True)],
    Kind.MERGE_ORGANISATION: lambda asker, whom: [MergeOrganisation(asker.unit or 1, whom.root)],
    Kind.HAND_OVER: _over(
        lambda asker, whom, unit: HandOver(unit, whom.account, asker.person.account),
        lambda asker, whom, unit: HandOver(unit, asker.person.account, whom.account),
    ),
    Kind.ROTATE_KEY: lambda asker, whom: [_successor(asker, whom, whom.root)],
    Kind.CREATE_UNIT: lambda asker, whom: [CreateUnit(whom.unit, "Another"), CreateUnit(whom.root, "Another")],
    Kind.RENAME_UNIT: lambda asker, whom: [RenameUnit(whom.unit, "Another")],
    Kind.MOVE_UNIT: lambda asker, whom: [MoveUnit(whom.unit, asker.unit or 1)],
    Kind.CLOSE_UNIT: lambda asker, whom: [CloseUnit(whom.unit)],
    Kind.GRANT_ROLE: _over(
        lambda asker, whom, unit: GrantRole(unit, whom.account, Role.BROADCASTER, _until(asker)),
        lambda asker, whom, unit: GrantRole(0, whom.account, Role.AUDITOR, _until(asker)),
    ),
    Kind.REVOKE_ROLE: _over(lambda _, whom, unit: RevokeRole(unit, whom.account, Role.BROADCASTER)),
    Kind.INVITE_MEMBER: _over(lambda _, whom, unit: InviteMember(unit, whom.address, Standing.INVITED, 3_600)),
    Kind.PLACE_MEMBER: _over(
        *[lambda _, whom, unit, standing=each: PlaceMember(unit, whom.account, standing) for each in Standing]
    ),
    Kind.ASSIGN_OFFICE: _over(
        lambda asker, whom, unit: AssignOffice(unit, office_of(asker.domain), whom.account, True),
        lambda asker, whom, unit: AssignOffice(unit, whom.account, asker.person.account, True),
        lambda asker, whom, unit: AssignOffice(unit, office_of(asker.domain), whom.account, False),
    ),
    Kind.PUT_DOCUMENT: lambda asker, whom: [PutDocument(whom.unit, b"no document", bytes(64))],
    Kind.PUT_WARRANT: _over(_warrant),
    Kind.REVOKE_WARRANT: _over(lambda asker, _, unit: RevokeWarrant(unit, bytes(16))),
    Kind.ATTEST: _over(_attest),
    Kind.PUT_ROSTER: _over(lambda asker, whom, unit: PutRoster(unit, _roster_of(asker, unit), 0, (_line(whom),))),
    Kind.IMPORT_ROSTER: _over(
        lambda asker, whom, unit: ImportRoster(unit, _roster_of(asker, unit), 1, digest([_line(whom)]))
    ),
    Kind.STRIKE_LINE: _over(lambda _, whom, unit: StrikeLine(unit, whom.address)),
    Kind.REFUSE_CLAIM: _over(lambda _, whom, unit: RefuseClaim(unit, whom.account)),
    Kind.GET_ROSTER: _over(
        lambda _a, _w, unit: GetRoster(unit, b"", 0, 100),
        lambda asker, _, unit: GetRoster(unit, _roster_of(asker, unit), 0, 100),
    ),
    Kind.GET_CLAIMS: _over(lambda _a, _w, unit: GetClaims(unit, 0, 100)),
    Kind.REVOKE_ATTESTATION: _over(lambda _, whom, unit: RevokeAttestation(unit, whom.account)),
}


def office_of(domain: str) -> AccountId:
    """Return the account of the office of an organisation."""
    return Person(f"office of {domain}").account
