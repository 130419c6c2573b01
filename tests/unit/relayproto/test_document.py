import json
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto import document, policy, visibility
from relayproto.codes import Class
from relayproto.errors import Malformed
from relayproto.limits import DOCUMENT_BYTES_MAX, LIFETIME_S_MAX
from relayproto.schema import Document, Lifetimes
from relayproto.standing import Action, Field, Permission, Standing, Viewer

HEAD = {"schema": 1, "unit": 7, "version": 3, "previous": "ab" * 32, "issued_ms": 1_790_000_000_000}
PICTURE, PACK, TAGS = "11" * 32, "22" * 32, "33" * 32
FULL = HEAD | {
    "names": [{"language": "en", "text": "Water Department"}, {"language": "hi", "text": "जल विभाग"}],
    "branding": {"primary": "#0b5394", "accent": "#ffd966", "picture": PICTURE},
    "policy": {"public": {"verified": {"call": "deny", "first_contact": "request"}}},
    "visibility": {"address": {"officers": "hide"}},
    "lifetimes": {"chat_s": 604_800, "otp_s": 300},
    "limits": {"body_bytes": 8_192, "targets": 50},
    "file_types": ["application/pdf", "image/*"],
    "packs": [{"id": "festivals", "hash": PACK}],
    "tags": [{"id": "circulars", "hash": TAGS}],
    "notices": [{"id": "welcome", "texts": [{"language": "en", "text": "Two lines\nof it"}]}],
    "locked": ["branding", "policy.public.verified"],
}


def octets(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def of(unit: int = 7, **fields: Any) -> Document:
    return document.read(octets(HEAD | {"unit": unit} | fields))


def cell(sender: str, target: str, action: str, word: str) -> dict[str, Any]:
    return {"policy": {sender: {target: {action: word}}}}


def seen(field: Field, viewer: Viewer, word: str) -> dict[str, Any]:
    return {"visibility": {field.name.lower(): {viewer.name.lower(): word}}}


def wrong(fields: dict[str, Any]) -> str:
    with pytest.raises(Malformed) as refused:
        document.read(octets(fields))
    return refused.value.detail


# --- one form ---


def test_a_notice_that_is_there_twice_is_refused_and_never_made_longer_than_one_may_be() -> None:
    texts = [{"language": f"{one}{two}", "text": "x"} for one in "abcdef" for two in "abcdef"]
    notices = [{"id": "a", "texts": texts[:20]}, {"id": "b", "texts": texts[:1]}, {"id": "a", "texts": texts[20:]}]

    assert wrong(HEAD | {"notices": notices}) == "notices.a: more than once"


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"x" * 9_000: 1}, "document: Object contains unknown field"),
        ({"limits": {"x - at `$.unit`": 1}}, "limits: Object contains unknown field"),
        ({"limits": {"x - at `$." + "a" * 9_000: 1}}, "limits: Object contains unknown field"),
        ({" - at `$.a" * 1_000: 1}, "a: Object contains unknown field"),
        (
            {"policy": {"public": {"office": {"call": "\u202e\n" * 99}}}},
            "policy.public.office.call: Invalid enum value",
        ),
    ],
)
def test_what_is_wrong_is_named_without_what_the_text_says(fields: dict[str, Any], detail: str) -> None:
    assert wrong(HEAD | fields) == detail


def test_a_document_is_read_and_written_in_its_one_form() -> None:
    read = document.read(octets(FULL))

    assert document.write(read) == octets(FULL)
    assert (read.unit, read.version, read.names[1].text, read.branding.picture) == (7, 3, "जल विभाग", PICTURE)
    assert document.digest(octets(FULL)) == document.digest(document.write(read)) != document.digest(octets(HEAD))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FULL).encode(),
        octets(FULL | {"names": FULL["names"][::-1]}),
        octets(FULL | {"locked": FULL["locked"][::-1]}),
        octets(FULL | {"locked": FULL["locked"] * 2}),
        octets(FULL | {"file_types": [*FULL["file_types"], "image/*"]}),
        octets(HEAD | {"branding": {}}),
        octets(HEAD | {"limits": None}),
        octets(HEAD | {"packs": []}),
        octets(HEAD).replace(b'"unit":7', b'"unit":6,"unit":7'),
    ],
)
def test_what_is_not_in_that_form_can_be_parsed_and_is_no_document(text: bytes) -> None:
    with pytest.raises(Malformed, match="canonical"):
        document.read(text)

    assert document.read(document.write(document.parse(text)))


# --- what is refused, and where ---


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"colour": "blue"}, "document"),
        ({"schema": 2}, "schema"),
        ({"unit": -1}, "unit"),
        ({"unit": True}, "unit"),
        ({"version": 0}, "version"),
        ({"version": 1.5}, "version"),
        ({"previous": "AB" * 32}, "previous"),
        ({"previous": "ab" * 31}, "previous"),
        ({"previous": "ab" * 32 + "\n"}, "previous"),
        ({"names": [{"language": "en", "text": "x"}, {"language": "English", "text": "x"}]}, "names[1].language"),
        ({"names": [{"language": "hi-in", "text": "x"}]}, "names[0].language"),
        ({"names": [{"language": "hi", "text": ""}]}, "names[0].text"),
        ({"names": [{"language": "hi", "text": " "}]}, "names[0].text"),
        ({"names": [{"language": "hi", "text": "x" * 121}]}, "names[0].text"),
        ({"names": [{"language": "hi", "text": "two\nlines"}]}, "names[0].text"),
        ({"names": [{"language": "hi", "text": "turned \u202e round"}]}, "names[0].text"),
        ({"names": [{"language": "hi", "text": "x", "font": "y"}]}, "names[0]"),
        ({"branding": {"picture": "https://gad.example/picture.png"}}, "branding.picture"),
        ({"branding": {"primary": "red"}}, "branding.primary"),
        ({"branding": {"primary": "url(//x)"}}, "branding.primary"),
        ({"branding": {"css": "x"}}, "branding"),
        (cell("public", "verified", "call", "never"), "policy.public.verified.call"),
        (cell("public", "verified", "shout", "deny"), "policy.public.verified"),
        (cell("public", "everybody", "call", "deny"), "policy.public"),
        ({"lifetimes": {"chat_s": LIFETIME_S_MAX[Class.CHAT] + 1}}, "lifetimes.chat_s"),
        ({"lifetimes": {"chat_s": 0}}, "lifetimes.chat_s"),
        ({"limits": {"targets": 513}}, "limits.targets"),
        ({"limits": {"body_bytes": 6_143}}, "limits.body_bytes"),
        ({"file_types": ["image"]}, "file_types[0]"),
        ({"packs": [{"id": "a b", "hash": PACK}]}, "packs[0].id"),
        ({"packs": [{"id": "a", "hash": "http://"}]}, "packs[0].hash"),
        ({"packs": [{"id": "a", "hash": PACK}, {"id": "a", "hash": TAGS}]}, "packs.a"),
        ({"notices": [{"id": "a", "texts": []}]}, "notices[0].texts"),
        ({"notices": [{"id": "a", "texts": [{"language": "hi", "text": "\x07"}]}]}, "notices[0].texts[0].text"),
        ({"locked": ["policy.public.verified", "policy.nobody"]}, "locked[1]"),
        ({"locked": ["unit"]}, "locked[0]"),
        ({"locked": ["names.hi\n"]}, "locked[0]"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], path: str) -> None:
    assert wrong(HEAD | fields).partition(": ")[0] == path


@pytest.mark.parametrize("missing", HEAD)
def test_the_head_is_complete(missing: str) -> None:
    assert missing in wrong({name: value for name, value in HEAD.items() if name != missing})


def test_a_document_is_bounded_before_anybody_looks_at_it() -> None:
    with pytest.raises(Malformed, match="more than"):
        document.read(b"\xff" * (DOCUMENT_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"\xff", b'"', b"[" * DOCUMENT_BYTES_MAX, b"{}{}", b"null", b"[]",
        octets(HEAD)[:-1] + b',"names":' + b"[" * 9_000, octets(HEAD)[:-1] + b',"x":' + b"[" * 9_000,
        octets(HEAD)[:-1] + b',"names":[{"language":"hi","text":"\xff"}]}',
        octets(HEAD)[:-1] + b',"names":[{"language":"hi","text":"\\ud800"}]}',
    ],
)  # fmt: skip
def test_what_is_no_json_or_goes_too_deep_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        document.read(text)


@given(st.binary(max_size=400) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
    msgspec.json.encode
))  # fmt: skip
def test_any_bytes_are_a_document_or_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        document.read(text)


# --- policy ---


def test_a_document_makes_a_table_of_what_it_says() -> None:
    made = document.permissions(of(**cell("public", "verified", "call", "deny")))

    expected = bytearray(policy.TABLE_BYTES)
    expected[policy.cell(Standing.PUBLIC, Standing.VERIFIED, Action.CALL)] = Permission.DENY
    assert made == bytes(expected)
    assert document.permissions(of()) is None


def test_the_platforms_table_begins_from_the_default_and_may_allow_more() -> None:
    at = policy.cell(Standing.PUBLIC, Standing.VERIFIED, Action.FIRST_CONTACT)

    made = document.permissions(of(0, **cell("public", "verified", "first_contact", "request")))

    expected = bytearray(policy.PLATFORM_DEFAULT)
    expected[at] = Permission.REQUEST
    assert policy.PLATFORM_DEFAULT[at] == Permission.DENY
    assert made == bytes(expected)


@pytest.mark.parametrize(("field", "viewer"), list(product(Field, Viewer)))
def test_a_document_hides_a_field_from_a_viewer_and_nothing_else(field: Field, viewer: Viewer) -> None:
    made = document.views(of(**seen(field, viewer, "hide")))

    assert [place for place in range(visibility.TABLE_BYTES) if made[place]] == [visibility.cell(field, viewer)]
    assert document.views(of(**seen(field, viewer, "show"))) == bytes(visibility.TABLE_BYTES)


def test_the_platform_may_show_more_than_the_default_and_nobody_below_may() -> None:
    unit, citizens = Field.UNIT, Viewer.PUBLIC
    platform, low = of(0, **seen(unit, citizens, "show")), of(7, **seen(unit, citizens, "show"))

    assert not document.views(platform)[visibility.cell(unit, citizens)]
    assert document.views(of(0)) is None
    assert document.leaves(document.inherited((platform,)))["visibility.unit.public"] == "show"
    assert document.leaves(document.inherited((low,)))["visibility.unit.public"] == "hide"
    assert document.loosened(document.inherited(()), low) == ("visibility.unit.public",)
    assert document.loosened(document.inherited((platform,)), of(7, **seen(unit, citizens, "hide"))) == ()
    locking = of(7, **seen(Field.NAME, citizens, "hide"), locked=["visibility.name"])
    assert document.loosened(document.inherited((locking,)), of(8, **seen(Field.NAME, Viewer.OFFICERS, "hide"))) == (
        "visibility.name.officers",
    )


# --- inheritance ---


def test_without_documents_the_default_holds() -> None:
    holds = document.inherited(())

    assert document.views(holds) == visibility.PLATFORM_DEFAULT
    assert document.permissions(holds) == policy.PLATFORM_DEFAULT
    assert (holds.names, holds.locked, holds.unit) == ((), (), 0)


def test_what_a_unit_says_stands_before_what_is_above_it() -> None:
    top = of(0, names=[{"language": "en", "text": "All"}], branding={"primary": "#111111", "accent": "#222222"})
    low = of(7, names=[{"language": "en", "text": "One"}, {"language": "hi", "text": "एक"}],
             branding={"primary": "#333333"})  # fmt: skip

    holds = document.leaves(document.inherited((top, low)))

    assert (holds["names.en"], holds["names.hi"]) == ("One", "एक")
    assert (holds["branding.primary"], holds["branding.accent"]) == ("#333333", "#222222")


def test_of_what_is_tightened_the_strictest_counts_wherever_it_stands() -> None:
    top = of(0, lifetimes={"chat_s": 100}, limits={"targets": 9}, file_types=["a/b", "c/d"],
             **cell("verified", "verified", "call", "deny"))  # fmt: skip
    low = of(7, lifetimes={"chat_s": 200, "otp_s": 30}, limits={"targets": 5}, file_types=["c/d", "e/f"],
             **cell("verified", "verified", "call", "request"))  # fmt: skip

    holds = document.inherited((top, low))

    assert holds.lifetimes == Lifetimes(chat_s=100, otp_s=30)
    assert holds.limits.targets == 5
    assert holds.file_types == ("c/d",)
    assert document.leaves(holds)["policy.verified.verified.call"] == "deny"


def test_a_kind_of_files_has_every_type_of_it() -> None:
    for one, other in ((["image/*", "a/b"], ["image/png", "a/*"]), (["image/png", "a/*"], ["image/*", "a/b"])):
        assert document.inherited((of(1, file_types=sorted(one)), of(7, file_types=sorted(other)))).file_types == (
            "a/b", "image/png",
        )  # fmt: skip


def test_the_platforms_document_replaces_the_default_and_nobody_elses_does() -> None:
    allowed = cell("public", "verified", "call", "allow")

    assert document.leaves(document.inherited([of(0, **allowed)]))["policy.public.verified.call"] == "allow"
    assert document.leaves(document.inherited([of(7, **allowed)]))["policy.public.verified.call"] == "deny"


def test_what_was_locked_later_holds_against_what_stood_below_before() -> None:
    top = of(0, branding={"picture": PICTURE}, locked=["branding", "notices.privacy"])
    low = of(7, branding={"primary": "#333333", "picture": PACK},
             notices=[{"id": each, "texts": [{"language": "en", "text": "x"}]} for each in ("privacy", "privacy-a")],
             locked=["names"])  # fmt: skip
    lowest = of(8, names=[{"language": "en", "text": "One"}], lifetimes={"chat_s": 5})

    holds = document.inherited((top, low, lowest))

    assert holds.branding.picture == PICTURE
    assert holds.branding.primary is None
    assert [notice.id for notice in holds.notices] == ["privacy-a"]
    assert (holds.names, holds.unit) == ((), 8)
    assert holds.locked == ("branding", "names", "notices.privacy")
    assert document.read(document.write(holds)) == holds, "what holds is a document itself"


@pytest.mark.parametrize(
    ("above", "below", "paths"),
    [
        ({"lifetimes": {"chat_s": 100}}, {"lifetimes": {"chat_s": 101, "otp_s": 5}}, ("lifetimes.chat_s",)),
        ({"lifetimes": {"chat_s": 100}}, {"lifetimes": {"chat_s": 99}}, ()),
        ({"limits": {"targets": 5}}, {"limits": {"targets": 6}}, ("limits.targets",)),
        ({"file_types": ["a/b"]}, {"file_types": ["a/b", "c/d"]}, ("file_types",)),
        ({"file_types": ["a/b"]}, {"file_types": []}, ()),
        ({"file_types": ["image/*"]}, {"file_types": ["image/gif", "image/png"]}, ()),
        ({"file_types": ["image/*"]}, {"file_types": ["image/png", "video/mp4"]}, ("file_types",)),
        ({"file_types": ["image/png"]}, {"file_types": ["image/*"]}, ("file_types",)),
        ({}, cell("public", "verified", "call", "allow"), ("policy.public.verified.call",)),
        ({}, cell("verified", "verified", "call", "deny"), ()),
        ({"locked": ["names"]}, {"names": [{"language": "hi", "text": "x"}]}, ("names.hi",)),
        ({"names": [{"language": "hi", "text": "x"}], "locked": ["names.hi"]},
         {"names": [{"language": "en", "text": "y"}, {"language": "hi", "text": "x"}]}, ()),
        ({"locked": ["lifetimes"]}, {"lifetimes": {"chat_s": 5}}, ("lifetimes.chat_s",)),
        ({"branding": {"picture": PICTURE}, "locked": ["branding.picture"]},
         {"branding": {"picture": PACK, "accent": "#000000"}}, ("branding.picture",)),
        ({"locked": ["packs.a"]}, {"packs": [{"id": "a-b", "hash": PACK}]}, ()),
    ],
)  # fmt: skip
def test_a_document_that_loosens_what_stands_above_is_found(above: dict, below: dict, paths: tuple[str, ...]) -> None:
    assert document.loosened(document.inherited([of(1, **above)]), of(7, **below)) == paths


def test_nothing_stands_above_the_platform() -> None:
    holds = document.inherited([of(1, locked=["names"])])

    assert document.loosened(holds, of(0, names=[{"language": "en", "text": "All"}])) == ()


def test_together_documents_may_have_more_rows_than_one_may() -> None:
    def many(unit: int) -> Document:
        names = [f"a{each}-{unit}" for each in range(10, 42)]
        return of(unit, notices=[{"id": one, "texts": [{"language": "en", "text": "x"}]} for one in names])

    assert len(document.inherited((many(1), many(2))).notices) == 64


# --- differences ---


def test_a_difference_is_readable() -> None:
    old = of(names=[{"language": "en", "text": "Water"}], lifetimes={"chat_s": 100}, locked=["names"])
    new = of(version=4, lifetimes={"chat_s": 50}, file_types=["a/b", "image/*"], locked=["branding"],
             **cell("public", "office", "call", "deny"))  # fmt: skip

    assert document.difference(old, new) == [
        "file_types: nothing -> a/b, image/*",
        "lifetimes.chat_s: 100 -> 50",
        "names.en: Water -> nothing",
        "policy.public.office.call: nothing -> deny",
        "locked: branding",
        "no longer locked: names",
    ]
    assert document.difference(None, of(file_types=[])) == ["file_types: nothing -> none at all"]
    assert document.difference(old, old) == []
