"""Make our own frozen vectors of what devices say to each other: ``python tests/support/generate_e2e.py --write``.

Every secret is SHAKE-256 of a label (support.kem.stream) and the KEM is kyber-py's, so the files are the same each
time. All byte strings are hex. Without ``--write`` nothing is written.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relayproto import descriptor, identity, invitation, stamp
from relayproto.codes import PassingKind
from relayproto.e2e import body, commitment, handshake, passing, ratchet, session
from relayproto.e2e.content import Forward, Read, Retry, Text, encode
from relayproto.e2e.padding import padded_length
from relayproto.ids import Address, KeyId
from relayproto.invitation import Invitation
from relayproto.primitives import Aead, SigningKey, ed25519_public, x25519_public
from support.kem import DeterministicKem, stream
from support.people import NOW_MS, Person, Stamping, context, said

VECTORS = Path(__file__).resolve().parents[2] / "proto" / "vectors"
ROOT_SEED = stream("root")(32)


def people() -> tuple[Person, Person]:
    """Return alice and bob, whose encapsulations repeat."""
    return (
        Person("alice", DeterministicKem(stream("alice/encapsulation"))),
        Person("bob", DeterministicKem(stream("bob/encapsulation"))),
    )


def hexed(value: Any) -> Any:
    """Return the value with every byte string in it as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: hexed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [hexed(each) for each in value]
    return value


def identity_vectors() -> Iterator[tuple[str, Any]]:
    """Yield what identity.json holds."""
    alice, bob = people()
    second = alice.next_list(
        devices=(alice.entry, identity.DeviceEntry(identity.DeviceId(2), b"s" * 32, b"d" * 32, NOW_MS)),
        highest_device=2,
    )
    lists = []
    for listed in (alice.list, second):
        octets = identity.encode(listed)
        signature = identity.sign_list(alice.identity_seed, octets)
        lists.append({"bytes": octets, "signature": signature, "hash": identity.list_hash(octets)})
    yield "identity_seed", alice.identity_seed
    yield "identity_key", alice.identity_key
    yield "account", alice.account
    yield "lists", lists
    yield "prekeys", {
        "sign_key": alice.entry.sign_key, "device": alice.device,
        "signed": [[int(p.kind), p.id, p.key, p.signature] for p in alice.prekeys.values()],
    }  # fmt: skip
    yield (
        "verification",
        {
            "other_identity_key": bob.identity_key,
            "safety_number": identity.safety_number(alice.identity_key, bob.identity_key),
            "code": identity.verification_code(alice.identity_key, bob.identity_key),
        },
    )
    moderators = (x25519_public(b"m" * 32), x25519_public(b"n" * 32))
    keys = descriptor.KeyDescriptor(
        7, 1, x25519_public(b"x" * 32), ed25519_public(b"s" * 32), 1000, 2000, 500, moderators
    )
    fields = [*keys.fields()]
    described = descriptor.make(ROOT_SEED, keys)
    fingerprint = descriptor.fingerprint(ed25519_public(ROOT_SEED))
    yield "descriptor", {"root_seed": ROOT_SEED, "fields": fields, "bytes": described, "fingerprint": fingerprint}
    invited = Invitation(
        Address("officer@gad.example"), "relay.gad.example", 7443, KeyId(1), keys.x25519, fingerprint, bytes(range(16))
    )
    fields = [*invited.fields()]
    yield "invitation", {"fields": fields, "link": invitation.to_link(invited)}


def stamp_vectors() -> Iterator[tuple[str, Any]]:
    """Yield what stamp.json holds: commits of one, two and seven messages."""
    relay, entropy = Stamping(), stream("stamp")
    key_id = stamp.key_id_at(relay.relay_id, NOW_MS)
    author = stamp.Author(people()[0].account, identity.DeviceId(1), stamp.Scope.PERSON, NOW_MS)
    yield "stamp_seed", relay.stamp_seed
    yield "stamp_key", ed25519_public(relay.stamp_seed)
    yield "hour_key", relay.hour_key
    yield "key_id", key_id
    yield "author", list(author)
    commits = []
    for size in (1, 2, 7):
        commitments = [b"\x01" + entropy(32) for _ in range(size)]
        nonces = [entropy(12) for _ in range(size)]
        seals = [
            stamp.seal_author(Aead(relay.hour_key), key_id, nonce, each, author)
            for nonce, each in zip(nonces, commitments, strict=True)
        ]
        stamps = stamp.stamp_all(list(zip(seals, commitments, strict=True)), SigningKey(relay.stamp_seed))
        commits.append({"commitments": commitments, "nonces": nonces, "stamps": stamps})
    yield "commits", commits


def xpq1_vectors() -> Iterator[tuple[str, Any]]:
    """Yield what xpq1.json holds: one first message with and one without a one-time prekey."""
    cases = []
    for one_time in (True, False):
        alice, bob = people()
        ephemeral, encapsulation = stream(f"ephemeral/{one_time}")(32), stream(f"encapsulation/{one_time}")(32)
        recipient = bob.recipient(one_time=one_time)
        message, agreed = handshake.initiate(
            alice.own, recipient, order=1, entropy=lambda _, fixed=ephemeral: fixed,
            kem=DeterministicKem(lambda _, fixed=encapsulation: fixed),
        )  # fmt: skip
        head = handshake.head_of(message)
        cases.append(
            {
                "protocol_name": (handshake.NAME_ONE_TIME if one_time else handshake.NAME).decode(),
                "initiator": {
                    "account": alice.account, "device": alice.device, "dh_private": alice.dh_private,
                    "list_version": alice.list.version, "list_hash": alice.list_hash,
                    "ephemeral": ephemeral, "encapsulation": encapsulation,
                },
                "responder": {
                    "account": bob.account, "device": bob.device, "dh_private": bob.dh_private,
                    "list_version": bob.list.version, "list_hash": bob.list_hash,
                    "signed": [head.signed, bob.secrets[head.signed]],
                    "one_time": [head.one_time, bob.secrets[head.one_time]] if one_time else None,
                    "kem": [head.kem, bob.secrets[head.kem]],
                },
                "order": 1, "message": message, "root": agreed.root, "passing": agreed.passing, "hash": agreed.hash,
            }
        )  # fmt: skip
    yield "cases", cases


def ratchet_vectors() -> Iterator[tuple[str, Any]]:
    """Yield what ratchet.json holds: a conversation with turns of keys, a message that is late and one that is lost."""
    root, associated, signed = (stream("ratchet")(32), stream("associated")(32), stream("signed")(32))
    entropies = {"initiator": stream("initiator"), "responder": stream("responder")}
    sides = {
        "initiator": ratchet.for_initiator(root, associated, x25519_public(signed), entropies["initiator"]),
        "responder": ratchet.for_responder(root, associated, signed),
    }
    yield "root", root
    yield "associated", associated
    yield "signed_private", signed
    yield "entropy", "the n-th ratchet key of a side is SHAKE-256(side/n), 32 bytes"
    steps: list[dict[str, Any]] = []
    waiting: dict[int, bytes] = {}
    authors = {0: "initiator", 1: "responder", 2: "initiator", 3: "initiator", 4: "responder", 5: "responder",
               6: "initiator"}  # fmt: skip
    order = [("send", 0), ("receive", 0), ("send", 1), ("send", 2), ("send", 3), ("receive", 1), ("receive", 3),
             ("send", 4), ("send", 5), ("receive", 5), ("send", 6), ("receive", 6), ("receive", 2)]  # fmt: skip
    for action, number in order:
        author = authors[number]
        plaintext = f"message {number}".encode()
        if action == "send":
            sides[author], waiting[number] = ratchet.encrypt(sides[author], plaintext)
            steps.append({"send": number, "by": author, "plaintext": plaintext, "message": waiting[number]})
            continue
        reader = "responder" if author == "initiator" else "initiator"
        sides[reader], opened = ratchet.decrypt(
            sides[reader], waiting[number], now_ms=NOW_MS, entropy=entropies[reader]
        )  # fmt: skip
        if opened != plaintext:
            raise AssertionError("the two sides disagree")
        steps.append({"receive": number, "by": reader})
    yield "steps", steps
    yield "states", {side: ratchet.to_bytes(state) for side, state in sides.items()}


def wrap_vectors() -> Iterator[tuple[str, Any]]:
    """Yield what wrap.json holds: a first message twice, its answer, and what follows."""
    alice, bob = people()
    to_bob, to_alice = alice.begin(bob), session.Sessions(alice.peer)
    wraps = []
    for number, (author, reader) in enumerate([(alice, bob), (alice, bob), (bob, alice), (alice, bob)]):
        wrapped = session_plaintext(number)
        if author is alice:
            to_bob, made = session.seal(to_bob, wrapped)
            to_alice = reader.receive(to_alice, author, made).sessions
        else:
            to_alice, made = session.seal(to_alice, wrapped)
            to_bob = reader.receive(to_bob, author, made).sessions
        wraps.append({"by": author.name, "content_key": wrapped[1:33], "commitment": wrapped[33:], "wrap": made})
    yield "about_state", "alice begins with bob's one-time prekey; identities and prekeys are those of xpq1.json"
    passed = passing.Passed(PassingKind.TYPING, NOW_MS)
    yield "wraps", wraps
    yield "passing", {
        "by": "alice", "kind": passed.kind, "sent_ms": passed.sent_ms, "passing_key": to_bob.sessions[0].passing,
        "wrap": passing.seal(to_bob, alice.peer, passed, stream("passing")),
    }  # fmt: skip
    yield "sessions", {"alice": session.to_bytes(to_bob), "bob": session.to_bytes(to_alice)}


def session_plaintext(number: int) -> bytes:
    """Return what goes through the ratchet for the n-th envelope."""
    entropy = stream(f"wrap/{number}")
    return body.Wrapped(entropy(32), b"\x01" + entropy(32)).to_bytes()


def commitment_vectors() -> Iterator[tuple[str, Any]]:
    """Yield what commitment.json holds."""
    alice, bob = people()
    where = context(alice, bob)
    blinding, opening, content = stream("blinding")(32), stream("opening")(32), encode(Text("hello", 1))
    hidden = commitment.hide(where, blinding)
    yield "accounts", [alice.account, bob.account]
    yield "conversation", where.conversation
    yield "message", where.message
    yield "sender", where.sender
    yield "device", where.device
    yield "sent_ms", where.sent_ms
    yield "context", where.to_bytes()
    yield "blinding", blinding
    yield "opening", opening
    yield "content", content
    yield "hidden", hidden
    yield "commitment", commitment.commit(content, hidden, opening)
    yield "padded_lengths", [[n, padded_length(n)] for n in (0, 1, 127, 128, 1023, 1024, 2000, 5000, 12_799, 12_800)]


def content_vectors() -> Iterator[tuple[str, Any]]:
    """Yield what content.json holds: each kind of content, its bytes, and its body under fixed randomness."""
    alice, bob = people()
    relay = Stamping()
    evidence = said(relay, alice, bob, Text("hello", 1)).evidence
    contents = {
        "text": Text("नमस्कार", 1),
        "read": Read((bytes(range(16)),), NOW_MS),
        "retry": Retry(NOW_MS, (evidence.commitment,)),
        "forward": Forward(evidence),
    }
    where = context(alice, bob)
    yield "context", where.to_bytes()
    yield "evidence", [evidence.content, evidence.hidden, evidence.opening, evidence.commitment, evidence.stamp]
    yield "entropy", "blinding, opening and content key are SHAKE-256(content/KIND/1), /2 and /3, 32 bytes"
    sealed = {name: body.seal(content, where, stream(f"content/{name}")) for name, content in contents.items()}
    yield "contents", {
        name: {
            "content": encode(content), "content_key": sealed[name].wrapped.content_key,
            "commitment": sealed[name].commitment, "body": sealed[name].body,
        }
        for name, content in contents.items()
    }  # fmt: skip


ABOUT = {
    "identity": ("Spec 55: account, device lists, prekeys, verification, descriptor, invitation.", identity_vectors),
    "stamp": ("Spec 65: the stamps of commits of one, two and seven messages.", stamp_vectors),
    "xpq1": ("Spec 60 §2: first messages. The KEM seed is d | z, encapsulation is m (FIPS 203).", xpq1_vectors),
    "ratchet": ("Spec 60 §3: a conversation; message 2 is late, message 4 is lost.", ratchet_vectors),
    "wrap": ("Spec 60 §4: the wraps of a session.", wrap_vectors),
    "commitment": ("Spec 60 §5 and §6: context, commitment and padded lengths.", commitment_vectors),
    "content": ("Spec 60 §5: contents and their bodies.", content_vectors),
}


def texts() -> dict[str, str]:
    """Return file name -> what it holds."""
    return {
        f"{name}.json": json.dumps(hexed({"about": about, "version": 1, **dict(made())}), indent=1, ensure_ascii=False)
        + "\n"
        for name, (about, made) in ABOUT.items()
    }


if __name__ == "__main__":
    for name, text in texts().items():
        print(name, len(text))
        if "--write" in sys.argv:
            (VECTORS / name).write_text(text, encoding="utf-8")
