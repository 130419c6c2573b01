"""Badges: checked by the device alone, by records that lead on from what it knows, and never given back."""

from functools import partial

import pytest

from relayclient.events import OrganisationRefused
from relayproto import attestation, descriptor
from relayproto.attestation import Attested, Doubt
from relayproto.codes import Code
from relayproto.commands import GetDevices, Lookup
from relayproto.notices import Revoked
from relayproto.organisation import RootKey
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.replies import Account, Devices, Refused
from relayproto.rootkeys import sign_successor
from relayproto.verification import GetOrganisation, GetRevocations, Organisation, Revocation, Revocations
from support import attesting
from support.attesting import DAY_MS, NOW_MS, ROOT_SEED, attested, record, signed
from support.small_relay import SmallRelay
from support.talk import BOB, introduce, of

NEW_SEED = b"N" * 32
ROOT = descriptor.fingerprint(ed25519_public(SmallRelay().root_seed))
world_proof = partial(attesting.proof, relay=ROOT)
LIST = GetRevocations(0, 100)


class World:
    """Alice, who knows bob, and what the relay shows her of him."""

    def __init__(self, relay, alice, bob) -> None:
        introduce(relay, alice, bob)
        self.relay, self.alice, self.bob = relay, alice, bob.identity.account
        relay.answers |= {GetRevocations: Revocations((), 0, False), GetOrganisation: Refused(Code.NOT_PERMITTED, 0)}
        relay.connect(alice)

    def shows(self, packed: bytes | None = None, **changes) -> None:
        """Let the relay show a proof, a good one but for the changes."""
        if packed is None:
            packed = attestation.encode_proof(world_proof(attested(**{"account": self.bob} | changes)))
        shown = Devices(*self.relay.accounts[self.bob], BOB, packed)
        self.relay.answers[GetDevices] = shown
        self.alice.answered(shown, GetDevices(self.bob), NOW_MS)

    def tells(self, said=None, stamp_seed: bytes | None = None):
        """Let the relay tell of the organisation; return the events."""
        octets, signature = signed(said or record(), stamp_seed or self.relay.stamp_seed)
        return self.alice.answered(Organisation(octets, signature), GetOrganisation(1), NOW_MS)

    def asks(self) -> list:
        return [
            need for need in self.alice.next_needs(NOW_MS) if isinstance(need, GetOrganisation | GetRevocations)
        ]  # fmt: skip

    def badge(self, now_ms: int = NOW_MS):
        return self.alice.badge(self.bob, now_ms)


@pytest.fixture
def world(relay, alice, bob):
    return World(relay, alice, bob)


def test_a_badge_needs_a_proof_and_the_organisations_record(world) -> None:
    assert (world.badge(), world.asks()) == (None, [])
    world.shows()
    assert world.badge() is Doubt.UNKNOWN
    assert world.asks() == [LIST, GetOrganisation(1)]

    assert world.tells() == []

    badge = world.badge()
    assert isinstance(badge, Attested)
    assert (badge.organisation, badge.name, badge.title) == ("General Administration", "Bob Roy", "Registrar")
    assert GetOrganisation(1) not in world.asks()


def test_a_look_up_brings_the_proof_too(world) -> None:
    world.tells()
    packed = attestation.encode_proof(world_proof(attested(account=world.bob)))
    listed, signature = world.relay.accounts[world.bob]

    world.alice.answered(Account(world.bob, BOB, listed, signature, packed), Lookup(BOB), NOW_MS)

    assert isinstance(world.badge(), Attested)


def test_it_is_checked_offline_by_the_latest_time_that_is_known(world) -> None:
    world.shows()
    world.tells()
    assert world.badge(NOW_MS + 90 * DAY_MS) is Doubt.EXPIRED

    world.relay.now_ms = NOW_MS + 90 * DAY_MS
    world.relay.connect(world.alice).run()

    assert world.badge(NOW_MS) is Doubt.EXPIRED, "a clock that goes wrong brings no badge back"


def test_what_the_relay_stops_showing_is_no_badge_any_more(world) -> None:
    world.shows()
    world.tells()

    world.shows(b"")

    assert world.badge() is None


@pytest.mark.parametrize("packed", [b"\x01nonsense", attestation.encode_proof(world_proof())[:-1]])
def test_nonsense_is_doubted_and_asks_nothing(world, packed: bytes) -> None:
    world.shows(packed)

    assert world.badge() is Doubt.FORGED
    assert world.asks() == []


def test_a_proof_whose_attestation_is_none_is_doubted(world) -> None:
    whole = world_proof()
    world.shows(attestation.encode_proof(attestation.Proof(b"\x01x", whole.signature, b"\x01x", whole.signature)))

    assert world.badge() is Doubt.FORGED


def test_another_accounts_proof_is_none(world) -> None:
    world.shows(account=b"?" * 32)
    world.tells()

    assert world.badge() is Doubt.ANOTHER


def test_a_record_that_the_relay_has_not_signed_or_is_none_is_refused(world) -> None:
    world.shows()

    assert of(OrganisationRefused, world.tells(stamp_seed=b"X" * 32)) == [OrganisationRefused(1)]
    assert world.tells(record(unit=2)) == [OrganisationRefused(1)]
    octets = b"\x01nonsense"
    bad = world.alice.answered(Organisation(octets, bytes(64)), GetOrganisation(1), NOW_MS)
    assert bad == [OrganisationRefused(1)]
    assert world.badge() is Doubt.UNKNOWN


def test_a_root_key_is_followed_and_never_swapped(world) -> None:
    world.shows()
    world.tells()
    stranger = record(keys=(RootKey(ed25519_public(NEW_SEED), b"", b"", NOW_MS),), issued_ms=NOW_MS + 1)
    assert world.tells(stranger) == [OrganisationRefused(1)]
    assert isinstance(world.badge(), Attested)

    new = ed25519_public(NEW_SEED)
    led_on = RootKey(new, sign_successor(ROOT_SEED, ROOT, 1, new), sign_successor(NEW_SEED, ROOT, 1, new), NOW_MS)
    renewed = world_proof(attested(account=world.bob, root=blake2b_256(new)), root_seed=NEW_SEED)
    world.shows(attestation.encode_proof(renewed))
    assert world.badge() is Doubt.UNKNOWN
    assert GetOrganisation(1) in world.asks()
    assert world.tells(record(keys=(*record().keys, led_on), issued_ms=NOW_MS + 1)) == []

    assert isinstance(world.badge(), Attested)


def test_who_is_told_that_there_is_no_such_organisation_does_not_ask_on(world) -> None:
    world.shows()
    world.asks()

    world.alice.answered(Refused(Code.NOT_PERMITTED, 0), GetOrganisation(1), NOW_MS)
    world.alice.answered(Refused(Code.NOT_PERMITTED, 0), LIST, NOW_MS)

    assert world.alice.next_needs(NOW_MS + DAY_MS) == []


def test_what_is_taken_back_while_connected_counts_at_once_and_for_good(world) -> None:
    world.shows()
    world.tells()
    world.alice.answered(Revocations((), 4, False), LIST, NOW_MS)

    world.alice.noticed(Revoked(5, (b"a" * 16,)), NOW_MS)

    assert world.badge() is Doubt.REVOKED
    world.alice.housekeep(NOW_MS + 89 * DAY_MS)
    assert world.badge() is Doubt.REVOKED
    world.relay.connect(world.alice)
    assert world.asks() == [GetRevocations(5, 100)]


def test_what_was_taken_back_while_away_is_asked_for_page_by_page(world) -> None:
    world.shows()
    world.tells()
    assert world.asks() == [LIST]

    page = Revocations((Revocation(3, b"?" * 16, NOW_MS + DAY_MS),), 9, True)
    world.alice.answered(page, LIST, NOW_MS)
    assert world.asks() == [GetRevocations(3, 100)]
    last = Revocations((Revocation(7, b"w" * 16, NOW_MS + DAY_MS),), 9, False)
    world.alice.answered(last, GetRevocations(3, 100), NOW_MS)

    assert world.badge() is Doubt.REVOKED, "with its warrant"
    assert world.asks() == []
    world.alice.housekeep(NOW_MS + 2 * DAY_MS)
    assert isinstance(world.badge(), Attested), "kept until it would have ended, as the relay said"


def test_too_many_for_a_notice_are_asked_for(world) -> None:
    world.shows()
    world.alice.answered(Revocations((), 4, False), LIST, NOW_MS)
    assert LIST not in world.asks()

    world.alice.noticed(Revoked(90, ()), NOW_MS)

    assert world.asks() == [GetRevocations(4, 100)]


def test_a_notice_before_the_list_was_read_moves_no_place(world) -> None:
    world.shows()

    world.alice.noticed(Revoked(5, (b"?" * 16,)), NOW_MS)

    assert LIST in world.asks()


def test_a_relay_that_was_restored_is_asked_from_the_beginning(world) -> None:
    world.shows()
    world.alice.answered(Revocations((), 9, False), LIST, NOW_MS)
    world.relay.connect(world.alice)
    asked = GetRevocations(9, 100)
    assert asked in world.asks()

    world.alice.answered(Revocations((), 2, False), asked, NOW_MS)

    assert LIST in world.asks()


def renewals(world, now_ms: int) -> list:
    return of(GetDevices, world.alice.next_needs(now_ms))


def test_a_proof_that_ends_soon_is_asked_for_again_once_a_day(world) -> None:
    world.shows()
    assert renewals(world, NOW_MS + 83 * DAY_MS - 1) == []

    [asked] = renewals(world, NOW_MS + 83 * DAY_MS)
    assert asked.account == world.bob
    assert renewals(world, NOW_MS + 83 * DAY_MS) == []
    listed, signature = world.relay.accounts[world.bob]
    held = attestation.encode_proof(world_proof(attested(account=world.bob)))
    world.alice.answered(Devices(listed, signature, BOB, held), asked, NOW_MS + 83 * DAY_MS)
    assert renewals(world, NOW_MS + 84 * DAY_MS - 1) == []

    [again] = renewals(world, NOW_MS + 84 * DAY_MS)
    longer = attested(account=world.bob, not_before_ms=NOW_MS + 80 * DAY_MS, expires_ms=NOW_MS + 170 * DAY_MS)
    renewed = attestation.encode_proof(world_proof(longer))
    world.alice.answered(Devices(listed, signature, BOB, renewed), again, NOW_MS + 84 * DAY_MS)
    world.tells()

    assert isinstance(world.badge(NOW_MS + 91 * DAY_MS), Attested)
    assert renewals(world, NOW_MS + 100 * DAY_MS) == []


def test_nothing_is_asked_of_whom_a_message_waits_for(world) -> None:
    world.shows()
    world.alice.queue(BOB, "waits", now_ms=NOW_MS + 83 * DAY_MS)

    assert renewals(world, NOW_MS + 83 * DAY_MS) == []


def test_a_proof_that_is_not_kept_is_judged_and_what_that_takes_is_asked_for(world) -> None:
    packed = attestation.encode_proof(world_proof(attested(account=world.bob)))

    assert world.alice.administration.judge(world.bob, packed, NOW_MS) is Doubt.UNKNOWN
    assert world.asks() == [LIST, GetOrganisation(1)]
    world.tells()

    assert isinstance(world.alice.administration.judge(world.bob, packed, NOW_MS), Attested)
    assert world.alice.administration.judge(world.bob, b"nonsense", NOW_MS) is Doubt.FORGED
    assert world.badge() is None, "nothing is kept of it"


def test_what_somebody_says_of_himself_is_kept_as_it_is_shown_last(world) -> None:
    listed = world.relay.accounts[world.bob]
    seen = []
    for about in ("on leave", ""):
        world.alice.answered(Devices(*listed, BOB, b"", about), GetDevices(world.bob), NOW_MS)
        seen.append(world.alice.contact(world.bob).about)
    world.alice.answered(Account(world.bob, BOB, *listed, b"", "back"), Lookup(BOB), NOW_MS)

    assert [*seen, world.alice.contact(world.bob).about] == ["on leave", "", "back"]


def test_an_address_that_is_not_shown_is_no_address_and_takes_none_away(world) -> None:
    listed = world.relay.accounts[world.bob]

    world.alice.answered(Devices(*listed, ""), GetDevices(world.bob), NOW_MS)

    assert world.alice.contact(world.bob).address == BOB
