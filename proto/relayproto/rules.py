"""The contract: who may say what - one rule for every command, change and question (spec 70 §4).

A kind enters, its rule leaves. The rules of this file: what has no rule is nobody's; no role stands in a rule because
it might be handy; the relay checks against this table and nothing else, and ``proto/registry.json`` prints it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from relayproto.codes import Kind
from relayproto.standing import Role, Second, Where

_OPERATOR: Final = frozenset({Role.PLATFORM_OPERATOR})
_ORGANISATION: Final = frozenset({Role.ORGANISATION_ADMIN})
_ADMINS: Final = frozenset({Role.ORGANISATION_ADMIN, Role.UNIT_ADMIN})
_STAFF: Final = _ADMINS | {Role.VERIFIER}
_GRANTERS: Final = _ADMINS | _OPERATOR
_WATCHERS: Final = _ADMINS | {Role.AUDITOR}
_KEEPERS: Final = _ORGANISATION | {Role.KEY_HOLDER}
_EVERY_ROLE: Final = frozenset(Role)


class Rule(NamedTuple):
    """What a command needs.

    ``by`` are the roles of which one has to be held over ``where``; none where it takes no role. ``second`` says when
    somebody else, who holds one of ``approvers`` there, has to approve it first.
    """

    where: Where
    by: frozenset[Role] = frozenset()
    second: Second = Second.NEVER
    approvers: frozenset[Role] = frozenset()


_LOCAL: Final = Rule(Where.LOCAL)
_OWN: Final = Rule(Where.OWN)
_ANYBODY: Final = Rule(Where.ANYBODY)

RULES: Final[Mapping[Kind, Rule]] = MappingProxyType(
    {
        Kind.HELLO: _ANYBODY,
        Kind.ENROL: _ANYBODY,
        Kind.SUBMIT: _OWN,
        Kind.BODY: _OWN,
        Kind.ACK: _OWN,
        Kind.EPHEMERAL: _OWN,
        Kind.PUT_PREKEYS: _OWN,
        Kind.GET_BUNDLES: _OWN,
        Kind.LOOKUP: _OWN,
        Kind.PUT_DEVICES: _OWN,
        Kind.GET_DEVICES: _OWN,
        Kind.GET_RELAY_KEYS: _OWN,
        Kind.PUT_PROFILE: _OWN,
        Kind.INVITE: _LOCAL,
        Kind.GET_STATUS: _LOCAL,
        Kind.BLOCK: _OWN,
        Kind.REPORT: _OWN,
        Kind.CONFIRM_CLOCK: _LOCAL,
        Kind.ACT: _OWN,
        Kind.PUT_POLICY: _OWN,
        Kind.BREAK_GLASS: _LOCAL,
        Kind.PUT_ROSTER: Rule(Where.UNIT, _STAFF),
        Kind.SELF_CHECK: _LOCAL,
        Kind.GET_CONNECTIONS: _LOCAL,
        Kind.GET_MAILBOX: _LOCAL,
        Kind.KICK: _LOCAL,
        Kind.SUSPEND: _LOCAL,
        Kind.PURGE: _LOCAL,
        Kind.DRAIN: _LOCAL,
        Kind.MOVE_LOG: _LOCAL,
        Kind.SET_LOG_LEVEL: _LOCAL,
        Kind.CREATE_ORGANISATION: Rule(Where.PLATFORM, _OPERATOR, Second.ALWAYS, _OPERATOR),
        Kind.SUSPEND_ORGANISATION: Rule(Where.PLATFORM, _OPERATOR, Second.ALWAYS, _OPERATOR),
        Kind.MERGE_ORGANISATION: Rule(Where.PLATFORM, _OPERATOR, Second.ALWAYS, _OPERATOR),
        Kind.HAND_OVER: Rule(Where.UNIT, _ADMINS, Second.ALWAYS, _ADMINS | _OPERATOR),
        Kind.ROTATE_KEY: Rule(
            Where.UNIT, frozenset({Role.KEY_HOLDER}), Second.ALWAYS, _ORGANISATION | {Role.KEY_HOLDER}
        ),
        Kind.CREATE_UNIT: Rule(Where.UNIT, _ADMINS),
        Kind.RENAME_UNIT: Rule(Where.UNIT, _ADMINS, Second.AT_ROOT, _ORGANISATION),
        Kind.MOVE_UNIT: Rule(Where.UNIT, _ADMINS),
        Kind.CLOSE_UNIT: Rule(Where.UNIT, _ADMINS, Second.AT_ROOT, _ORGANISATION),
        Kind.GRANT_ROLE: Rule(Where.UNIT, _GRANTERS, Second.AT_ROOT, _ORGANISATION | _OPERATOR),
        Kind.REVOKE_ROLE: Rule(Where.UNIT, _GRANTERS, Second.OF_AUDITOR, _ORGANISATION | _OPERATOR),
        Kind.INVITE_MEMBER: Rule(Where.UNIT, _STAFF),
        Kind.PLACE_MEMBER: Rule(Where.UNIT, _STAFF),
        Kind.ASSIGN_OFFICE: Rule(Where.UNIT, _ADMINS),
        Kind.PUT_DOCUMENT: Rule(Where.UNIT, _GRANTERS, Second.AT_ROOT, _ORGANISATION | _OPERATOR),
        Kind.PUT_WARRANT: Rule(Where.UNIT, _KEEPERS),
        Kind.REVOKE_WARRANT: Rule(Where.UNIT, _KEEPERS),
        Kind.IMPORT_ROSTER: Rule(Where.UNIT, _STAFF, Second.IN_BULK, _STAFF),
        Kind.STRIKE_LINE: Rule(Where.UNIT, _STAFF),
        Kind.ATTEST: Rule(Where.UNIT, _STAFF, Second.IN_BULK, _STAFF),
        Kind.REVOKE_ATTESTATION: Rule(Where.UNIT, _STAFF),
        Kind.REFUSE_CLAIM: Rule(Where.UNIT, _STAFF),
        Kind.APPROVE: Rule(Where.PROPOSAL),
        Kind.WITHDRAW: Rule(Where.PROPOSAL),
        Kind.GET_UNITS: Rule(Where.UNIT, _EVERY_ROLE),
        Kind.GET_ROLES: Rule(Where.UNIT, _WATCHERS | _OPERATOR),
        Kind.GET_DOCUMENT: Rule(Where.MEMBER, _EVERY_ROLE),
        Kind.GET_PROPOSALS: Rule(Where.UNIT, _WATCHERS | _OPERATOR | {Role.VERIFIER, Role.KEY_HOLDER}),
        Kind.GET_AUDIT: Rule(Where.UNIT, frozenset({Role.AUDITOR})),
        Kind.GET_CHECKPOINTS: Rule(Where.ANYBODY),
        Kind.GET_ROSTER: Rule(Where.UNIT, _STAFF),
        Kind.GET_PEOPLE: Rule(Where.OFFICER, _EVERY_ROLE),
        Kind.GET_CLAIMS: Rule(Where.UNIT, _STAFF),
        Kind.GET_ORGANISATION: Rule(Where.ANYBODY),
        Kind.GET_REVOCATIONS: Rule(Where.ANYBODY),
        Kind.GET_STATISTICS: Rule(Where.UNIT, _ORGANISATION | _OPERATOR | {Role.STATISTICS_VIEWER}),
        Kind.GET_RETENTION: Rule(Where.ANYBODY),
        Kind.GET_CLAIM: _OWN,
        Kind.GET_CODE: _ANYBODY,
        Kind.REGISTER: _ANYBODY,
        Kind.CLAIM: _OWN,
    }
)
"""Every command, change and question; a test fails on a kind that is not here."""

GRANTED_BY: Final[Mapping[Role, frozenset[Role]]] = MappingProxyType(
    {
        Role.PLATFORM_OPERATOR: _OPERATOR,
        Role.ORGANISATION_ADMIN: _ORGANISATION | _OPERATOR,
        Role.UNIT_ADMIN: _ADMINS,
        Role.VERIFIER: _ADMINS,
        Role.BROADCASTER: _ADMINS,
        Role.GROUP_ADMIN: _ADMINS,
        Role.APPLICATION_OWNER: _ADMINS,
        Role.STATISTICS_VIEWER: _ADMINS | _OPERATOR,
        Role.AUDITOR: _ORGANISATION | _OPERATOR,
        Role.ABUSE_OFFICER: _ORGANISATION | _OPERATOR,
        Role.KEY_HOLDER: _ORGANISATION,
    }
)
"""Who may grant or revoke a role. The platform's operator grants over the platform, and an organisation's admins."""

OFFICES_BY: Final = _ADMINS
"""Who invites, places and takes out offices and applications; a verifier answers for people alone."""

SHOWN_ALL: Final = _STAFF
"""Who is shown all of the people of his units, whatever they hide: he invites, places and attests them."""

PLATFORM_ROLES: Final = frozenset({Role.PLATFORM_OPERATOR, Role.STATISTICS_VIEWER, Role.AUDITOR, Role.ABUSE_OFFICER})
"""What can be held over the platform itself; it reaches no organisation's objects (spec 70 §4)."""
