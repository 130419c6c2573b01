"""What is signed and has one canonical form: documents, acts, device lists, attestations, records, stamps.

Bytes enter a decoder. What a signature covers is signed here with a known key, so that whoever holds one is the
adversary and not only whoever holds none. The rules: Malformed or CryptoFailure and nothing else, and what was read is
written as the same bytes.
"""

from collections.abc import Callable

from fuzz.rules import Broken, only, require, target
from relayproto import acts, attestation, audit, descriptor, document, identity, organisation, stamp
from relayproto.attestation import Unattested
from relayproto.errors import CryptoFailure, Malformed
from relayproto.limits import ACT_BYTES_MAX, COMMITMENT_BYTES, DOCUMENT_BYTES_MAX, ORGANISATION_BYTES_MAX, TIME_MS_MAX
from relayproto.primitives import Aead, ed25519_public

SEED = b"k" * 32
KEY = ed25519_public(SEED)
RELAY = bytes(32)
COMMITMENT = bytes(COMMITMENT_BYTES)
NOW_MS = 1_790_000_000_000
PAPER_BYTES_MAX = ORGANISATION_BYTES_MAX
EMPTY = document.inherited([])


# --- documents --------------------------------------------------------------------------------
def a_document(octets: bytes) -> None:
    with only(Malformed):
        parsed = document.parse(octets)
    written = document.write(parsed)
    try:
        again = document.read(written)
    except Malformed as error:
        raise Broken(f"what was parsed is not read once it is written: {error}") from error
    require(document.write(again) == written, "a canonical form that is not the only one")
    require(document.leaves(again) == document.leaves(parsed), "another document comes back")
    holds = document.inherited([again])
    require(document.loosened(holds, again) == () or again.unit != 0, "the platform's document is below nothing")
    document.difference(EMPTY, again)
    document.permissions(holds)


def an_act(octets: bytes) -> None:
    with only(Malformed):
        act = acts.decode(octets)
    require(acts.encode(act) == octets, "an act of two forms")
    repr(act)


# --- papers -----------------------------------------------------------------------------------
def a_list(octets: bytes) -> None:
    with only(Malformed, CryptoFailure):
        devices = identity.decode(octets, identity.sign_list(SEED, octets))
    require(identity.encode(devices) == octets, "a device list of two forms")
    with only(CryptoFailure):
        identity.supersedes(devices, devices)
    with only(CryptoFailure):
        identity.supersedes(devices, devices)


def a_descriptor(octets: bytes) -> None:
    signed = octets + KEY
    described = signed + descriptor.sign(SEED, b"relayd/relay-key/1" + signed)
    with only(Malformed, CryptoFailure):
        said = descriptor.read(described, descriptor.fingerprint(KEY))
    require(descriptor.make(SEED, said) == described, "a descriptor of two forms")


def a_public_record(octets: bytes) -> None:
    with only(Malformed):
        said = organisation.decode(octets, RELAY)
    require(organisation.encode(said) == octets, "a record of two forms")
    require(organisation.follows(said, said), "a record that does not follow itself")


def an_audit_record(octets: bytes) -> None:
    with only(Malformed):
        said = audit.decode(octets)
    require(audit.encode(said) == octets, "an audit record of two forms")


def a_chain(octets: bytes) -> None:
    chain = audit.Chain({1: bytes(32)} if octets[:1] == b"\xff" else {})
    with only(audit.BrokenChain):
        chain.take(1, octets)
        chain.end()
    require(chain.records == audit.count(octets), "another number of records")


def a_proof(octets: bytes) -> None:
    with only(Malformed):
        shown = attestation.decode_proof(octets)
    require(attestation.encode_proof(shown) == octets, "a proof of two forms")
    with only(Unattested):
        attestation.check(shown, RELAY, None, b"O" * 32, NOW_MS)


def a_warrant(octets: bytes) -> None:
    with only(Malformed):
        said = attestation.decode_warrant(octets)
    require(attestation.encode_warrant(said) == octets, "a warrant of two forms")


def an_attestation(octets: bytes) -> None:
    with only(Malformed):
        said = attestation.decode(octets)
    require(attestation.encode(said) == octets, "an attestation of two forms")
    require(0 <= said.not_before_ms < said.expires_ms <= TIME_MS_MAX, "a time that is none")


def a_stamp(octets: bytes) -> None:
    with only(CryptoFailure):
        stamp.key_id(octets)
    with only(CryptoFailure):
        stamp.open_author(octets, COMMITMENT, Aead(SEED))


def a_foreign_stamp(octets: bytes) -> None:
    with only(CryptoFailure):
        stamp.check(octets, COMMITMENT, KEY)


PAPERS: tuple[Callable[[bytes], None], ...] = (
    a_list, a_descriptor, a_public_record, an_audit_record, a_chain, a_proof, a_warrant, an_attestation, a_stamp,
    a_foreign_stamp,
)  # fmt: skip


def a_paper(octets: bytes) -> None:
    """Take the first byte for which paper it is."""
    if octets:
        PAPERS[octets[0] % len(PAPERS)](octets[1:])


PAPER_TARGETS = {
    "document": target(a_document, DOCUMENT_BYTES_MAX + 8),
    "act": target(an_act, ACT_BYTES_MAX + 8),
    "paper": target(a_paper, PAPER_BYTES_MAX + 8),
}
