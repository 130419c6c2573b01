"""The device's room: the audit log as a file, and whether it is what the relay wrote (spec 80 §4).

Records, checkpoints and signed keys enter and lines leave; lines enter and a verdict leaves, or LogBroken. The rules of
this file: a checkpoint counts under a stamp key that the relay's root has signed, and under no other; a file does not
vouch for itself; every byte of a record is covered by the chain, and what a line says in words has to be what its
record says.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from relayclient.errors import LogBroken
from relayproto import audit, descriptor
from relayproto.administration_replies import Checkpoint
from relayproto.audit import FIRST_HASH, BrokenChain, Chain, Record
from relayproto.codes import Code, Kind
from relayproto.errors import CryptoFailure, Malformed
from relayproto.packed import pack, unpack
from relayproto.primitives import equal
from relayproto.standing import PLATFORM, ActState, Role

FORMAT: Final = "relayd-audit/1"
_HASH_BYTES: Final = 32
OUTCOMES: Final = ("done", "proposed", "rehearsed", "denied", "asked")


class Verdict(NamedTuple):
    """What a verified log holds.

    ``first`` and ``last`` are numbers of records; ``shown`` of them are in words, the others as digests. The relay has
    signed for the records up to ``signed``, at ``signed_ms``. Up to ``outside`` a checkpoint from elsewhere says so as
    well: whoever gave the file away could leave out its end together with the checkpoints in it.
    """

    first: int
    last: int
    shown: int
    signed: int
    signed_ms: int
    outside: int

    @property
    def whole(self) -> bool:
        """Say whether checkpoints from elsewhere cover all that is shown."""
        return 0 < self.last <= self.outside


def outcome(record: Record) -> str:
    """Return what came of what a record tells of: one of OUTCOMES."""
    if record.code != Code.STORED:
        return "denied"
    return ActState(record.state).name.lower() if record.state in set(ActState) else "asked"


def readable(record: Record) -> dict[str, object]:
    """Return what a record says, for people and their programs; accounts and digests in hexadecimal."""
    return {
        "at_ms": record.at_ms,
        "unit": record.unit,
        "verb": word(record.kind),
        "by": record.account.hex() or None,
        "device": record.device,
        "role": word(Role(record.role)) if record.role in set(Role) else None,
        "over": record.over,
        "first": record.first.hex() or None,
        "object": record.object,
        "into": record.into,
        "whom": record.whom.hex() or None,
        "other": record.other.hex() or None,
        "detail": record.detail,
        "outcome": outcome(record),
        "code": (Code(record.code).name if record.code in set(Code) else record.code) if record.code else None,
        "value": record.value,
        "act": record.act.hex() or None,
        "before": record.before.hex() or None,
        "after": record.after.hex() or None,
        "reason": record.reason,
    }


def word(value: Kind | Role) -> str:
    """Return how a verb or a role is written: grant-role."""
    return value.name.lower().replace("_", "-")


# --- writing ----------------------------------------------------------------------------------
def begin(
    relay: bytes, unit: int, descriptors: Iterable[bytes], checkpoints: Iterable[Checkpoint], start: Checkpoint | None
) -> Iterator[str]:
    """Yield the first lines of an export: whose log it is, the keys, and the checkpoints.

    ``start`` is the checkpoint after which the records begin, None where they begin with the first.
    """
    yield _line({
        "export": FORMAT, "relay": relay.hex(), "unit": unit, "after": start.records if start else 0,
        "head": (start.head if start else FIRST_HASH).hex(), "descriptors": [each.hex() for each in descriptors],
    })  # fmt: skip
    for one in checkpoints:
        yield _line({"checkpoint": {"records": one.records, "head": one.head.hex(), "at_ms": one.at_ms,
                                    "key_id": one.key_id, "signature": one.signature.hex()}})  # fmt: skip


def row(number: int, said: bytes) -> str:
    """Return the line of a row as the relay gave it: a record, or digests of records that are others'."""
    if said[:1] == audit.HIDDEN:
        return _line({"number": number, "hidden": said[1:].hex()})
    return _line({"number": number, "record": said.hex(), "said": readable(audit.decode(said))})


def end(chain: Chain) -> str:
    """Return the last line, so that a file that was cut off is seen to be."""
    return _line({"end": chain.records, "head": chain.head.hex()})


def _line(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


# --- verifying --------------------------------------------------------------------------------
class Verifier:
    """Follows the lines of one export. ``root`` is whose log it has to be, ``descriptors`` are known from elsewhere.

    ``known`` are checkpoints that were seen elsewhere: the log has to agree with them, and to go as far.
    """

    def __init__(
        self, root: bytes, descriptors: Iterable[bytes] = (), known: Iterable[Checkpoint] = (),
        seen: Mapping[int, bytes] | None = None,
    ) -> None:  # fmt: skip
        """``seen`` are heads by number of records that were checked before."""
        self._root = root
        self._keys: set[bytes] = set()
        self._expected: dict[int, bytes] = dict(seen or {})
        self._outside: set[int] = set(self._expected)
        self._known = tuple(known)
        self._signed_ms: dict[int, int] = {}
        self.furthest: Checkpoint | None = None
        """The furthest one from elsewhere: one of the file's own must not vouch for it the next time."""
        self.unit = int(PLATFORM)
        for described in descriptors:
            self._learn(described)

    def _learn(self, described: bytes) -> None:
        try:
            key = descriptor.read(described, self._root)
        except (CryptoFailure, Malformed):
            raise LogBroken("a key in it is not signed by the relay's root") from None
        self._keys.add(key.stamp_key)

    def expect(self, one: Checkpoint) -> None:
        """Take a checkpoint. Raises LogBroken where it is not the relay's, or contradicts another.

        Its key's number is not signed, so it counts under any of the relay's keys, and under none it is an error.
        """
        if not any(self._signed(key, one) for key in self._keys):
            raise LogBroken(f"record {one.records}: its checkpoint is not signed by the relay, or by a key of the relay"
                            " that is not known here")  # fmt: skip
        self._signed_ms.setdefault(one.records, one.at_ms)
        held = self._expected.setdefault(one.records, one.head)
        if not equal(held, one.head):
            raise LogBroken(f"record {one.records}: the relay has signed two different logs")

    def _hear(self) -> None:
        """Take the checkpoints from elsewhere, once the keys are known."""
        for one in self._known:
            self.expect(one)
            self._outside.add(one.records)
            if self.furthest is None or one.records > self.furthest.records:
                self.furthest = one

    def _signed(self, key: bytes, one: Checkpoint) -> bool:
        try:
            audit.check_checkpoint(key, self._root, one.records, one.head, one.at_ms, one.signature)
        except CryptoFailure:
            return False
        return True

    def verify(self, lines: Iterable[str]) -> Verdict:
        """Follow an export from its first line to its last. Raises LogBroken: which record, and what is wrong."""
        numbered = enumerate(lines, 1)
        after, head, rows = self._begin(numbered)
        if after and not equal(self._expected.get(after, b""), head):
            raise LogBroken(f"record {after + 1}: the log begins where no checkpoint of the relay is")
        if after and after not in self._outside:
            raise LogBroken(f"record {after + 1}: the log begins here, and only the file itself says so: name the"
                            " checkpoint from elsewhere that it begins after")  # fmt: skip
        chain = Chain(self._expected, after, head)
        shown = 0
        ended = False
        for at, fields in rows:
            if ended:
                raise LogBroken(f"line {at}: something follows the end")
            if "end" in fields:
                self._end(chain, fields)
                ended = True
            else:
                shown += self._row(chain, at, fields)
        if not ended:
            raise LogBroken(f"record {chain.records + 1}: missing: the file was cut off here")
        try:
            chain.end()
        except BrokenChain as broken:
            raise LogBroken(str(broken)) from None
        signed = max(self._expected, default=0)
        return Verdict(
            after + 1, chain.records, shown, signed, self._signed_ms.get(signed, 0), max(self._outside, default=0)
        )

    def _begin(self, lines: Iterator[tuple[int, str]]) -> tuple[int, bytes, Iterator[tuple[int, dict[str, Any]]]]:
        """Take the head and the checkpoints; return where the records begin, and the lines from there on."""
        at, first = next(lines, (1, ""))
        fields = _fields(at, first)
        if fields.get("export") != FORMAT:
            raise LogBroken("this is no export of an audit log")
        if not equal(_octets(at, fields, "relay"), self._root):
            raise LogBroken("it is another relay's log")
        described = fields.get("descriptors")
        for each in described if isinstance(described, list) else ():
            self._learn(_octets(at, {"descriptor": each}, "descriptor"))
        self.unit, after, head = _number(at, fields, "unit"), _number(at, fields, "after"), _octets(at, fields, "head")
        if not after and not equal(head, FIRST_HASH):
            raise LogBroken("record 1: the log does not begin at its beginning")
        self._hear()
        return after, head, self._after_checkpoints(lines)

    def _after_checkpoints(self, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Return the lines after the checkpoints, which are taken at once."""
        waiting: list[tuple[int, dict[str, Any]]] = []
        for at, line in lines:
            fields = _fields(at, line)
            if "checkpoint" not in fields:
                waiting.append((at, fields))
                break
            self.expect(read_checkpoint(at, fields["checkpoint"]))

        def rest() -> Iterator[tuple[int, dict[str, Any]]]:
            yield from waiting
            for at, line in lines:
                yield at, _fields(at, line)

        return rest()

    def _row(self, chain: Chain, at: int, fields: dict[str, Any]) -> int:
        """Take a row; return 1 where it shows its record."""
        number, hidden = _number(at, fields, "number"), "hidden" in fields
        said = (audit.HIDDEN if hidden else b"") + _octets(at, fields, "hidden" if hidden else "record")
        try:
            record = chain.take(number, said)
        except BrokenChain as broken:
            raise LogBroken(str(broken)) from None
        if hidden:
            return 0
        if record is None or fields.get("said") != readable(record):
            raise LogBroken(f"record {number}: what the line says in words is not what its record says")
        return 1

    def _end(self, chain: Chain, fields: dict[str, Any]) -> None:
        if fields.get("end") != chain.records or fields.get("head") != chain.head.hex():
            raise LogBroken(f"record {chain.records}: the end of the file is for other records")


def read_checkpoint(at: int, value: object) -> Checkpoint:
    """Return the checkpoint that a line says, an export's or a carrier's. Raises LogBroken."""
    if not isinstance(value, dict):
        raise LogBroken(f"line {at}: no checkpoint")
    try:
        head, signature = _octets(at, value, "head"), _octets(at, value, "signature")
        said = pack(value.get("records"), head, value.get("at_ms"), value.get("key_id"), signature)
        return unpack(said, Checkpoint)
    except (Malformed, OverflowError):
        raise LogBroken(f"line {at}: no checkpoint") from None


def carried(lines: Iterable[str], root: bytes) -> tuple[list[Checkpoint], list[int]]:
    """Return the checkpoints of a relay in a file of the unit that carries them outside, and the lines that are none.

    A power cut in the middle of a line leaves such a one; those after it count. Other relays' are passed over.
    """
    found: list[Checkpoint] = []
    torn: list[int] = []
    for at, line in enumerate(lines, 1):
        try:
            fields = _fields(at, line)
            if _octets(at, fields, "relay") == root:
                found.append(read_checkpoint(at, fields))
        except LogBroken:
            torn.append(at)
    return found, torn


def relay_of(line: str) -> bytes:
    """Return the fingerprint of the root whose log an export says to be, by its first line. Raises LogBroken."""
    return _octets(1, _fields(1, line), "relay")


def _fields(at: int, line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise LogBroken(f"line {at}: not a line of an export") from None
    if not isinstance(fields, dict):
        raise LogBroken(f"line {at}: not a line of an export")
    return fields


def _number(at: int, fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise LogBroken(f"line {at}: {name} is no number")
    return value


def _octets(at: int, fields: Mapping[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(fields[name])
    except (KeyError, TypeError, ValueError):
        raise LogBroken(f"line {at}: {name} is not hexadecimal") from None
