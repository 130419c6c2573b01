import pytest

from relayd.domain.acting import Effect
from relayd.domain.bounds import Bounds
from relayd.store import documents, sides
from relayd.store.authority import View
from relayproto import descriptor, document, policy, rootkeys, visibility
from relayproto.administration import CreateUnit, GetDocument, MoveUnit, PutDocument, RotateKey, SuspendOrganisation
from relayproto.administration_replies import Document
from relayproto.codes import Class, Code
from relayproto.document import FIRST_PREVIOUS
from relayproto.limits import BODY_BYTES_MAX, DOCUMENT_BYTES_MAX, LIFETIME_S_MAX
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.standing import PLATFORM, Action, Field, Permission, Standing, Viewer
from support.changed import replace
from support.documents import denied, draft
from support.documents import signed as signed_for
from support.officers import Chamber, chamber
from support.organisations import NOW_MS, Registry, registry, seed_of

ROOT_SEED = seed_of("gad.example")
RELAY_SEED = b"r" * 32
RELAY = descriptor.fingerprint(ed25519_public(RELAY_SEED))


@pytest.fixture
def made():
    with chamber() as opened:
        opened.unit(1)
        for version in (1, 2):
            opened.db.execute(
                "INSERT INTO document (unit, version, document, signature, since_ms) VALUES (1, ?, ?, ?, 0)",
                (version, b"document %d" % version, bytes([version]) * 64),
            )
        yield opened


@pytest.mark.parametrize(("asked", "version"), [(None, 2), (2, 2), (1, 1)])
def test_the_newest_version_is_in_force_and_older_ones_are_kept(made: Chamber, asked: int | None, version: int) -> None:
    shown = documents.get(made.view, GetDocument(1, asked))

    assert shown == Document(1, version, b"document %d" % version, bytes([version]) * 64)


@pytest.mark.parametrize(("unit", "version"), [(1, 3), (2, None)])
def test_what_there_is_not_is_version_0(made: Chamber, unit: int, version: int | None) -> None:
    assert documents.get(made.view, GetDocument(unit, version)) == Document(unit, 0, b"", b"")


# --- putting one in force ---


@pytest.fixture
def desk(tmp_path):
    with registry(tmp_path) as opened:
        opened.root, opened.admin = opened.organisation()
        opened.commit.tools.root_key = ed25519_public(RELAY_SEED)
        yield opened


def signed(unit: int, octets: bytes, root_seed: bytes) -> PutDocument:
    return signed_for(unit, octets, root_seed, RELAY)


def below(desk: Registry, unit: int, name: str = "Water") -> int:
    return desk.done(desk.admin, CreateUnit(unit, name)).value


def in_force(desk: Registry, unit: int) -> bytes:
    return documents.get(View(desk.db, NOW_MS), GetDocument(unit, None)).document


def side(desk: Registry, unit: int) -> sides.Side:
    return sides.read(desk.db, unit, Standing.VERIFIED)


def test_a_signed_document_is_in_force_and_says_so_in_the_log(desk: Registry) -> None:
    first = draft(desk.root, **denied("verified", "verified", "call"), lifetimes={"chat_s": 60})
    second = draft(desk.root, 2, first, limits={"targets": 3})

    effects = [desk.done(desk.admin, signed(desk.root, each, ROOT_SEED)) for each in (first, second)]

    assert effects == [
        Effect(desk.root, after=blake2b_256(first)),
        Effect(desk.root, before=blake2b_256(first), after=blake2b_256(second)),
    ]
    assert in_force(desk, desk.root) == second
    assert documents.get(View(desk.db, NOW_MS), GetDocument(desk.root, 1)).document == first


def test_what_it_says_holds_for_its_people_and_all_below(desk: Registry) -> None:
    low = below(desk, desk.root)
    at = Standing.VERIFIED * policy.ACTIONS + Action.CALL

    desk.done(desk.admin, signed(desk.root, draft(
        desk.root, **denied("verified", "verified", "call"), lifetimes={"chat_s": 60}, limits={"targets": 9}
    ), ROOT_SEED))  # fmt: skip
    desk.done(desk.admin, signed(low, draft(low, limits={"targets": 3}), ROOT_SEED))

    held = [side(desk, unit) for unit in (desk.root, low, PLATFORM)]
    assert [one.inbound[at] for one in held] == [Permission.DENY, Permission.DENY, Permission.ALLOW]
    longest = {**LIFETIME_S_MAX, Class.CHAT: 60}
    assert [one.bounds for one in held] == [Bounds(longest, BODY_BYTES_MAX, each) for each in (9, 3)] + [None]


def test_the_next_version_that_says_less_takes_back_what_the_last_one_said(desk: Registry) -> None:
    first = draft(desk.root, **denied("verified", "verified", "call"), lifetimes={"chat_s": 60})
    desk.done(desk.admin, signed(desk.root, first, ROOT_SEED))

    desk.done(desk.admin, signed(desk.root, draft(desk.root, 2, first), ROOT_SEED))

    assert replace(side(desk, desk.root), organisation=PLATFORM, unit=PLATFORM) == side(desk, PLATFORM)


def test_what_it_hides_is_hidden_of_its_people_and_of_all_below(desk: Registry) -> None:
    low = below(desk, desk.root)
    hiding = {"visibility": {"name": {"officers": "hide"}}}

    desk.done(desk.admin, signed(desk.root, draft(desk.root, **hiding), ROOT_SEED))

    officers = visibility.cell(Field.NAME, Viewer.OFFICERS)
    assert [side(desk, unit).visibility[officers] for unit in (desk.root, low, PLATFORM)] == [1, 1, 0]
    assert documents.check(desk.db) == (2, [])
    desk.db.execute("UPDATE unit SET visibility = NULL")
    assert documents.check(desk.db) == (2, [desk.root]), "what is enforced is what was signed"


def test_the_platforms_document_is_signed_by_the_relays_root_and_holds_for_everybody(desk: Registry) -> None:
    octets = draft(PLATFORM, **denied("public", "verified", "first_contact", "request"), lifetimes={"otp_s": 60})
    assert desk.do(desk.operator(), signed(PLATFORM, octets, ROOT_SEED)) is Code.BAD_SIGNATURE

    effect = desk.done(desk.operator(), signed(PLATFORM, octets, RELAY_SEED))

    assert effect.unit == PLATFORM
    held = side(desk, desk.root)
    assert held.inbound[Standing.PUBLIC * policy.ACTIONS + Action.FIRST_CONTACT] == Permission.REQUEST
    assert held.inbound[Standing.PUBLIC * policy.ACTIONS + Action.LOOKUP] == Permission.DENY, (
        "the default's other words"
    )
    assert held.bounds.longest_s[Class.OTP] == 60


def test_where_the_relay_knows_no_root_the_platform_has_no_document(desk: Registry) -> None:
    desk.commit.tools.root_key = b""

    assert desk.do(desk.operator(), signed(PLATFORM, draft(PLATFORM), RELAY_SEED)) is Code.BAD_SIGNATURE


def test_only_the_root_keys_signature_over_these_bytes_counts(desk: Registry) -> None:
    octets = draft(desk.root)
    good = rootkeys.sign_document(ROOT_SEED, RELAY, octets)
    wrong = [
        signed(desk.root, octets, b"another" + bytes(25)),
        signed_for(desk.root, octets, ROOT_SEED, bytes(32)),
        PutDocument(desk.root, octets, rootkeys.sign_domain(ROOT_SEED, RELAY, octets.decode())),
        PutDocument(desk.root, draft(desk.root, lifetimes={"chat_s": 60}), good),
        PutDocument(desk.root, octets, bytes(64)),
    ]

    assert [desk.do(desk.admin, each) for each in wrong] == [Code.BAD_SIGNATURE] * 5


def test_after_a_rotation_the_new_key_signs_and_the_old_one_does_not(desk: Registry) -> None:
    new, holder = b"n" * 32, desk.person("keys@gad.example", desk.root)
    key = ed25519_public(new)
    by_old, by_new = (rootkeys.sign_successor(seed, RELAY, desk.root, key) for seed in (ROOT_SEED, new))
    first = draft(desk.root)
    desk.done(desk.admin, signed(desk.root, first, ROOT_SEED))
    desk.done(holder, RotateKey(desk.root, key, by_old, by_new))
    second = draft(desk.root, 2, first)

    came = desk.do(desk.admin, signed(desk.root, second, ROOT_SEED))

    assert came is Code.BAD_SIGNATURE
    assert isinstance(desk.do(desk.admin, signed(desk.root, second, new)), Effect)


@pytest.mark.parametrize(
    "spoiled",
    [
        b"", b"{}", b"\xff", b"[" * DOCUMENT_BYTES_MAX, draft(1)[:-1] + b',"colour":1}', b" " + draft(1), draft(2),
        draft(1).replace(b'"schema":1', b'"schema":2'),
    ],
)  # fmt: skip
def test_what_is_no_document_of_this_unit_is_refused(desk: Registry, spoiled: bytes) -> None:
    assert desk.root == 1

    assert desk.do(desk.admin, signed(desk.root, spoiled, ROOT_SEED)) is Code.BAD_DOCUMENT


def test_only_the_version_after_the_one_in_force_is_taken(desk: Registry) -> None:
    first = draft(desk.root, lifetimes={"chat_s": 60})
    assert desk.do(desk.admin, signed(desk.root, draft(desk.root, 2), ROOT_SEED)) is Code.CONFLICT
    desk.done(desk.admin, signed(desk.root, first, ROOT_SEED))

    wrong = [first, draft(desk.root, 1, first), draft(desk.root, 3, first), draft(desk.root, 2),
             draft(desk.root, 2, draft(desk.root))]  # fmt: skip

    assert [desk.do(desk.admin, signed(desk.root, each, ROOT_SEED)) for each in wrong] == [Code.CONFLICT] * 5
    assert document.read(first).previous == FIRST_PREVIOUS
    assert isinstance(desk.do(desk.admin, signed(desk.root, draft(desk.root, 2, first), ROOT_SEED)), Effect)


def test_what_stands_above_cannot_be_loosened(desk: Registry) -> None:
    middle = below(desk, desk.root)
    low = below(desk, middle)
    name = [{"language": "hi", "text": "जल"}]
    desk.done(desk.operator(), signed(PLATFORM, draft(PLATFORM, lifetimes={"otp_s": 60}), RELAY_SEED))
    desk.done(desk.admin, signed(desk.root, draft(desk.root, locked=["names"]), ROOT_SEED))
    desk.done(desk.admin, signed(middle, draft(middle, lifetimes={"chat_s": 60}), ROOT_SEED))

    came = [
        desk.do(desk.admin, signed(low, draft(low, **fields), ROOT_SEED))
        for fields in (
            {"lifetimes": {"otp_s": 61}}, {"names": name}, {"lifetimes": {"chat_s": 61}},
            denied("public", "verified", "first_contact", "allow"),
        )
    ]  # fmt: skip

    assert came == [Code.LOCKED] * 4
    assert isinstance(desk.do(desk.admin, signed(low, draft(low, lifetimes={"chat_s": 60}), ROOT_SEED)), Effect)


def test_what_is_suspended_has_no_new_document(desk: Registry) -> None:
    desk.done(desk.operator(), SuspendOrganisation(desk.root, True))

    assert desk.do(desk.operator(), signed(desk.root, draft(desk.root), ROOT_SEED)) is Code.CONFLICT


def test_a_unit_that_moves_takes_its_document_along_and_the_strictest_holds(desk: Registry) -> None:
    strict, open_ = below(desk, desk.root, "Strict"), below(desk, desk.root, "Open")
    low = below(desk, open_, "Low")
    desk.done(desk.admin, signed(strict, draft(strict, lifetimes={"chat_s": 60}), ROOT_SEED))
    desk.done(desk.admin, signed(low, draft(low, lifetimes={"chat_s": 90}), ROOT_SEED))

    desk.done(desk.admin, MoveUnit(low, strict))

    assert side(desk, low).bounds.longest_s[Class.CHAT] == 60
    assert desk.do(desk.admin, MoveUnit(strict, low)) is Code.CONFLICT, "and never in a circle"


# --- whether what is kept is sound ---


@pytest.fixture
def documented(desk: Registry) -> Registry:
    first = draft(desk.root, lifetimes={"chat_s": 60})
    second = draft(desk.root, 2, first, **denied("verified", "verified", "call"), limits={"targets": 9})
    for octets in (first, second):
        desk.done(desk.admin, signed(desk.root, octets, ROOT_SEED))
    desk.done(desk.operator(), signed(PLATFORM, draft(PLATFORM, lifetimes={"otp_s": 60}), RELAY_SEED))
    below(desk, desk.root)
    return desk


def test_what_was_put_is_sound_and_what_has_nothing_is_not_looked_at(documented: Registry) -> None:
    assert documents.check(documented.db) == (2, [])


@pytest.mark.parametrize(
    ("harm", "units"),
    [
        ("UPDATE unit SET policy = NULL WHERE id = 1", [1]),
        ("UPDATE unit SET bounds = NULL WHERE id = 1", [1]),
        ("UPDATE unit SET bounds = zeroblob(36) WHERE id = 2", [2]),
        ("UPDATE platform SET policy = zeroblob(150)", [0]),
        ("UPDATE platform SET bounds = NULL", [0]),
        ("DELETE FROM document WHERE unit = 1 AND version = 1", [1]),
        ("DELETE FROM document WHERE unit = 1 AND version = 2", [1]),
        ("UPDATE document SET version = 3 WHERE unit = 1 AND version = 2", [1]),
        ("UPDATE document SET unit = 2 WHERE unit = 1", [1, 2]),
        ("UPDATE document SET document = x'00' WHERE unit = 0", [0]),
        ("UPDATE document SET document = 7 WHERE unit = 0", [0]),
        ("UPDATE document SET document = CAST(replace(CAST(document AS TEXT), ':60', ':61') AS BLOB)", [0, 1]),
    ],
)  # fmt: skip
def test_harm_to_documents_and_to_what_is_compiled_of_them_is_found(
    documented: Registry, harm: str, units: list[int]
) -> None:
    documented.db.execute(harm)

    assert documents.check(documented.db)[1] == units
