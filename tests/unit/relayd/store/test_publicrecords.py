"""An organisation's public record: its domains and the chain of its root keys."""

import itertools

import pytest

from relayd.domain.acting import Denied
from relayd.store import publicrecords
from relayproto import organisation
from relayproto.administration import MergeOrganisation, RotateKey, SuspendOrganisation
from relayproto.codes import Code
from relayproto.primitives import ed25519_public
from relayproto.rootkeys import sign_successor
from relayproto.verification import GetOrganisation
from support.organisations import NOW_MS, RELAY, Registry, registry, seed_of
from support.stores import STAMP_SEED, house

KEYS = [bytes([n]) * 32 for n in range(20)]


def record(desk: Registry, unit: int):
    return organisation.decode(publicrecords.get(desk.commit, GetOrganisation(unit)).record, RELAY)


def rotate(desk: Registry, unit: int, admin: bytes, old: bytes, new: bytes) -> object:
    key = ed25519_public(new)
    return desk.do(
        admin, RotateKey(unit, key, sign_successor(old, RELAY, unit, key), sign_successor(new, RELAY, unit, key))
    )


def test_a_record_says_name_domain_and_root_key(tmp_path) -> None:
    with registry(tmp_path) as desk:
        unit, _ = desk.organisation()

        said = record(desk, unit)

        assert (said.unit, said.name, said.domains, said.issued_ms) == (unit, "gad.example", ("gad.example",), NOW_MS)
        assert [(key.root_key, key.since_ms) for key in said.keys] == [(ed25519_public(seed_of("gad.example")), NOW_MS)]


def test_every_successor_stands_in_the_chain_and_no_key_comes_back(tmp_path) -> None:
    with registry(tmp_path) as desk:
        unit, admin = desk.organisation()
        held, seeds = record(desk, unit), [seed_of("gad.example"), *KEYS]
        for old, new in itertools.pairwise(seeds[:3]):
            desk.commit.now_ms += 1000
            rotate(desk, unit, admin, old, new)

        said = record(desk, unit)

        assert [key.root_key for key in said.keys] == [ed25519_public(seed) for seed in seeds[:3]]
        assert [key.since_ms for key in said.keys] == [NOW_MS, NOW_MS + 1000, NOW_MS + 2000]
        assert organisation.follows(held, said)
        assert rotate(desk, unit, admin, seeds[2], seeds[0]) is Code.CONFLICT


def test_the_newest_keys_are_in_it(tmp_path) -> None:
    with registry(tmp_path) as desk:
        unit, admin = desk.organisation()
        seeds = [seed_of("gad.example"), *KEYS]
        for old, new in zip(seeds, KEYS, strict=False):
            rotate(desk, unit, admin, old, new)

        assert [key.root_key for key in record(desk, unit).keys] == [ed25519_public(seed) for seed in KEYS[-16:]]


def test_a_merged_organisation_still_has_its_own_and_the_other_its_domain(tmp_path) -> None:
    with registry(tmp_path) as desk:
        (unit, _), (other, _) = desk.organisation(), desk.organisation("other.example")
        desk.done(desk.operator(), MergeOrganisation(other, unit))

        assert record(desk, unit).domains == ("gad.example", "other.example")
        assert record(desk, other).domains == ("other.example",)


def test_what_is_none_or_does_not_work_has_none(tmp_path) -> None:
    with registry(tmp_path) as desk:
        unit, _ = desk.organisation()
        desk.done(desk.operator(), SuspendOrganisation(unit, True))

        for asked in (unit, 99):
            with pytest.raises(Denied) as denied:
                publicrecords.get(desk.commit, GetOrganisation(asked))
            assert denied.value.code is Code.NOT_PERMITTED


async def test_what_leaves_the_store_is_signed_by_the_stamp_key(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        await relay.store._act(lambda commit: _found(commit.db))

        answer = await relay.store.answer(alice.seat, GetOrganisation(1))

        assert organisation.decode(answer.record, RELAY).name == "Works"
        organisation.check_record(ed25519_public(STAMP_SEED), answer.record, answer.signature)


def _found(db) -> None:
    db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (1, 0, 1, 'Works', 1)")
    db.execute("INSERT INTO organisation VALUES (1, ?, x'', 1)", (KEYS[0],))
    db.execute("INSERT INTO domain VALUES ('works.example', 1)")
