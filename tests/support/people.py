"""Alice, Bob, Carol and Mallory, each with one device, and a relay that stamps: for what is said between devices."""

from dataclasses import dataclass, field

from relayproto import identity, stamp
from relayproto.codes import Class, Lane, PrekeyKind, Scope
from relayproto.commands import SignedPrekey
from relayproto.descriptor import KeyDescriptor
from relayproto.e2e import prekeys, session
from relayproto.e2e.body import Opened, Sealed, open_body, seal
from relayproto.e2e.commitment import Context, conversation_id
from relayproto.e2e.content import Content
from relayproto.e2e.handshake import Own, Recipient, Secrets
from relayproto.e2e.session import Answering, Peer, Received, Sessions
from relayproto.identity import DeviceEntry, DeviceList
from relayproto.notices import Deliver
from relayproto.primitives import ML_KEM_768, Aead, Entropy, Kem, SigningKey, ed25519_public, x25519_public
from relayproto.replies import Bundle
from support.changed import replace
from support.kem import stream

NOW_MS = 1_790_000_000_000


@dataclass
class Person:
    """Somebody with one account and one device; every secret comes from ``entropy``."""

    name: str
    kem: Kem = ML_KEM_768
    device: int = 1
    entropy: Entropy = field(init=False)

    def __post_init__(self):
        self.entropy = stream(self.name)
        self.identity_seed, self.sign_seed, self.dh_private = (self.entropy(32) for _ in range(3))
        self.identity_key = ed25519_public(self.identity_seed)
        self.account = identity.account_id(self.identity_key)
        self.entry = DeviceEntry(self.device, ed25519_public(self.sign_seed), x25519_public(self.dh_private), NOW_MS)
        self.list = DeviceList(
            self.account, self.identity_key, 1, identity.FIRST_PREVIOUS, NOW_MS, self.device, (self.entry,)
        )
        self.prekeys: dict[PrekeyKind, SignedPrekey] = {}
        self.secrets: dict[int, bytes] = {}
        self.last_prekey = 0
        self.seen: set[bytes] = set()
        for kind in PrekeyKind:
            self.make_prekey(kind)

    def make_prekey(self, kind: PrekeyKind) -> SignedPrekey:
        self.last_prekey += 1
        self.prekeys[kind], self.secrets[self.last_prekey] = prekeys.generate(
            kind, self.last_prekey, account=self.account, device=self.device, sign_seed=self.sign_seed,
            entropy=self.entropy, kem=self.kem,
        )  # fmt: skip
        return self.prekeys[kind]

    @property
    def peer(self) -> Peer:
        return Peer(self.account, self.device)

    @property
    def list_hash(self) -> bytes:
        return identity.list_hash(identity.encode(self.list))

    @property
    def own(self) -> Own:
        return Own(self.account, self.device, self.list.version, self.list_hash, self.dh_private)

    def bundle(self, *, one_time: bool = True) -> Bundle:
        pick = self.prekeys
        return Bundle(
            self.device, pick[PrekeyKind.SIGNED], pick[PrekeyKind.ONE_TIME] if one_time else None,
            pick[PrekeyKind.KEM_LAST_RESORT],
        )  # fmt: skip

    def recipient(self, *, one_time: bool = True) -> Recipient:
        bundle = self.bundle(one_time=one_time)
        return Recipient(self.account, self.entry, self.list.version, self.list_hash, bundle)

    def next_list(self, **changes) -> DeviceList:
        """Return the list that follows one's own, with something changed."""
        return replace(
            self.list, **({"version": self.list.version + 1, "previous": self.list_hash} | changes)
        )  # fmt: skip

    def begin(self, other: "Person", held: Sessions | None = None, *, one_time: bool = True) -> Sessions:
        """Begin a session with somebody's device."""
        held = held or Sessions(other.peer)
        return session.begin(
            held, self.own, other.recipient(one_time=one_time), entropy=self.entropy, kem=self.kem
        )  # fmt: skip

    def answering(self, sender: "Person", wrap: bytes) -> Answering | None:
        """Return what it takes to open a wrap of the sender's, as a device would look it up."""
        head = session.prekeys_of(Sessions(sender.peer), wrap)
        if head is None:
            return None
        secrets = Secrets(self.secrets[head.signed], self.secrets.get(head.one_time), self.secrets[head.kem])
        return Answering(
            self.own, secrets, {self.list.version: self.list_hash}, sender.list, {}, frozenset(self.seen), self.kem
        )

    def receive(self, held: Sessions | None, sender: "Person", wrap: bytes, *, now_ms: int = NOW_MS) -> Received:
        """Open a wrap and keep what a device must: the one-time prekey is gone, the first message is remembered."""
        received = session.open_wrap(
            held or Sessions(sender.peer), wrap, now_ms=now_ms, entropy=self.entropy,
            answering=self.answering(sender, wrap),
        )  # fmt: skip
        if received.begun is not None:
            self.secrets.pop(received.begun.used.one_time, None)
            if received.begun.remember is not None:
                self.seen.add(received.begun.remember)
        return received


def talking(alice: Person, bob: Person) -> tuple[Sessions, Sessions]:
    """Return both sides of a session that has been answered."""
    bob.make_prekey(PrekeyKind.ONE_TIME)
    to_bob, wrap = session.seal(alice.begin(bob), b"hello")
    to_alice, answer = session.seal(bob.receive(None, alice, wrap).sessions, b"hello yourself")
    return alice.receive(to_bob, bob, answer).sessions, to_alice


@dataclass
class Stamping:
    """A relay as far as its stamps go."""

    relay_id: int = 7
    name: str = "relay"

    def __post_init__(self):
        self.entropy = stream(self.name)
        self.stamp_seed, self.hour_key = self.entropy(32), self.entropy(32)
        self.descriptor = KeyDescriptor(
            self.relay_id, 1, bytes(32), ed25519_public(self.stamp_seed), NOW_MS - 86_400_000, NOW_MS + 86_400_000, 0
        )

    def stamp(self, commitment: bytes, author: Person) -> bytes:
        who = stamp.Author(author.account, author.device, Scope.PERSON, NOW_MS)
        key_id = stamp.key_id_at(self.relay_id, NOW_MS)
        sealed = stamp.seal_author(Aead(self.hour_key), key_id, self.entropy(12), commitment, who)
        return stamp.stamp_all([(sealed, commitment)], SigningKey(self.stamp_seed))[0]

    def deliver(self, sealed: Sealed, author: Person, **changes) -> Deliver:
        delivered = Deliver(
            Lane.NORMAL, 1, author.account, author.device, Class.CHAT, NOW_MS + 1, sealed.commitment,
            self.stamp(sealed.commitment, author), b"", sealed.body,
        )  # fmt: skip
        return replace(delivered, **changes)


def context(author: Person, other: Person, **changes) -> Context:
    """Return where a message of the author's to the other belongs."""
    made = Context(conversation_id(author.account, other.account), bytes(16), author.account, author.device, NOW_MS)
    return replace(made, **changes)


def said(relay: Stamping, author: Person, other: Person, content: Content) -> Opened:
    """Return what the other opened of a content that the author sent."""
    sealed = seal(content, context(author, other), author.entropy)
    return open_body(relay.deliver(sealed, author), sealed.wrapped, author.peer, [relay.descriptor])
