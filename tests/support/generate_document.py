"""Make proto/vectors/document.json: documents in their one form, what is refused, and what holds of several.

Run with --write after a change of the protocol; tests/vectors/test_own_documents.py compares.
"""

import json
import sys
from pathlib import Path
from typing import Any

from relayproto import document, rootkeys
from relayproto.limits import DOCUMENT_BYTES_MAX
from relayproto.primitives import ed25519_public
from relayproto.schema import Document
from relayproto.standing import PLATFORM
from support.documents import denied, draft

PATH = Path(__file__).parents[2] / "proto" / "vectors" / "document.json"
ROOT_SEED = bytes(range(32))
RELAY = bytes(range(32, 64))
"""The fingerprint of the relay's root that the signatures are for."""
FIRST = draft(7)
FULL = draft(
    7, 2, FIRST,
    names=[{"language": "en", "text": "Water Department"}, {"language": "hi", "text": "जल विभाग"},
           {"language": "sat-Olck-IN", "text": "ᱫᱟᱜ"}],
    branding={"primary": "#0b5394", "accent": "#ffd966", "picture": "11" * 32},
    policy={"public": {"verified": {"call": "deny", "first_contact": "request"}, "office": {"file": "allow"}}},
    visibility={"address": {"officers": "hide"}, "name": {"public": "show"}},
    lifetimes={"chat_s": 604_800, "otp_s": 300}, limits={"body_bytes": 8_192, "targets": 50},
    file_types=["application/pdf", "image/*"],
    packs=[{"id": "a", "hash": "22" * 32}, {"id": "a-b", "hash": "33" * 32}],
    tags=[{"id": "circulars", "hash": "44" * 32}],
    notices=[{"id": "welcome", "texts": [{"language": "en", "text": '"Two" lines\nof it \\ and / this'}]}],
    locked=["branding", "policy.public.verified", "notices.welcome.en"],
)  # fmt: skip
HEAD = FIRST[:-1]
REFUSED = {
    "nothing": b"",
    "too long": b" " * (DOCUMENT_BYTES_MAX + 1),
    "spaces": FIRST.replace(b":", b": ", 1),
    "another order": b'{"version":1,' + FIRST[1:].replace(b',"version":1', b""),
    "a field twice": FIRST.replace(b'"unit":7', b'"unit":6,"unit":7'),
    "an unknown field": HEAD + b',"z":1}',
    "no version": FIRST.replace(b',"version":1', b""),
    "another schema": FIRST.replace(b'"schema":1', b'"schema":2'),
    "a number as 7.0": FIRST.replace(b'"unit":7', b'"unit":7.0'),
    "an escape that is not needed": FULL.replace("जल".encode(), b"\\u091c\\u0932"),
    "a hash in capitals": FULL.replace(b"11" * 32, b"AB" * 32),
    "an address for a picture": FULL.replace(b"11" * 32, b"https://gad.example/picture.png"),
    "a language in another case": FULL.replace(b'"hi"', b'"HI"'),
    "rows in another order": FULL.replace(b'"id":"a"', b'"id":"b"'),
    "a group without fields": FIRST.replace(b'{"issued', b'{"branding":{},"issued'),
    "a lifetime above the protocol's": FULL.replace(b'"otp_s":300', b'"otp_s":901'),
    "a body smaller than a receipt": FULL.replace(b'"body_bytes":8192', b'"body_bytes":6143'),
    "a word that turns the line round": FULL.replace(b"Water", b"\xe2\x80\xaeWater"),
    "a path of nothing": FULL.replace(b'"locked":["branding"', b'"locked":["brand"'),
    "no UTF-8": FULL.replace(b"Water", b"Wat\xffr"),
    "too deep": HEAD + b',"names":' + b"[" * 500,
}
INHERITED: dict[str, list[bytes]] = {
    "the default": [],
    "the platform allows more": [draft(PLATFORM, **denied("public", "verified", "first_contact", "request"))],
    "the strictest counts": [
        draft(PLATFORM, lifetimes={"chat_s": 100}, file_types=["a/b", "c/d"], **denied("verified", "verified", "call")),
        draft(7, lifetimes={"chat_s": 200, "otp_s": 30}, file_types=["c/d", "e/f"]),
        draft(8, limits={"targets": 9}, **denied("verified", "verified", "call", "request")),
    ],
    "the lowest counts where nothing is locked": [
        draft(7, names=[{"language": "en", "text": "High"}], branding={"primary": "#111111", "accent": "#222222"},
              locked=["branding.accent", "notices.a"]),
        draft(8, names=[{"language": "en", "text": "Low"}], branding={"primary": "#333333", "accent": "#444444"},
              notices=[{"id": each, "texts": [{"language": "en", "text": "x"}]} for each in ("a", "a-b")]),
    ],
}  # fmt: skip
LOOSENED = {
    "a field shown that the default hides": ([], draft(8, visibility={"unit": {"public": "show"}})),
    "a field hidden": ([], draft(8, visibility={"name": {"public": "hide"}})),
    "a longer lifetime": ([draft(7, lifetimes={"chat_s": 100})], draft(8, lifetimes={"chat_s": 101})),
    "a shorter one": ([draft(7, lifetimes={"chat_s": 100})], draft(8, lifetimes={"chat_s": 99})),
    "a type of a kind": ([draft(7, file_types=["image/*"])], draft(8, file_types=["image/png"])),
    "a kind for a type": ([draft(7, file_types=["image/png"])], draft(8, file_types=["image/*"])),
    "a type more": ([draft(7, file_types=["a/b"])], draft(8, file_types=["a/b", "c/d"])),
    "the default's word": ([], draft(7, **denied("public", "verified", "call", "allow"))),
    "the same by the platform": ([], draft(PLATFORM, **denied("public", "verified", "call", "allow"))),
    "locked, two levels up": (
        [draft(7, locked=["lifetimes"]), draft(8)], draft(9, lifetimes={"chat_s": 5}, limits={"targets": 5}),
    ),
    "locked and repeated": (
        [draft(7, names=[{"language": "en", "text": "x"}], locked=["names"])],
        draft(8, names=[{"language": "en", "text": "x"}]),
    ),
}  # fmt: skip


def _read(several: list[bytes]) -> list[Document]:
    return [document.read(each) for each in several]


def _one(octets: bytes) -> dict[str, Any]:
    read = document.read(octets)
    table, visibilities = document.permissions(read), document.views(read)
    return {
        "document": octets.decode(), "hash": document.digest(octets),
        "signature": rootkeys.sign_document(ROOT_SEED, RELAY, octets).hex(),
        "table": None if table is None else table.hex(),
        "visibilities": None if visibilities is None else visibilities.hex(),
    }  # fmt: skip


def generate() -> str:
    """Return the file's text."""
    made = {
        "about": "Spec 75: documents, what is refused, what holds of several, what loosens what stands above.",
        "version": 1,
        "root_seed": ROOT_SEED.hex(),
        "relay": RELAY.hex(),
        "root_key": ed25519_public(ROOT_SEED).hex(),
        "documents": [_one(octets) for octets in (FIRST, FULL, draft(PLATFORM, **denied("office", "public", "call")))],
        "refused": [{"why": why, "octets": octets.hex()} for why, octets in REFUSED.items()],
        "inherited": [
            {"what": what, "documents": [each.decode() for each in several],
             "holds": document.write(document.inherited(_read(several))).decode()}
            for what, several in INHERITED.items()
        ],
        "loosened": [
            {"what": what, "above": [each.decode() for each in above], "document": below.decode(),
             "paths": document.loosened(document.inherited(_read(above)), document.read(below))}
            for what, (above, below) in LOOSENED.items()
        ],
    }  # fmt: skip
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")
