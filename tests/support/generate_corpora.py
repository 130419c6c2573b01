"""Make tests/fuzz/corpora/*.json: what fuzzing begins with, from the golden vectors and the samples of each message.

Run with --write after a change of the protocol; tests/fuzz/test_corpora.py compares. What fuzzing has found stands in
the same files under ``found``, and is kept.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fuzz import of_devices, of_papers
from fuzz.catalogue import CORPORA
from relayproto import acts, attestation, audit, identity, message, organisation
from relayproto.administration import Approve, CreateUnit
from relayproto.codes import Kind, Purpose, Suite
from relayproto.identity import DeviceEntry, DeviceList
from relayproto.notices import Goaway, Ping, Rekey
from relayproto.preface import Preface
from relayproto.record import pack, prefixed
from support import attesting
from support.changed import replace
from support.kem import stream
from support.samples import SAMPLES
from support.wire import HELLO, a_client, a_relay

VECTORS = Path(__file__).resolve().parents[2] / "proto" / "vectors"
Seeds = dict[str, bytes]


def vectors(name: str) -> dict[str, Any]:
    """Return one file of golden vectors."""
    read: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return read


def prefaces() -> Seeds:
    wanted = [Preface(suite, purpose, 1) for suite in Suite for purpose in Purpose]
    good = {f"{each.suite.name} {each.purpose.name}": each.encode() for each in wanted}
    return good | {"HTTP": b"GET / HTTP/1.1", "another version": b"RLY2" + bytes(8), "a flag": b"RLY1\1\1\1\1\0\0\0\1"}


def handshakes() -> Seeds:
    client, relay = a_client(), a_relay()
    first = client.data_to_send(0.0)
    relay.receive_data(first, 0.0)
    second = relay.data_to_send(0.0)
    [hello] = pack([message.encode(HELLO)])
    return {
        "message 1": b"\0\0" + first, "message 1 in pieces": b"\0\x70" + first, "message 2": b"\1\1" + second,
        "HELLO": b"\2\0" + hello.rstrip(b"\0"), "no HELLO": b"\2\0", "HELLO too long": b"\2\1" + bytes(300),
        "a key of low order": b"\3\0\0\0" + bytes(32), "a KEM key that is none": b"\3\7" + b"\xff" * 1184,
        "a descriptor": b"\1\1\0\x40RLYK" + bytes(60), "a length of 0": b"\0\0" + first[:12] + b"\0\0",
    }  # fmt: skip


def records() -> Seeds:
    [packed] = pack([message.encode(said) for said in (Ping(), Goaway(1, True, 0), Rekey())])
    return {
        "three frames": b"\0" + packed.rstrip(b"\0"), "an empty one": b"\0" + bytes(4),
        "a frame too long": b"\0\xff\xff", "a record": b"\3\1\x10" + bytes(272), "half of one": b"\2\1\x10" + bytes(9),
        "a length that none has": b"\2\0\x10" + bytes(16),
    }  # fmt: skip


def streams() -> Seeds:
    said = {type(each).__name__: message.encode(each, 3) for each in SAMPLES.values()}
    chosen = ("Submit", "Ack", "Lookup", "Ephemeral", "Act", "Deliver", "Gap", "Welcome", "Goaway", "Pong")
    [both] = pack([message.encode(Ping(), 1), message.encode(Ping(), 2), message.encode(Rekey())])
    to_relay = {f"{name} to the relay": b"\1" + prefixed(said[name]) for name in chosen}
    to_device = {f"{name} to a device": b"\0" + prefixed(said[name]) for name in chosen}
    return to_relay | to_device | {
        "two PINGs and REKEY": b"\1" + both.rstrip(b"\0"), "ENROL": b"\3" + prefixed(said["Enrol"]),
        "a kind that nobody knows": b"\1\0\4\x92\xcc\xff\0", "twice the same record": b"\5" + both.rstrip(b"\0"),
    }  # fmt: skip


def frames() -> Seeds:
    read = vectors("frame")
    refused = {each["why"]: bytes.fromhex(each["frame"]) for each in read["malformed"]}
    return {each: messages()[each] for each in ("PING", "LOOKUP", "GOAWAY", "ACK")} | refused


def messages() -> Seeds:
    changes = {Kind(kind).name: message.encode(said, 3) for kind, said in SAMPLES.items()}
    return changes | {each["kind"]: bytes.fromhex(each["frame"]) for each in vectors("frame")["frames"]}


def documents() -> Seeds:
    read = vectors("document")
    whole = {f"document {place}": each["document"].encode() for place, each in enumerate(read["documents"])}
    refused = {each["why"]: bytes.fromhex(each["octets"]) for each in read["refused"] if len(each["octets"]) < 10_000}
    return whole | refused


def all_acts() -> Seeds:
    seeds = {}
    for change in (Approve(3, bytes(32)), CreateUnit(1, "Rivers"), *map(SAMPLES.get, (Kind.ATTEST, Kind.GRANT_ROLE))):
        act = acts.Instruction(bytes(32), b"a" * 32, 1, 7, 1_000, 2_000, "file 12/3", False, change)
        seeds[type(change).__name__] = acts.encode(act)
    return seeds


def papers() -> Seeds:
    """Return one of each, rightly signed where this target signs, behind the number that says which."""
    account = identity.account_id(of_papers.KEY)
    entry = DeviceEntry(1, b"s" * 32, b"d" * 32, 1_000)
    one = DeviceList(account, of_papers.KEY, 1, identity.FIRST_PREVIOUS, 1_000, 1, (entry,))
    two = DeviceList(account, of_papers.KEY, 2, bytes(range(32)), 1_000, 3, (entry, replace(entry, device=3)))
    first, second = identity.encode(one), identity.encode(two)
    record = audit.encode(audit.Record(1_000, 1, Kind.CREATE_UNIT, b"a" * 32, 1, reason="file 12/3"))
    stamps = [bytes.fromhex(each) for commit in vectors("stamp")["commits"] for each in commit["stamps"][:2]]
    proof = attesting.proof()
    described = bytes.fromhex(vectors("identity")["descriptor"]["bytes"])[:-96]
    of = {paper.__name__: bytes((place,)) for place, paper in enumerate(of_papers.PAPERS)}
    return {
        "a device list": of["a_list"] + first, "two devices": of["a_list"] + second,
        "a descriptor": of["a_descriptor"] + described,
        "a public record": of["a_public_record"] + organisation.encode(attesting.record()),
        "an audit record": of["an_audit_record"] + record, "a chain": of["a_chain"] + record,
        "hidden records": of["a_chain"] + audit.hidden((bytes(32), b"h" * 32)),
        "a proof": of["a_proof"] + attestation.encode_proof(proof), "a warrant": of["a_warrant"] + proof.warrant,
        "an attestation": of["an_attestation"] + proof.attestation,
    } | {f"stamp {place}": of["a_stamp"] + each for place, each in enumerate(stamps)} | {
        f"foreign stamp {place}": of["a_foreign_stamp"] + each for place, each in enumerate(stamps)
    }  # fmt: skip


def contents() -> Seeds:
    read = vectors("content")
    said = {kind: b"\0" + bytes.fromhex(each["content"]) for kind, each in read["contents"].items()}
    return said | {"padded": b"\1\x93\1\2\3\x80" + bytes(122), "a context": b"\2" + bytes.fromhex(read["context"])}


def wraps() -> Seeds:
    one = of_devices.Pair()
    _, next_wrap = of_devices.session.seal(one.to_bob, b"next")
    _, first = of_devices.session.seal(one.alice.begin(one.fresh), b"hello")
    _, plain = of_devices.ratchet.encrypt(one.to_bob.sessions[0].ratchet, b"next")
    stored = of_devices.session.to_bytes(one.held)
    passed = of_devices.passing.seal(one.to_bob, one.alice.peer, of_devices.passing.Passed(1, 5), stream("nonce"))
    return {
        "in a session": b"\0" + next_wrap, "a first message": b"\0" + first, "a ratchet message": b"\1" + plain,
        "a first message alone": b"\2" + first[4:-66], "sessions in a store": b"\3" + stored,
        "what a wrap holds": b"\4\1" + bytes(65), "something passing": b"\4" + (passed or b""),
    }  # fmt: skip


def links() -> Seeds:
    link = vectors("identity")["invitation"]["link"].encode()
    packed = of_devices.invitation._decoded(link.partition(b"#")[2].decode())[1:-4]
    code = of_devices.linking._code(of_devices.linking._NEW, of_devices.pack(bytes(32), bytes(32), bytes(32)))
    return {
        "a link": b"\0" + link, "in lines": b"\0" + link[:40] + b"\r\n  " + link[40:], "cut off": b"\0" + link[:-9],
        "what a link holds": b"\x80" + packed, "an IPv6 address": b"\0relay://[2001:db8::1]:7443/join#AQ",
        "a code": b"\1" + code.encode(), "what a code holds": b"\x81" + of_devices.pack(*[bytes(32)] * 3),
    }  # fmt: skip


def sheets() -> Seeds:
    head, line = "address,name,title\r\n", 'bob@gad.example,"Roy, Bob",Registrar\r\n'
    hindi = "asha@gad.example;आशा\u200d;लिपिक\n"
    return {
        "commas": (head + line).encode(), "with a mark": ("\ufeff" + head + line).encode(),
        "semicolons": ("E-Mail;Full  name;Post\n" + hindi).encode(), "UTF-16": ("Mail\tName\n" + line).encode("utf-16"),
        "of Windows": "mail,name\njos\u00e9@gad.example,Jos\u00e9\n".encode("cp1252"),
        "twice": (head + line * 2).encode(),
        "old Macintosh": (head + line).replace("\r\n", "\r").encode(),
        "lines in a field": b'mail,name\na@b.example,"a\nb"\n',
        "open": b'mail\n"a@b.example', "nothing": b"", "a zero": b"mail\n\0@b.example\n",
    }  # fmt: skip


SEEDS = {
    "preface": prefaces, "handshake": handshakes, "record": records, "stream": streams, "frame": frames,
    "message": messages, "document": documents, "act": all_acts, "paper": papers, "content": contents, "wrap": wraps,
    "link": links, "sheet": sheets,
}  # fmt: skip


def generate(name: str) -> str:
    """Return the text of a target's file."""
    path = CORPORA / f"{name}.json"
    found = json.loads(path.read_text(encoding="utf-8"))["found"] if path.exists() else []
    seeds = {what: octets.hex() for what, octets in SEEDS[name]().items()}
    return json.dumps({"seeds": seeds, "found": found}, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in SEEDS:
        if sys.argv[1:] == ["--write"]:
            (CORPORA / f"{each}.json").write_text(generate(each), encoding="utf-8")
        else:
            print(generate(each), end="")
