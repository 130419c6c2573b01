"""Warrants: whose key may attest, by the root key's word, and what ends with one that is taken back."""

import pytest

from relayd.domain.acting import Effect
from relayd.store import warrants
from relayproto.administration import RotateKey, SuspendOrganisation
from relayproto.codes import Code
from relayproto.limits import ATTESTATION_SKEW_MS
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.rootkeys import sign_successor
from relayproto.standing import Standing
from relayproto.verification import RevokeWarrant
from support.attestable import DOMAIN, department
from support.attesting import DAY_MS, attest, put_warrant
from support.organisations import NOW_MS, RELAY

OTHER_SEED = b"X" * 32


def test_a_warrant_is_kept_as_it_was_signed(tmp_path) -> None:
    with department(tmp_path, warranted=False) as at:
        change = put_warrant(at.warrant(), at.root_seed)

        effect = at.desk.done(at.admin, change)

        kept = warrants.find(at.desk.commit, b"w" * 16)
        assert (kept.warrant, kept.signature, kept.said) == (change.warrant, change.signature, at.warrant())
        assert (effect.unit, len(effect.after)) == (at.unit, 32)
        assert at.desk.do(at.admin, change) is Code.CONFLICT


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"organisation": 9}, Code.BAD_SIGNATURE), ({"expires_ms": NOW_MS}, Code.EXPIRED),
        ({"not_before_ms": NOW_MS + ATTESTATION_SKEW_MS + 1}, Code.BAD_LIFETIME),
        ({"key": ed25519_public(OTHER_SEED)}, Code.NOT_PERMITTED),
        ({"not_before_ms": NOW_MS, "expires_ms": NOW_MS + 400 * DAY_MS}, Code.BAD_SIGNATURE),
    ],
)  # fmt: skip
def test_a_warrant_that_cannot_be_is_denied(tmp_path, changes, code: Code) -> None:
    with department(tmp_path, warranted=False) as at:
        assert at.desk.do(at.admin, put_warrant(at.warrant(**changes), at.root_seed)) is code


def test_it_is_for_that_unit_and_account_and_signed_by_the_root_key(tmp_path) -> None:
    with department(tmp_path, warranted=False) as at:
        for change in (
            put_warrant(at.warrant(), OTHER_SEED), put_warrant(at.warrant(), at.root_seed, relay=bytes(32)),
            put_warrant(at.warrant(), at.root_seed, warrant=b"\x01x"),
            put_warrant(at.warrant(), at.root_seed, unit=at.root),
            put_warrant(at.warrant(), at.root_seed, account=at.bob),
        ):  # fmt: skip
            assert at.desk.do(at.admin, change) is Code.BAD_SIGNATURE


def test_only_the_organisations_own_get_one_and_only_where_it_works(tmp_path) -> None:
    with department(tmp_path, warranted=False) as at:
        frank = at.desk.person("frank@else.example")
        at.device(frank, OTHER_SEED)
        foreign = put_warrant(at.warrant(account=frank, key=ed25519_public(OTHER_SEED)), at.root_seed)
        assert at.desk.do(at.admin, foreign) is Code.NOT_PERMITTED

        at.desk.done(at.desk.operator(), SuspendOrganisation(at.root, True))
        assert at.desk.do(at.admin, put_warrant(at.warrant(), at.root_seed)) is Code.CONFLICT


def test_an_organisation_has_only_so_many(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(warrants, "WARRANTS_MAX", 1)
    with department(tmp_path) as at:
        assert at.desk.do(at.admin, put_warrant(at.warrant(serial=b"2" * 16), at.root_seed)) is Code.LIMIT


def test_with_a_warrant_goes_all_that_was_attested_under_it(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested()
        other = at.desk.person(f"carol@{DOMAIN}", at.unit, Standing.INVITED)
        at.warranted(serial=b"2" * 16)
        at.attested(account=other, address=f"carol@{DOMAIN}", serial=b"c" * 16, warrant=b"2" * 16)

        effect = at.desk.done(at.admin, RevokeWarrant(at.unit, b"w" * 16))

        assert (at.standing(at.bob), at.standing(other)) == (Standing.INVITED, Standing.VERIFIED)
        assert at.desk.db.execute("SELECT serial, until_ms FROM revocation").fetchall() == [
            (b"w" * 16, at.warrant().expires_ms)
        ]
        assert len(effect.before) == 32
        assert at.desk.do(at.admin, put_warrant(at.warrant(), at.root_seed)) is Code.CONFLICT, "never again"


def test_who_is_attested_under_another_warrant_too_stays(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested()
        at.warranted(serial=b"2" * 16)
        at.attested(serial=b"b" * 16, warrant=b"2" * 16)

        at.desk.done(at.admin, RevokeWarrant(at.unit, b"w" * 16))

        assert at.standing(at.bob) == Standing.VERIFIED


def test_a_warrant_is_taken_back_over_its_own_unit(tmp_path) -> None:
    with department(tmp_path) as at:
        assert at.desk.do(at.admin, RevokeWarrant(at.root, b"w" * 16)) is Code.NOT_PERMITTED
        assert at.desk.do(at.admin, RevokeWarrant(at.unit, b"?" * 16)) is Code.NOT_PERMITTED


def test_after_a_rotation_of_the_root_key_a_new_warrant_is_needed(tmp_path) -> None:
    with department(tmp_path) as at:
        new = ed25519_public(OTHER_SEED)
        signatures = sign_successor(at.root_seed, RELAY, at.root, new), sign_successor(OTHER_SEED, RELAY, at.root, new)
        at.desk.done(at.admin, RotateKey(at.root, new, *signatures))
        under_new = at.attestation(root=blake2b_256(new))

        assert at.desk.do(at.vera, attest(at.attestation())) is Code.BAD_SIGNATURE
        assert at.desk.do(at.vera, attest(under_new)) is Code.NOT_PERMITTED
        at.desk.done(at.admin, put_warrant(at.warrant(serial=b"2" * 16), OTHER_SEED))
        assert isinstance(at.desk.do(at.vera, attest(at.attestation(root=blake2b_256(new), warrant=b"2" * 16))), Effect)


def test_one_that_is_over_is_forgotten(tmp_path) -> None:
    with department(tmp_path) as at:
        at.desk.commit.now_ms = at.warrant().expires_ms
        warrants.forget(at.desk.commit)

        assert warrants.find(at.desk.commit, b"w" * 16) is None
