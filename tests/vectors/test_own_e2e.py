"""Our own frozen vectors of what devices say to each other, replayed from the files alone.

For XPQ1 and the ratchet there is a second reading of the spec below, made of hashlib, PyNaCl and kyber-py only, so that
a mistake would have to be made twice.
"""

import hashlib
import hmac
import json
import re
import struct

import nacl.bindings as sodium
import pytest
from kyber_py.ml_kem import ML_KEM_768 as KYBER
from nacl.exceptions import CryptoError

from relayproto import descriptor, identity, invitation, stamp
from relayproto.codes import PrekeyKind, Scope
from relayproto.commands import SignedPrekey
from relayproto.descriptor import KeyDescriptor
from relayproto.e2e import commitment, content, handshake, passing, ratchet, session
from relayproto.e2e.padding import padded_length, unpad
from relayproto.e2e.wrap import Wrapped, read_wrapped
from relayproto.errors import CryptoFailure
from relayproto.packed import unpack
from relayproto.primitives import Aead
from support import generate_e2e
from support.generate_e2e import VECTORS
from support.kem import stream
from support.people import NOW_MS, Person


def held(name):
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def raw(value):
    """Return the value with every hex string as bytes."""
    if isinstance(value, list):
        return [raw(each) for each in value]
    if isinstance(value, dict):
        return {key: raw(each) for key, each in value.items()}
    return bytes.fromhex(value) if isinstance(value, str) else value


CASES = held("xpq1")["cases"]


@pytest.mark.parametrize("page", ["55-identity.md", "60-e2e.md", "65-origin-stamp.md"])
def test_the_examples_in_the_spec_are_those_of_the_vectors(page):
    spec = (VECTORS.parent / "spec" / page).read_text(encoding="utf-8")
    vectors = "".join(path.read_text(encoding="utf-8") for path in VECTORS.glob("*.json"))

    examples = re.findall(r"\b[0-9a-f]{16,}\b", spec)

    assert examples
    assert [example for example in examples if example not in vectors] == []


@pytest.mark.parametrize("name", generate_e2e.ABOUT)
def test_the_committed_vectors_are_what_the_generator_makes(name):
    assert (VECTORS / f"{name}.json").read_text(encoding="utf-8") == generate_e2e.texts()[f"{name}.json"]


def test_device_lists_and_prekeys_hold():
    vector = held("identity")
    lists = raw(vector["lists"])
    first, second = (identity.decode(each["bytes"], each["signature"]) for each in lists)

    identity.supersedes(first, second)

    assert first.account.hex() == vector["account"]
    assert second.previous == lists[0]["hash"] == identity.list_hash(lists[0]["bytes"])
    prekeys = vector["prekeys"]
    for kind, number, key, signature in prekeys["signed"]:
        identity.verify_prekey(
            SignedPrekey(PrekeyKind(kind), number, bytes.fromhex(key), bytes.fromhex(signature)),
            account=first.account, device=prekeys["device"], sign_key=bytes.fromhex(prekeys["sign_key"]),
        )  # fmt: skip


def test_verification_descriptor_and_invitation_hold():
    vector = held("identity")
    own, check = bytes.fromhex(vector["identity_key"]), vector["verification"]
    other = bytes.fromhex(check["other_identity_key"])
    described = raw(vector["descriptor"])
    invited = invitation.from_link(vector["invitation"]["link"])

    assert identity.safety_number(other, own) == check["safety_number"]
    assert identity.matches(bytes.fromhex(check["code"]), other, own)
    keys = descriptor.read(described["bytes"], described["fingerprint"])
    assert KeyDescriptor(*described["fields"][:-1], tuple(described["fields"][-1])) == keys
    fields = [*invited.fields()]
    assert [each.hex() if isinstance(each, bytes) else each for each in fields] == vector["invitation"]["fields"]


@pytest.mark.parametrize("commit", held("stamp")["commits"], ids=lambda commit: len(commit["stamps"]))
def test_stamps_hold_and_open(commit):
    vector = held("stamp")
    key, hour_key = bytes.fromhex(vector["stamp_key"]), Aead(bytes.fromhex(vector["hour_key"]))
    account, device, scope, ms = vector["author"]

    for made, to in zip(raw(commit["stamps"]), raw(commit["commitments"]), strict=True):
        stamp.check(made, to, key)
        author = stamp.open_author(made, to, hour_key)
        assert author == (bytes.fromhex(account), device, Scope(scope), ms)
        assert stamp.key_id(made).hex() == vector["key_id"]


@pytest.mark.parametrize("case", CASES, ids=["one_time", "no_one_time"])
def test_a_first_message_is_answered_with_the_relays_own_kem(case):
    ours, theirs = raw(case["responder"]), raw(case["initiator"])
    own = handshake.Own(
        ours["account"], ours["device"], ours["list_version"], ours["list_hash"], ours["dh_private"]
    )  # fmt: skip
    secrets = handshake.Secrets(
        ours["signed"][1], ours["one_time"][1] if ours["one_time"] else None, ours["kem"][1]
    )  # fmt: skip

    claim, agreed = handshake.respond(
        own, bytes.fromhex(case["message"]), secrets, list_hashes={ours["list_version"]: ours["list_hash"]}
    )

    agreed_on = (agreed.root.hex(), agreed.passing.hex(), agreed.hash.hex())
    assert agreed_on == (case["root"], case["passing"], case["hash"])
    assert claim == (
        theirs["account"], theirs["device"], theirs["list_version"], theirs["list_hash"], case["order"],
        sodium.crypto_scalarmult_base(theirs["dh_private"]),
    )  # fmt: skip


def extract(salt, secret):
    return hmac.digest(salt, secret, "sha256")


class SecondReading:
    """Noise's symmetric state once more, as spec 60 §2 uses it."""

    def __init__(self, name):
        self.chain = self.hash = hashlib.sha256(name).digest()
        self.key, self.count = b"", 0

    def mix_hash(self, octets):
        self.hash = hashlib.sha256(self.hash + octets).digest()

    def mix_key(self, secret):
        first = extract(extract(self.chain, secret), b"\x01")
        self.key, self.count = extract(extract(self.chain, secret), first + b"\x02"), 0
        self.chain = first

    def open(self, sealed):
        nonce = bytes(4) + self.count.to_bytes(8, "little")
        opened = sodium.crypto_aead_chacha20poly1305_ietf_decrypt(sealed, self.hash, nonce, self.key)
        self.count += 1
        self.mix_hash(sealed)
        return opened


def before_the_kem(case):
    """Return the state of a second reader who has every X25519 key, and the KEM's ciphertext, which that opens."""
    ours, message = raw(case["responder"]), bytes.fromhex(case["message"])
    dh, base = sodium.crypto_scalarmult, sodium.crypto_scalarmult_base
    signed, static, ephemeral = ours["signed"][1], ours["dh_private"], message[17:49]
    kem_public, _ = KYBER.key_derive(ours["kem"][1])
    state = SecondReading(case["protocol_name"].encode())
    one_time_id = ours["one_time"][0] if ours["one_time"] else 0
    head = struct.pack(">BIIII", 1, ours["signed"][0], one_time_id, ours["kem"][0], ours["list_version"])
    state.mix_hash(b"relayd/e2e/1\x01" + head + ours["account"] + struct.pack(">I", ours["device"]) + ours["list_hash"])
    publics = [base(signed), base(static), *([base(ours["one_time"][1])] if ours["one_time"] else []), kem_public]
    for public in (*publics, ephemeral):
        state.mix_hash(public)
    for private in (signed, static, *([ours["one_time"][1]] if ours["one_time"] else [])):
        state.mix_key(dh(private, ephemeral))
    assert message[:17] == head
    return state, state.open(message[49:1153])


@pytest.mark.parametrize("case", CASES, ids=["one_time", "no_one_time"])
def test_a_second_reading_of_the_spec_answers_a_first_message_alike(case):
    ours, message = raw(case["responder"]), bytes.fromhex(case["message"])
    state, ciphertext = before_the_kem(case)

    state.mix_key(KYBER.decaps(KYBER.key_derive(ours["kem"][1])[1], ciphertext))
    state.mix_key(sodium.crypto_scalarmult(ours["signed"][1], state.open(message[1153:1201])))
    payload = state.open(message[1201:])

    theirs = raw(case["initiator"])
    assert payload == theirs["account"] + struct.pack(
        ">II32sI", theirs["device"], theirs["list_version"], theirs["list_hash"], case["order"]
    )
    assert state.hash.hex() == case["hash"]
    root = extract(extract(state.chain, b""), b"\x01")
    assert root.hex() == case["root"]
    assert extract(extract(state.chain, b""), root + b"\x02").hex() == case["passing"]


@pytest.mark.parametrize("case", CASES, ids=["one_time", "no_one_time"])
@pytest.mark.parametrize("guess", [b"", bytes(32), hashlib.sha256(b"a guess").digest()], ids=["none", "zero", "any"])
def test_who_has_every_key_but_the_kems_learns_neither_who_wrote_nor_the_root_of_the_session(case, guess):
    ours, message = raw(case["responder"]), bytes.fromhex(case["message"])
    another = KYBER.key_derive(bytes(64))[1]
    state, ciphertext = before_the_kem(case)

    for secret in (guess, KYBER.decaps(another, ciphertext)):
        state.mix_key(secret)
        with pytest.raises(CryptoError):
            state.open(message[1153:1201])
        assert extract(extract(state.chain, b""), b"\x01").hex() != case["root"]
        state, _ = before_the_kem(case)
    assert ours["kem"][1] != bytes(64)


def test_the_ratchets_conversation_is_said_and_heard_byte_for_byte():
    vector = held("ratchet")
    root, associated, signed = (bytes.fromhex(vector[name]) for name in ("root", "associated", "signed_private"))
    entropies = {side: stream(side) for side in ("initiator", "responder")}
    signed_public = sodium.crypto_scalarmult_base(signed)
    sides = {
        "initiator": ratchet.for_initiator(root, associated, signed_public, entropies["initiator"]),
        "responder": ratchet.for_responder(root, associated, signed),
    }
    sent = {step["send"]: step for step in vector["steps"] if "send" in step}

    for step in vector["steps"]:
        side = step["by"]
        if "send" in step:
            sides[side], message = ratchet.encrypt(sides[side], bytes.fromhex(step["plaintext"]))
            assert message.hex() == step["message"]
        else:
            message = bytes.fromhex(sent[step["receive"]]["message"])
            sides[side], plaintext = ratchet.decrypt(sides[side], message, now_ms=NOW_MS, entropy=entropies[side])
            assert plaintext.hex() == sent[step["receive"]]["plaintext"]

    assert {side: ratchet.to_bytes(state).hex() for side, state in sides.items()} == vector["states"]


def test_a_second_reading_of_the_spec_opens_the_ratchets_first_message():
    vector = held("ratchet")
    message = bytes.fromhex(vector["steps"][0]["message"])
    header, sealed = message[:43], message[43:]

    extracted = extract(
        bytes.fromhex(vector["root"]),
        sodium.crypto_scalarmult(bytes.fromhex(vector["signed_private"]), header[1:33]),
    )
    root = extract(extracted, b"relayd/ratchet/1\x01")
    chain = extract(extracted, root + b"relayd/ratchet/1\x02")
    opened = sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
        sealed, bytes.fromhex(vector["associated"]) + header, bytes(12), extract(chain, b"\x01")
    )

    assert opened.hex() == vector["steps"][0]["plaintext"]


def test_the_wraps_of_a_session_are_opened_by_the_other_side():
    vector, alice, bob = held("wrap"), Person("alice"), Person("bob")
    at_bob = session.Sessions(alice.peer)
    for each in vector["wraps"]:
        if each["by"] == "bob":
            at_bob, made = session.seal(at_bob, bytes.fromhex("01" + each["content_key"] + each["commitment"]))
            assert made.hex() == each["wrap"]
            continue
        received = bob.receive(at_bob, alice, bytes.fromhex(each["wrap"]))
        at_bob = received.sessions
        wrapped = Wrapped(bytes.fromhex(each["content_key"]), bytes.fromhex(each["commitment"]))
        assert read_wrapped(received.plaintext) == wrapped

    assert session.to_bytes(at_bob).hex() == vector["sessions"]["bob"]
    passed = vector["passing"]
    assert passing.read(at_bob, bytes.fromhex(passed["wrap"])) == (passed["kind"], passed["sent_ms"])


def test_a_second_reading_of_the_spec_opens_what_passes_by():
    vector, alice = held("wrap"), Person("alice")
    at_bob = session.from_bytes(bytes.fromhex(vector["sessions"]["bob"])).sessions[0]
    wrap = bytes.fromhex(vector["passing"]["wrap"])
    place = at_bob.ratchet.associated + alice.account + struct.pack(">I", alice.device) + b"\x01\x03"

    opened = sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
        wrap[14:], place, wrap[2:14], bytes.fromhex(vector["passing"]["passing_key"])
    )

    assert wrap[:2] == b"\x01\x03"
    assert opened == struct.pack(">BQ23x", vector["passing"]["kind"], vector["passing"]["sent_ms"])


def test_the_commitment_opens_and_lengths_are_padded():
    vector = held("commitment")
    made, octets = vector["commitment"], {key: raw(vector[key]) for key in ("content", "hidden", "opening", "context")}
    where = commitment.read_context(octets["context"])

    commitment.check_opens(bytes.fromhex(made), octets["content"], octets["hidden"], octets["opening"])

    assert (
        hashlib.blake2b(octets["context"], key=raw(vector["blinding"]), digest_size=32).hexdigest() == vector["hidden"]
    )
    keyed = hashlib.blake2b(octets["hidden"] + octets["content"], key=octets["opening"], digest_size=32)
    assert made == "01" + keyed.hexdigest()
    assert where.conversation == commitment.conversation_id(*raw(vector["accounts"]))
    assert (where.message.hex(), where.sender.hex()) == (vector["message"], vector["sender"])
    assert (where.device, where.sent_ms) == (vector["device"], vector["sent_ms"])
    assert [[n, padded_length(n)] for n, _ in vector["padded_lengths"]] == vector["padded_lengths"]


@pytest.mark.parametrize("kind", ["text", "read", "retry", "forward"])
def test_a_body_opens_to_its_content(kind):
    vector = held("content")
    each = raw(vector["contents"][kind])

    padded = Aead(each["content_key"]).open(bytes(12), each["body"][1:], b"\x01" + each["commitment"])
    context, blinding, opening, packed = unpack(unpad(padded), list[bytes])

    assert context.hex() == vector["context"]
    assert packed == each["content"]
    assert content.encode(content.decode(packed)) == packed
    where = commitment.read_context(context)
    commitment.check_opens(each["commitment"], packed, commitment.hide(where, blinding), opening)
    with pytest.raises(CryptoFailure):
        Aead(each["content_key"]).open(bytes(12), each["body"][1:], each["commitment"])
