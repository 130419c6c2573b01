"""The contract: documents - what an organisation or a unit says of itself and its people (spec 75).

Bytes enter and a document leaves, or Malformed with the path of what is wrong; several documents enter, from the top
down, and what holds leaves. The rules of this file: one canonical form; what is not in the schema is refused; nothing
in a document is fetched from anywhere; a document below may tighten what stands above it and never loosen it.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import accumulate, product
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from relayproto.codes import Class
from relayproto.errors import Malformed
from relayproto.limits import (
    BODY_BYTES_MAX,
    DOCUMENT_BYTES_MAX,
    LIFETIME_S_MAX,
    TARGETS_MAX,
    TIME_MS_MAX,
    UNIT_NAME_CHARS_MAX,
)
from relayproto.policy import PLATFORM_DEFAULT, TABLE_BYTES, cell
from relayproto.primitives import blake2b_256
from relayproto.standing import PLATFORM, Action, Permission, Standing

FIRST_PREVIOUS: Final = "00" * 32
"""What the first version of a document names as the one before."""
_U32: Final = (1 << 32) - 1
_BODY_BYTES_MIN: Final = 6_144
"""The largest receipt, READ_MAX messages, is a body of 5 KB; whoever allows less would keep programs from working."""
_UNSEEN: Final = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ue000-\uf8ff\ufeff\U000e0000-\U000e0fff"
"""Control characters, those that turn a line round, private ones and tags; joiners are needed in Indian scripts."""
_ID: Final = "[a-z0-9][a-z0-9-]{0,31}"
_LANGUAGE: Final = "[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?"
_MEDIA: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,63})"

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Language = Annotated[str, Meta(pattern=rf"^{_LANGUAGE}\Z")]
Id = Annotated[str, Meta(pattern=rf"^{_ID}\Z")]
Colour = Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}\Z")]
Word = Literal["allow", "request", "deny"]


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
    """A document; ``previous`` is the hash of the version before, FIRST_PREVIOUS for the first."""

    schema: Literal[1]
    unit: Annotated[int, Meta(ge=0, le=_U32)]
    version: Annotated[int, Meta(ge=1, le=_U32)]
    previous: Hash
    issued_ms: Annotated[int, Meta(ge=0, le=TIME_MS_MAX)]
    names: Annotated[tuple[Name, ...], Meta(max_length=32)] = ()
    branding: Branding | None = None
    policy: Policy | None = None
    lifetimes: Lifetimes | None = None
    limits: Limits | None = None
    file_types: Annotated[tuple[Annotated[str, Meta(pattern=rf"^{_MEDIA}\Z")], ...], Meta(max_length=128)] | None = None
    packs: Annotated[tuple[Reference, ...], Meta(max_length=64)] = ()
    tags: Annotated[tuple[Reference, ...], Meta(max_length=64)] = ()
    notices: Annotated[tuple[Notice, ...], Meta(max_length=32)] = ()
    locked: Annotated[tuple[str, ...], Meta(max_length=256)] = ()


Leaf = str | int | tuple[str, ...]

_TREES: Final = {"branding": Branding, "policy": Policy, "lifetimes": Lifetimes, "limits": Limits}
_TIGHTENED: Final = frozenset({"policy", "lifetimes", "limits", "file_types"})
"""Of these the strictest of all documents counts; of everything else the lowest one that may say it."""


def _either(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(names)})"


_STANDING: Final = _either(each.name.lower() for each in Standing)
_ACTION: Final = _either(each.name.lower() for each in Action)
_PATHS: Final = (
    rf"names(?:\.{_LANGUAGE})?",
    rf"branding(?:\.{_either(Branding.__struct_fields__)})?",
    rf"policy(?:\.{_STANDING}(?:\.{_STANDING}(?:\.{_ACTION})?)?)?",
    rf"lifetimes(?:\.{_either(Lifetimes.__struct_fields__)})?",
    rf"limits(?:\.{_either(Limits.__struct_fields__)})?",
    "file_types",
    rf"(?:packs|tags)(?:\.{_ID})?",
    rf"notices(?:\.{_ID}(?:\.{_LANGUAGE})?)?",
)
_PLACE: Final = re.compile(r" - at `\$((?:\.[a-z_]{1,13}|\[\d{1,5}\]){1,8})`\Z")
_QUOTED: Final = re.compile(r"(?:(?<=unknown field)|(?<=enum value)) .*", re.DOTALL)
"""Two of a validator's sentences have what the text says, which an error never has."""
_LOCKABLE: Final = re.compile(_either(_PATHS))


def parse(text: bytes) -> Document:
    """Return the document that a text of at most DOCUMENT_BYTES_MAX makes, in whatever order and spacing.

    Raises Malformed, whose detail begins with the path of the first thing that is wrong and has nothing else that the
    text says. The parser is guided by the schema, so it never goes deeper than that.
    """
    if len(text) > DOCUMENT_BYTES_MAX:
        raise Malformed(f"document: more than {DOCUMENT_BYTES_MAX} bytes")
    try:
        document = msgspec.json.decode(text, type=Document)
    except msgspec.ValidationError as error:
        what, *place = _PLACE.split(str(error))
        raise Malformed(f"{place[0].removeprefix('.') if place else 'document'}: {_QUOTED.sub('', what)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("document: not JSON") from None
    for index, path in enumerate(document.locked):
        if _LOCKABLE.fullmatch(path) is None:
            raise Malformed(f"locked[{index}]: no path of a document")
    rows = (f"notices.{notice.id}" for notice in document.notices)
    for path, count in Counter((*(path for path, _ in _said(document)), *rows)).items():
        if count > 1:
            raise Malformed(f"{path}: more than once")
    return document


def read(octets: bytes) -> Document:
    """Return the document that bytes in canonical form are. Raises Malformed with the path of what is wrong."""
    document = parse(octets)
    if write(document) != octets:
        raise Malformed("document: not in canonical form")
    return document


def write(document: Document) -> bytes:
    """Return the canonical bytes: RFC 8785, each row by its key, each once, and nothing that says nothing."""
    built = _built(document, dict(_said(document)), document.locked)
    return msgspec.json.encode(built, order="sorted")


def digest(octets: bytes) -> str:
    """Return what the next version names as the one before, hexadecimal."""
    return blake2b_256(octets).hex()


def leaves(document: Document) -> dict[str, Leaf]:
    """Return what a document says, by path."""
    return dict(_said(document))


def _said(document: Document) -> Iterator[tuple[str, Leaf]]:
    for name in document.names:
        yield f"names.{name.language}", name.text
    for part in _TREES:
        yield from _below(part, getattr(document, part))
    if document.file_types is not None:
        yield "file_types", tuple(sorted(set(document.file_types)))
    for group, references in (("packs", document.packs), ("tags", document.tags)):
        for reference in references:
            yield f"{group}.{reference.id}", reference.hash
    for notice in document.notices:
        for paragraph in notice.texts:
            yield f"notices.{notice.id}.{paragraph.language}", paragraph.text


def _below(path: str, value: Any) -> Iterator[tuple[str, Leaf]]:
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _below(f"{path}.{name}", getattr(value, name))
    elif value is not None:
        yield path, value


def _built(head: Document, said: Mapping[str, Leaf], locked: Iterable[str]) -> Document:
    """Return the document with the head of one and these leaves; together several may have more rows than one may."""
    names: list[Name] = []
    references: dict[str, list[Reference]] = {"packs": [], "tags": []}
    notices: dict[str, list[Paragraph]] = {}
    parts: dict[str, Any] = {}
    for path, value in sorted(said.items(), key=lambda leaf: leaf[0].split(".")):
        part, *rest = path.split(".")
        if part == "names":
            names.append(Name(rest[0], str(value)))
        elif part in references:
            references[part].append(Reference(rest[0], str(value)))
        elif part == "notices":
            notices.setdefault(rest[0], []).append(Paragraph(rest[1], str(value)))
        else:
            place = parts
            for name in (part, *rest)[:-1]:
                place = place.setdefault(name, {})
            place[(part, *rest)[-1]] = value
    return msgspec.structs.replace(
        head,
        names=tuple(names),
        **{part: msgspec.convert(parts.get(part), kind | None) for part, kind in _TREES.items()},
        file_types=parts.get("file_types"),
        packs=tuple(references["packs"]),
        tags=tuple(references["tags"]),
        notices=tuple(Notice(name, tuple(texts)) for name, texts in notices.items()),
        locked=tuple(sorted(set(locked))),
    )


def _covered(path: str, locked: Container[str]) -> bool:
    """Say whether a path or one that it begins with is locked."""
    return any(begin in locked for begin in accumulate(path.split("."), "{}.{}".format))


def _stricter(path: str, one: Any, other: Any) -> Leaf:
    part = path.partition(".")[0]
    if part == "policy":
        word: str = max(one, other, key=lambda word: Permission[word.upper()])
        return word
    if part == "file_types":
        return tuple(sorted({each for each in one if _has(other, each)} | {each for each in other if _has(one, each)}))
    tightest: int = min(one, other)
    return tightest


def _has(types: Container[str], media: str) -> bool:
    """Say whether a media type is among those, by itself or by its ``type/*``."""
    return media in types or f"{media.partition('/')[0]}/*" in types


def _is_tightened(path: str) -> bool:
    return path.partition(".")[0] in _TIGHTENED


def _cells() -> Iterator[tuple[str, int]]:
    """Yield the path of each cell of a policy, and its place in the table."""
    for sender, target, action in product(Standing, Standing, Action):
        yield f"policy.{sender.name}.{target.name}.{action.name}".lower(), cell(sender, target, action)


def _default() -> dict[str, Leaf]:
    """Return what holds without any document."""
    return {
        path: Permission(PLATFORM_DEFAULT[place]).name.lower() for path, place in _cells() if PLATFORM_DEFAULT[place]
    }


def inherited(documents: Iterable[Document]) -> Document:
    """Return what holds for the people of the lowest of the documents, which are given from the top down.

    It begins with the platform's default policy, which the platform's own document may replace. The head is that of
    the lowest document; without any it is that of an empty one of the platform.
    """
    head = Document(schema=1, unit=PLATFORM, version=1, previous=FIRST_PREVIOUS, issued_ms=0)
    holds, locked = _default(), set[str]()
    for head in documents:
        for path, value in _said(head):
            if head.unit != PLATFORM and path in holds and _is_tightened(path):
                holds[path] = _stricter(path, holds[path], value)
            elif _is_tightened(path) or not _covered(path, locked):
                holds[path] = value
        locked |= set(head.locked)
    return _built(head, holds, locked)


def loosened(above: Document, document: Document) -> tuple[str, ...]:
    """Return the paths at which a document says what it may not below ``above``, which is what holds there.

    What is locked above can only be repeated; of what is tightened nothing may be less strict than above. The
    platform's document has nothing above it.
    """
    if document.unit == PLATFORM:
        return ()
    holds, locked = leaves(above), frozenset(above.locked)
    return tuple(
        path
        for path, value in sorted(_said(document))
        if (_covered(path, locked) and holds.get(path) != value)
        or (path in holds and _is_tightened(path) and _stricter(path, holds[path], value) != value)
    )


def difference(old: Document | None, new: Document) -> list[str]:
    """Return what changes from one document to the next, a line each, by path."""
    before, after = ({} if old is None else leaves(old)), leaves(new)
    lines = [
        f"{path}: {_shown(before.get(path))} -> {_shown(after.get(path))}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
    locks, kept = set(() if old is None else old.locked), set(new.locked)
    lines += [f"locked: {path}" for path in sorted(kept - locks)]
    return lines + [f"no longer locked: {path}" for path in sorted(locks - kept)]


def _shown(value: Leaf | None) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none at all"
    return "nothing" if value is None else str(value)


def permissions(document: Document) -> bytes | None:
    """Return the table of TABLE_BYTES that a document makes, or None where it says nothing of policy.

    The platform's begins from the default, every other from what allows everything and hence tightens nothing.
    """
    said = leaves(document)
    table = bytearray(PLATFORM_DEFAULT if document.unit == PLATFORM else TABLE_BYTES)
    words = {place: said[path] for path, place in _cells() if path in said}
    for place, word in words.items():
        table[place] = Permission[str(word).upper()]
    return bytes(table) if words else None
