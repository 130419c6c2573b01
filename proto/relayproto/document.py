"""The contract: documents - what an organisation or a unit says of itself and its people (spec 75).

Bytes enter and a document leaves, or Malformed with the path of what is wrong; several documents enter, from the top
down, and what holds leaves. The rules of this file: one canonical form; what is not in the schema is refused; nothing
in a document is fetched from anywhere; a document below may tighten what stands above it and never loosen it.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from enum import IntEnum
from itertools import accumulate, product
from typing import Any, Final

import msgspec
from msgspec import Struct

from relayproto import policy, visibility
from relayproto.errors import Malformed
from relayproto.limits import DOCUMENT_BYTES_MAX
from relayproto.primitives import blake2b_256
from relayproto.schema import (
    ID,
    LANGUAGE,
    Branding,
    Document,
    Lifetimes,
    Limits,
    Name,
    Notice,
    Paragraph,
    Policy,
    Reference,
    Visibility,
)
from relayproto.standing import PLATFORM, Action, Field, Permission, Standing, Viewer
from relayproto.standing import Visibility as Seen

FIRST_PREVIOUS: Final = "00" * 32
"""What the first version of a document names as the one before."""
Leaf = str | int | tuple[str, ...]

_TREES: Final = {"branding": Branding, "policy": Policy, "visibility": Visibility, "lifetimes": Lifetimes,
                 "limits": Limits}  # fmt: skip
_TIGHTENED: Final = frozenset({"policy", "visibility", "lifetimes", "limits", "file_types"})
"""Of these the strictest of all documents counts; of everything else the lowest one that may say it."""


def _either(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(names)})"


_STANDING: Final = _either(each.name.lower() for each in Standing)
_ACTION: Final = _either(each.name.lower() for each in Action)
_FIELD: Final = _either(each.name.lower() for each in Field)
_VIEWER: Final = _either(each.name.lower() for each in Viewer)
_PATHS: Final = (
    rf"names(?:\.{LANGUAGE})?",
    rf"branding(?:\.{_either(Branding.__struct_fields__)})?",
    rf"policy(?:\.{_STANDING}(?:\.{_STANDING}(?:\.{_ACTION})?)?)?",
    rf"visibility(?:\.{_FIELD}(?:\.{_VIEWER})?)?",
    rf"lifetimes(?:\.{_either(Lifetimes.__struct_fields__)})?",
    rf"limits(?:\.{_either(Limits.__struct_fields__)})?",
    "file_types",
    rf"(?:packs|tags)(?:\.{ID})?",
    rf"notices(?:\.{ID}(?:\.{LANGUAGE})?)?",
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
    if part == "visibility":
        seen: str = max(one, other, key=lambda word: Seen[word.upper()])
        return seen
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
        yield f"policy.{sender.name}.{target.name}.{action.name}".lower(), policy.cell(sender, target, action)


def _views() -> Iterator[tuple[str, int]]:
    """Yield the path of each cell of a table of visibilities, and its place."""
    for field, viewer in product(Field, Viewer):
        yield f"visibility.{field.name}.{viewer.name}".lower(), visibility.cell(field, viewer)


def _default() -> dict[str, Leaf]:
    """Return what holds without any document."""
    allowed, shown = policy.PLATFORM_DEFAULT, visibility.PLATFORM_DEFAULT
    words: dict[str, Leaf] = {
        path: Permission(allowed[place]).name.lower() for path, place in _cells() if allowed[place]
    }
    return words | {path: Seen(shown[place]).name.lower() for path, place in _views() if shown[place]}


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
    above = policy.PLATFORM_DEFAULT if document.unit == PLATFORM else bytes(policy.TABLE_BYTES)
    return _compiled(document, above, _cells(), Permission)


def views(document: Document) -> bytes | None:
    """Return the table of visibilities (spec 88) that a document makes, None where it says nothing of that."""
    above = visibility.PLATFORM_DEFAULT if document.unit == PLATFORM else bytes(visibility.TABLE_BYTES)
    return _compiled(document, above, _views(), Seen)


def _compiled(
    document: Document, above: bytes, places: Iterable[tuple[str, int]], words: type[IntEnum]
) -> bytes | None:  # fmt: skip
    said, table = leaves(document), bytearray(above)
    found = {place: said[path] for path, place in places if path in said}
    for place, word in found.items():
        table[place] = words[str(word).upper()]
    return bytes(table) if found else None
