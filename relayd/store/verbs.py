"""The store room: what each change of organisations does.

A kind enters, its verb leaves. The rule of this file: a verb checks first and changes then, and is denied with nothing
changed; whether its actor has the right at all was asked before (relayd.store.acts).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from relayd.domain.acting import Actor, Effect
from relayd.store import (
    attestations,
    claims,
    documents,
    grants,
    members,
    offices,
    organisations,
    rosters,
    units,
    warrants,
)
from relayd.store.commit import Commit
from relayproto.codes import Kind

Verb = Callable[[Commit, Actor, Any], Effect]

VERBS: Final[Mapping[Kind, Verb]] = MappingProxyType(
    {
        Kind.CREATE_ORGANISATION: organisations.create,
        Kind.SUSPEND_ORGANISATION: organisations.suspend,
        Kind.MERGE_ORGANISATION: organisations.merge,
        Kind.HAND_OVER: grants.hand_over,
        Kind.ROTATE_KEY: organisations.rotate_key,
        Kind.CREATE_UNIT: units.create,
        Kind.RENAME_UNIT: units.rename,
        Kind.MOVE_UNIT: units.move,
        Kind.CLOSE_UNIT: units.close,
        Kind.GRANT_ROLE: grants.grant,
        Kind.REVOKE_ROLE: grants.revoke,
        Kind.INVITE_MEMBER: members.invite,
        Kind.PLACE_MEMBER: members.place,
        Kind.ASSIGN_OFFICE: offices.assign,
        Kind.PUT_DOCUMENT: documents.put,
        Kind.PUT_WARRANT: warrants.put,
        Kind.REVOKE_WARRANT: warrants.revoke,
        Kind.IMPORT_ROSTER: rosters.bring_in,
        Kind.STRIKE_LINE: rosters.strike,
        Kind.ATTEST: attestations.attest,
        Kind.REVOKE_ATTESTATION: attestations.revoke,
        Kind.REFUSE_CLAIM: claims.refuse,
    }
)
"""Every change but those of proposals."""
