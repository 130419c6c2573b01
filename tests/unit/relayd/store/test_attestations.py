"""Officers attest who people are: by a warranted key, about others, over their own unit; and take it back."""

import pytest

from relayd.store import attestations, attested
from relayproto import attestation
from relayproto.administration import AssignOffice, GrantRole, PlaceMember, SuspendOrganisation
from relayproto.codes import Code, Kind
from relayproto.limits import ATTESTATION_SKEW_MS, ATTESTED_ALONE_MAX
from relayproto.standing import PLATFORM, Field, Role, Standing
from relayproto.verification import Attest, RevokeAttestation
from support.attestable import DOMAIN, Department, department
from support.attesting import DAY_MS, TEXTS
from support.changed import replace
from support.organisations import NOW_MS
from support.rostered import in_force, line

OTHER_SEED = b"X" * 32


def proof_of(at: Department, account: bytes, now_ms: int = NOW_MS) -> bytes:
    return attested.proof(at.desk.db, at.desk.row(account), now_ms)


def revoked(at: Department) -> list[bytes]:
    return [serial for (serial,) in at.desk.db.execute("SELECT serial FROM revocation ORDER BY id")]


def test_who_is_attested_is_verified_and_shown_with_proof(tmp_path) -> None:
    with department(tmp_path) as at:
        change = at.attest(at.attestation())

        effect = at.desk.done(at.vera, change)

        shown = attestation.decode_proof(proof_of(at, at.bob))
        assert at.desk.belongs(at.bob) == (at.unit, Standing.VERIFIED)
        assert (shown.attestation, shown.signature, shown.statements) == (
            change.attestation, change.signature, change.statements,
        )  # fmt: skip
        assert (effect.unit, len(effect.before), len(effect.after)) == (at.unit, 32, 32)
        assert proof_of(at, at.vera) == b""


def test_an_account_of_nobody_with_an_address_of_the_domain_is_taken_in(tmp_path) -> None:
    with department(tmp_path) as at:
        carol = at.desk.person(f"carol@{DOMAIN}")

        effect = at.desk.done(at.vera, at.attest(at.attestation(account=carol), address=f"carol@{DOMAIN}"))

        assert at.desk.belongs(carol) == (at.unit, Standing.VERIFIED)
        assert effect.before == b""


@pytest.mark.parametrize("standing", [Standing.OFFICE, Standing.APPLICATION])
def test_an_office_and_an_application_stay_what_they_are(tmp_path, standing: Standing) -> None:
    with department(tmp_path) as at:
        counter = at.desk.person(f"counter@{DOMAIN}", at.unit, standing)
        address = f"counter@{DOMAIN}"
        person = at.attest(at.attestation(account=counter), address=address)

        assert at.desk.do(at.vera, person) is Code.CONFLICT
        assert at.desk.do(at.vera, at.attest(at.attestation(standing=standing))) is Code.CONFLICT
        at.attested(account=counter, address=address, standing=standing)
        at.desk.done(at.vera, RevokeAttestation(at.unit, counter))

        assert at.standing(counter) == standing


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"organisation": 9}, Code.BAD_SIGNATURE), ({"root": bytes(32)}, Code.BAD_SIGNATURE),
        ({"warrant": b"?" * 16}, Code.NOT_PERMITTED),
        ({"not_before_ms": NOW_MS - 90 * DAY_MS, "expires_ms": NOW_MS}, Code.EXPIRED),
        ({"not_before_ms": NOW_MS + ATTESTATION_SKEW_MS + 1}, Code.BAD_LIFETIME),
        ({"not_before_ms": NOW_MS + DAY_MS}, Code.BAD_LIFETIME),
        ({"not_before_ms": NOW_MS - 2 * DAY_MS, "expires_ms": NOW_MS + DAY_MS}, Code.BAD_LIFETIME),
        ({"expires_ms": NOW_MS + 91 * DAY_MS}, Code.BAD_SIGNATURE),
    ],
)  # fmt: skip
def test_what_cannot_be_attested_is_denied(tmp_path, changes, code: Code) -> None:
    with department(tmp_path) as at:
        assert at.desk.do(at.vera, at.attest(at.attestation(**changes))) is code


def test_unit_and_address_are_stated_and_are_the_true_ones(tmp_path) -> None:
    with department(tmp_path) as at:
        said, whole = at.attestation(), TEXTS | {Field.UNIT: str(at.unit), Field.ADDRESS: f"bob@{DOMAIN}"}
        for stated, code in (
            (whole | {Field.ADDRESS: f"rob@{DOMAIN}"}, Code.BAD_ADDRESS),
            (whole | {Field.UNIT: "1"}, Code.BAD_SIGNATURE),
        ):  # fmt: skip
            assert at.desk.do(at.vera, replace(at.attest(said, texts=stated), unit=at.unit)) is code
        for missing in (Field.UNIT, Field.ADDRESS):
            change = at.attest(said)
            left = tuple(each for each in change.statements if each.field is not missing)
            assert at.desk.do(at.vera, replace(change, statements=left)) is Code.BAD_SIGNATURE

        at.desk.done(at.vera, replace(at.attest(said), statements=at.attest(said).statements[2:]))
        assert at.standing(at.bob) == Standing.VERIFIED, "name and title need not be stated"


def test_it_is_about_that_account_and_unit_and_signed_by_that_key(tmp_path) -> None:
    with department(tmp_path) as at:
        good = at.attest(at.attestation())
        for change in (
            at.attest(at.attestation(), sign_seed=OTHER_SEED), at.attest(at.attestation(), relay=bytes(32)),
            replace(good, account=at.admin), replace(good, unit=at.root), replace(good, attestation=b"\x01x"),
            replace(good, statements=at.attest(at.attestation(), sign_seed=OTHER_SEED).statements),
            replace(good, statements=at.attest(at.attestation(serial=b"b" * 16)).statements),
            replace(good, statements=(replace(good.statements[0], text="Rob Roy"), *good.statements[1:])),
        ):  # fmt: skip
            assert at.desk.do(at.vera, change) is Code.BAD_SIGNATURE


def test_a_warrant_is_its_holders_and_reaches_its_unit_and_below(tmp_path) -> None:
    with department(tmp_path) as at:
        assert at.desk.do(at.admin, at.attest(at.attestation())) is Code.NOT_PERMITTED
        assert at.desk.do(at.vera, at.attest(at.attestation(), unit=at.root)) is Code.NOT_PERMITTED

        at.desk.db.execute("DELETE FROM device")
        assert at.desk.do(at.vera, at.attest(at.attestation())) is Code.NOT_PERMITTED, "a device that left its account"


def test_nobody_attests_himself(tmp_path) -> None:
    with department(tmp_path) as at:
        own = at.attest(at.attestation(account=at.vera), address=f"vera@{DOMAIN}")

        assert at.desk.do(at.vera, own) is Code.NOT_PERMITTED


def test_whom_the_actor_may_not_place_he_cannot_attest(tmp_path) -> None:
    with department(tmp_path) as at:
        above = at.desk.person(f"head@{DOMAIN}", at.root, Standing.INVITED)
        stranger = at.desk.person("carol@else.example")
        other, _ = at.desk.organisation("other.example")
        foreign = at.desk.person("dave@other.example", other, Standing.VERIFIED)
        merged = at.desk.person("erin@former.example", at.unit, Standing.INVITED)

        for account, address, code in (
            (above, f"head@{DOMAIN}", Code.NOT_PERMITTED), (foreign, "dave@other.example", Code.NOT_PERMITTED),
            (stranger, "carol@else.example", Code.NOT_PERMITTED), (b"?" * 32, f"x@{DOMAIN}", Code.NOT_PERMITTED),
            (merged, "erin@former.example", Code.BAD_ADDRESS),
        ):  # fmt: skip
            assert at.desk.do(at.vera, at.attest(at.attestation(account=account), address=address)) is code


def test_a_serial_is_used_once_and_an_account_has_only_so_many(tmp_path, monkeypatch) -> None:
    with department(tmp_path) as at:
        at.attested()
        assert at.desk.do(at.vera, at.attest(at.attestation())) is Code.CONFLICT
        at.desk.done(at.vera, RevokeAttestation(at.unit, at.bob))
        assert at.desk.do(at.vera, at.attest(at.attestation())) is Code.CONFLICT

        monkeypatch.setattr(attestations, "KEPT_MAX", 1)
        at.attested(serial=b"b" * 16)
        assert at.desk.do(at.vera, at.attest(at.attestation(serial=b"c" * 16))) is Code.LIMIT


def test_where_nothing_works_nothing_is_attested(tmp_path) -> None:
    with department(tmp_path) as at:
        at.desk.done(at.desk.operator(), SuspendOrganisation(at.root, True))

        assert at.desk.do(at.vera, at.attest(at.attestation())) is Code.CONFLICT


def test_a_renewal_keeps_the_account_and_what_it_holds(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested(expires_ms=NOW_MS + DAY_MS)
        at.desk.hold(at.bob, Role.BROADCASTER, at.unit)
        at.attested(serial=b"b" * 16)

        at.desk.commit.now_ms = NOW_MS + DAY_MS
        attested.end_expired(at.desk.commit)

        assert at.standing(at.bob) == Standing.VERIFIED
        assert at.desk.held(at.bob) == {(Role.BROADCASTER, at.unit)}
        shown = attestation.decode_proof(proof_of(at, at.bob, NOW_MS + DAY_MS))
        assert attestation.decode(shown.attestation).serial == b"b" * 16


def test_what_is_taken_back_takes_roles_and_offices_along_and_is_told(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested()
        at.attested(serial=b"b" * 16)
        counter = at.desk.person(f"counter@{DOMAIN}", at.unit, Standing.OFFICE)
        at.desk.done(at.admin, AssignOffice(at.unit, counter, at.bob, True))
        at.desk.done(at.admin, GrantRole(at.unit, at.bob, Role.BROADCASTER, NOW_MS + DAY_MS))

        effect = at.desk.done(at.admin, RevokeAttestation(at.root, at.bob))

        assert at.desk.belongs(at.bob) == (at.unit, Standing.INVITED)
        assert at.desk.held(at.bob) == set()
        assert at.desk.db.execute("SELECT count(*) FROM holder").fetchone() == (0,)
        assert proof_of(at, at.bob) == b""
        assert sorted(revoked(at)) == [b"a" * 16, b"b" * 16]
        assert [serial for _, serial in at.desk.commit.done.revoked] == revoked(at)
        assert (effect.unit, len(effect.before)) == (at.unit, 32)


def test_who_takes_back_may_take_every_role_that_goes_with_it(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested()
        at.desk.done(at.admin, GrantRole(at.unit, at.bob, Role.BROADCASTER, NOW_MS + DAY_MS))

        assert at.desk.do(at.vera, RevokeAttestation(at.unit, at.bob)) is Code.NOT_PERMITTED
        assert at.desk.do(at.vera, RevokeAttestation(at.unit, at.admin)) is Code.NOT_PERMITTED, "not of the unit"
        assert at.desk.do(at.admin, RevokeAttestation(at.unit, at.vera)) is Code.CONFLICT, "nothing is attested"


def many(at: Department, number: int, unit: int | None = None, serial: int = 0) -> Attest:
    """Return the change that attests the stranger of a number."""
    stranger = at.desk.person(f"stranger-{number:03}@{DOMAIN}")
    said = at.attestation(account=stranger, serial=(serial or number).to_bytes(16))
    return at.attest(said, address=f"stranger-{number:03}@{DOMAIN}", unit=unit)


def test_so_many_whom_nobody_expects_are_attested_alone_on_a_day(tmp_path) -> None:
    with department(tmp_path) as at:
        alone = [at.desk.done(at.vera, many(at, number)).second for number in range(100, 100 + ATTESTED_ALONE_MAX + 1)]

        in_force(at, line("stranger-200"), line("stranger-201"))
        by_herself = at.desk.done(at.vera, many(at, 201)).second
        at.desk.db.execute("UPDATE roster SET seconded = 1")
        expected = at.desk.done(at.vera, many(at, 200)).second
        renewed = at.desk.done(at.vera, many(at, 100, serial=300)).second
        at.desk.person(f"stranger-400@{DOMAIN}", at.unit, Standing.VERIFIED)
        verified = at.desk.done(at.vera, many(at, 400)).second
        at.desk.commit.now_ms += DAY_MS
        tomorrow = at.desk.done(at.vera, many(at, 500)).second

        assert alone == [False] * ATTESTED_ALONE_MAX + [True]
        assert by_herself, "a list that she brought alone vouches for nobody"
        assert (expected, renewed, verified, tomorrow) == (False, False, False, False)


def test_who_is_expected_in_another_unit_is_not_expected_here(tmp_path) -> None:
    with department(tmp_path) as at:
        in_force(at, line("stranger-200"), unit=at.root)
        at.desk.db.execute("UPDATE roster SET seconded = 1")
        at.desk.done(at.vera, many(at, 200))

        assert at.desk.db.execute("SELECT amount FROM alone WHERE kind = ?", (Kind.ATTEST,)).fetchone() == (1,)


def test_who_is_placed_anew_or_leaves_is_attested_no_longer(tmp_path) -> None:
    with department(tmp_path) as at:
        at.attested()
        at.desk.done(at.admin, PlaceMember(at.root, at.bob, Standing.INVITED))
        assert (revoked(at), proof_of(at, at.bob)) == ([b"a" * 16], b"")

        at.warranted(unit=at.root, serial=b"2" * 16)
        at.desk.hold(at.vera, Role.VERIFIER, at.root)
        at.attested(unit=at.root, serial=b"b" * 16, warrant=b"2" * 16)
        at.desk.done(at.admin, PlaceMember(at.root, at.bob, Standing.PUBLIC))

        assert revoked(at) == [b"a" * 16, b"b" * 16]
        assert at.desk.belongs(at.bob) == (PLATFORM, Standing.PUBLIC)
