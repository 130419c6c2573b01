"""The contract: what a document may say, as a parser is guided by it (spec 75 §1).

The rule of this file: what is not here is refused; each text and number has its bounds beside it.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from relayproto.codes import Class
from relayproto.limits import BODY_BYTES_MAX, LIFETIME_S_MAX, TARGETS_MAX, TIME_MS_MAX, UNIT_NAME_CHARS_MAX

_U32: Final = (1 << 32) - 1
_BODY_BYTES_MIN: Final = 6_144
"""The largest receipt, READ_MAX messages, is a body of 5 KB; whoever allows less would keep programs from working."""
_UNSEEN: Final = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ue000-\uf8ff\ufeff\U000e0000-\U000e0fff"
"""Control characters, those that turn a line round, private ones and tags; joiners are needed in Indian scripts."""
ID: Final = "[a-z0-9][a-z0-9-]{0,31}"
LANGUAGE: Final = "[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?"
_MEDIA: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,63})"

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Language = Annotated[str, Meta(pattern=rf"^{LANGUAGE}\Z")]
Id = Annotated[str, Meta(pattern=rf"^{ID}\Z")]
Colour = Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}\Z")]
Word = Literal["allow", "request", "deny"]
Seen = Literal["show", "hide"]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a document; what it does not say is not written."""


class Name(_Part, frozen=True):
    """What the unit is called in a language (BCP 47: language, script, region)."""

    language: Language
    text: Annotated[str, Meta(pattern=rf"^(?=.*\S)[^\n{_UNSEEN}]+\Z", max_length=UNIT_NAME_CHARS_MAX)]


class Branding(_Part, frozen=True):
    """Colours as #rrggbb and a picture by the hash of its bytes: never by an address."""

    primary: Colour | None = None
    accent: Colour | None = None
    picture: Hash | None = None


class Actions(_Part, frozen=True):
    """What people of one standing may do to those of another."""

    first_contact: Word | None = None
    text: Word | None = None
    file: Word | None = None
    call: Word | None = None
    add_to_group: Word | None = None
    lookup: Word | None = None


class Targets(_Part, frozen=True):
    """To whom."""

    public: Actions | None = None
    invited: Actions | None = None
    verified: Actions | None = None
    application: Actions | None = None
    office: Actions | None = None


class Policy(_Part, frozen=True):
    """From whom."""

    public: Targets | None = None
    invited: Targets | None = None
    verified: Targets | None = None
    application: Targets | None = None
    office: Targets | None = None


class Viewers(_Part, frozen=True):
    """Who is shown a field."""

    same_unit: Seen | None = None
    same_organisation: Seen | None = None
    officers: Seen | None = None
    application: Seen | None = None
    public: Seen | None = None


class Visibility(_Part, frozen=True):
    """What of the unit's people is shown (spec 88)."""

    name: Viewers | None = None
    title: Viewers | None = None
    unit: Viewers | None = None
    address: Viewers | None = None
    about: Viewers | None = None


def _at_most(class_: Class) -> Meta:
    return Meta(ge=1, le=LIFETIME_S_MAX[class_])


class Lifetimes(_Part, frozen=True):
    """How long what the unit's people send may wait, seconds by class."""

    call_s: Annotated[int, _at_most(Class.CALL)] | None = None
    otp_s: Annotated[int, _at_most(Class.OTP)] | None = None
    alert_s: Annotated[int, _at_most(Class.ALERT)] | None = None
    chat_s: Annotated[int, _at_most(Class.CHAT)] | None = None
    receipt_s: Annotated[int, _at_most(Class.RECEIPT)] | None = None
    notice_s: Annotated[int, _at_most(Class.NOTICE)] | None = None
    broadcast_s: Annotated[int, _at_most(Class.BROADCAST)] | None = None


class Limits(_Part, frozen=True):
    """The largest submission of the unit's people: bytes of its body, accounts that it goes to."""

    body_bytes: Annotated[int, Meta(ge=_BODY_BYTES_MIN, le=BODY_BYTES_MAX)] | None = None
    targets: Annotated[int, Meta(ge=1, le=TARGETS_MAX)] | None = None


class Reference(_Part, frozen=True):
    """A pack of pictures or a vocabulary of tags: what it is called and the hash of its bytes."""

    id: Id
    hash: Hash


class Paragraph(_Part, frozen=True):
    """A text of a notice in a language."""

    language: Language
    text: Annotated[str, Meta(pattern=rf"^(?=[\s\S]*\S)[^{_UNSEEN}]+\Z", max_length=2_000)]


class Notice(_Part, frozen=True):
    """A text that programs show to the unit's people: under which name, in which languages."""

    id: Id
    texts: Annotated[tuple[Paragraph, ...], Meta(min_length=1, max_length=32)]


class Document(_Part, frozen=True, kw_only=True):
    """A document; ``previous`` is the hash of the version before."""

    schema: Literal[1]
    unit: Annotated[int, Meta(ge=0, le=_U32)]
    version: Annotated[int, Meta(ge=1, le=_U32)]
    previous: Hash
    issued_ms: Annotated[int, Meta(ge=0, le=TIME_MS_MAX)]
    names: Annotated[tuple[Name, ...], Meta(max_length=32)] = ()
    branding: Branding | None = None
    policy: Policy | None = None
    visibility: Visibility | None = None
    lifetimes: Lifetimes | None = None
    limits: Limits | None = None
    file_types: Annotated[tuple[Annotated[str, Meta(pattern=rf"^{_MEDIA}\Z")], ...], Meta(max_length=128)] | None = None
    packs: Annotated[tuple[Reference, ...], Meta(max_length=64)] = ()
    tags: Annotated[tuple[Reference, ...], Meta(max_length=64)] = ()
    notices: Annotated[tuple[Notice, ...], Meta(max_length=32)] = ()
    locked: Annotated[tuple[str, ...], Meta(max_length=256)] = ()
