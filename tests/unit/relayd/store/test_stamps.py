import os

from relayd.store.database import connect
from relayd.store.stamps import TREE_MAX, Stamper, Tracing
from relayd.store.vault import Nonces
from relayproto import stamp
from relayproto.codes import Scope
from relayproto.limits import STAMPED_TOGETHER_MAX
from relayproto.primitives import Aead, ed25519_public, x25519_public
from relayproto.stamp import Author
from support.stores import STAMP_SEED

HOUR_MS = 3_600_000
FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))
MODERATORS = (x25519_public(FIRST), x25519_public(SECOND))


def stamper(moderators=MODERATORS) -> Stamper:
    return Stamper(Tracing(7, STAMP_SEED, moderators, 180), Nonces(os.urandom), os.urandom)


def authored(ms: int = HOUR_MS) -> tuple[Author, bytes]:
    return Author(b"a" * 32, 1, Scope.PERSON, ms), b"\x01" + os.urandom(32)


def kept(db) -> list[tuple]:
    return db.execute("SELECT key_id, expires_ms, sealed FROM hour_key").fetchall()


def test_one_commits_stamps_all_hold(tmp_path) -> None:
    db = connect(tmp_path / "relay.db", autocheckpoint_pages=1000)
    submissions = [authored() for _ in range(2 * TREE_MAX + 5)]

    stamps = stamper().stamp(db, HOUR_MS, submissions)

    for one, (_, commitment) in zip(stamps, submissions, strict=True):
        stamp.check(one, commitment, ed25519_public(STAMP_SEED))
    assert TREE_MAX <= STAMPED_TOGETHER_MAX
    assert len({one[-64:] for one in stamps}) == 3
    db.close()


def test_nothing_to_stamp_makes_no_key(tmp_path) -> None:
    db = connect(tmp_path / "relay.db", autocheckpoint_pages=1000)

    assert stamper().stamp(db, HOUR_MS, []) == []
    assert kept(db) == []
    db.close()


def test_an_hours_key_is_sealed_to_the_moderators_once_and_kept_until_retention_ends(tmp_path) -> None:
    db = connect(tmp_path / "relay.db", autocheckpoint_pages=1000)
    maker, (author, commitment) = stamper(), authored(HOUR_MS + 1)

    maker.stamp(db, HOUR_MS, [authored()])
    (made,) = maker.stamp(db, HOUR_MS + 1, [(author, commitment)])

    ((key_id, expires_ms, sealed),) = kept(db)
    hour_key = Aead(stamp.open_hour_key(sealed, FIRST, SECOND))
    assert key_id == stamp.key_id(made) == stamp.key_id_at(7, HOUR_MS)
    assert expires_ms == HOUR_MS + 180 * 86_400_000
    assert stamp.open_author(made, commitment, hour_key) == author
    db.close()


def test_without_moderators_no_key_is_kept(tmp_path) -> None:
    db = connect(tmp_path / "relay.db", autocheckpoint_pages=1000)

    stamper(None).stamp(db, HOUR_MS, [authored()])

    assert kept(db) == []
    db.close()


def test_the_next_hour_has_another_key(tmp_path) -> None:
    db = connect(tmp_path / "relay.db", autocheckpoint_pages=1000)
    maker = stamper()

    for now_ms in (HOUR_MS, 2 * HOUR_MS):
        maker.stamp(db, now_ms, [authored()])

    assert len({key_id for key_id, *_ in kept(db)}) == 2
    db.close()


def test_an_hours_key_is_given_up_when_the_hour_is_over_though_nothing_is_stamped() -> None:
    db = connect(":memory:", autocheckpoint_pages=1000)
    maker = stamper(None)
    maker.stamp(db, HOUR_MS, [authored()])

    maker.end_hour(2 * HOUR_MS - 1)
    within = maker._hour_key
    maker.end_hour(2 * HOUR_MS)

    assert within is not None
    assert maker._hour_key is None
    db.close()


def test_the_seed_is_in_no_text() -> None:
    tracing = Tracing(7, STAMP_SEED, None, 180)

    assert repr(STAMP_SEED) not in repr(tracing)
    assert "7" in repr(tracing)
