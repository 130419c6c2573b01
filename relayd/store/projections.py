"""The store room: what of somebody a viewer is shown (spec 88 §4).

A viewer, and somebody as he lies, enter; what the one is shown of the other leaves. The rule of this file: what is not
shown leaves nothing behind - an answer is put together of what is shown, not emptied of what is hidden.
"""

from typing import NamedTuple

from msgspec.structs import replace

from relayd.domain import views
from relayd.domain.acting import Authority
from relayd.domain.authority import sufficient
from relayd.domain.permits import Side
from relayd.store import authority
from relayd.store.authority import Sight
from relayproto import attestation
from relayproto.ids import AccountId
from relayproto.rules import SHOWN_ALL
from relayproto.standing import Field

_ALL = frozenset(Field)


class Viewing(NamedTuple):
    """Who looks, from where, and the roles that he holds at this moment."""

    account: AccountId
    side: Side
    held: list[Authority]


class Seen(NamedTuple):
    """Somebody as he lies: all of him. ``hidden`` is what he hides himself, None for nothing."""

    account: AccountId
    side: Side
    address: str
    proof: bytes
    about: str
    hidden: bytes | None


class Projection(NamedTuple):
    """What a viewer is shown; each is empty where there is nothing, or nothing that he is shown."""

    address: str
    proof: bytes
    about: str


def fields(sight: Sight, viewing: Viewing, seen: Seen) -> frozenset[Field]:
    """Return which fields a viewer is shown: all of himself, and of whom he has to know for his role."""
    if viewing.account == seen.account:
        return _ALL
    found = views.visible(viewing.side, seen.side, seen.hidden)
    if found == _ALL or not viewing.held:
        return found
    reach = authority.reach(sight, seen.side.unit)
    return found if sufficient(viewing.held, reach, SHOWN_ALL, change=False) is None else _ALL


def of(seen: Seen, shown: frozenset[Field]) -> Projection:
    """Return what is left of somebody where these fields are shown."""
    return Projection(
        seen.address if Field.ADDRESS in shown else "",
        _proof(seen.proof, shown),
        seen.about if Field.ABOUT in shown else "",
    )


def _proof(packed: bytes, shown: frozenset[Field]) -> bytes:
    if not packed or shown >= attestation.STATED:
        return packed
    proof = attestation.decode_proof(packed)
    left = tuple(each for each in proof.statements if each.field in shown)
    return attestation.encode_proof(replace(proof, statements=left))
