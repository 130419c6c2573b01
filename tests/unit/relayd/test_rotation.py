import os
import shutil
from pathlib import Path

import msgspec
import pytest

from relayd import initialise, keyring, rotation
from relayd.exits import CannotGoOn, Exit
from relayd.keyring import BadKeys
from relayd.main import main
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.packed import pack, unpack

DAY_MS = 86_400_000
NOW_MS = 1_790_000_000_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the state of a relay whose offline root is on another machine."""
    initialise.make_keys(tmp_path / "state", os.urandom, NOW_MS)
    shutil.move(tmp_path / "state" / keyring.OFFLINE_ROOT, tmp_path / "root")
    return tmp_path / "state"


def fields_of(described: bytes) -> dict:
    return msgspec.structs.asdict(descriptor.read(described, descriptor.root_fingerprint(described)))


def root_of(state: Path) -> bytes:
    return (state.parent / "root").read_bytes()


def signed_by(root: bytes, asked: bytes, now_ms: int, days: int) -> bytes:
    return descriptor.make(root, rotation.sign(asked, root, now_ms, days))


def turned(state: Path, now_ms: int, days: int = 730):
    """Ask, sign and install."""
    asked = rotation.request(state, os.urandom, now_ms)
    return rotation.install(state, signed_by(root_of(state), asked, now_ms, days), now_ms)


def test_the_next_key_takes_over_while_both_are_good_and_alone_afterwards(state: Path) -> None:
    before = keyring.load(state, NOW_MS)
    later = NOW_MS + 710 * DAY_MS

    taken = turned(state, later)

    both, after = keyring.load(state, later), keyring.load(state, NOW_MS + 731 * DAY_MS)
    assert (taken.key_id, set(both.private), set(after.private)) == (2, {1, 2}, {2})
    assert descriptor.read(both.newest, both.root_fingerprint) == taken
    assert both.private[1] == before.private[1] != both.private[2]
    assert (after.relay_id, after.stamp_seed) == (before.relay_id, before.stamp_seed)


def test_keys_follow_one_another(state: Path) -> None:
    assert [turned(state, NOW_MS + days * DAY_MS).key_id for days in (0, 100, 200)] == [2, 3, 4]


def test_a_relay_whose_key_has_ended_still_gets_the_next(state: Path) -> None:
    late = NOW_MS + 800 * DAY_MS
    with pytest.raises(BadKeys):
        keyring.load(state, late)

    turned(state, late)

    assert set(keyring.load(state, late).private) == {2}


def test_a_request_that_was_lost_is_made_again_for_the_same_key(state: Path) -> None:
    first = rotation.request(state, os.urandom, NOW_MS)
    again = rotation.request(state, os.urandom, NOW_MS + 1)

    rotation.install(state, signed_by(root_of(state), first, NOW_MS, 30), NOW_MS)

    assert first != again
    assert set(keyring.load(state, NOW_MS).private) == {1, 2}


def test_a_request_holds_nothing_secret_and_is_no_descriptor(state: Path) -> None:
    asked = rotation.request(state, os.urandom, NOW_MS)

    assert (state / "keys" / "relay-2.key").stat().st_mode & 0o777 == 0o600
    assert (state / "keys" / "relay-2.key").read_bytes() not in asked
    with pytest.raises(CannotGoOn, match="not signed by this relay's root") as refused:
        rotation.install(state, asked, NOW_MS)
    assert refused.value.status is Exit.REFUSED


def test_what_does_not_fit_is_not_taken(state: Path, tmp_path: Path) -> None:
    signed = signed_by(root_of(state), rotation.request(state, os.urandom, NOW_MS), NOW_MS, 30)
    initialise.make_keys(tmp_path / "other", os.urandom, NOW_MS)
    [of_another] = (tmp_path / "other" / "keys").glob("descriptor-*")
    others = descriptor.make(root_of(state), KeyDescriptor(**fields_of(of_another.read_bytes())))
    before = sorted(path.name for path in (state / "keys").iterdir())

    for wrong, now_ms, words in (
        (b"nonsense", NOW_MS, "not signed by this relay's root"),
        (signed[:-1] + b"x", NOW_MS, "not signed by this relay's root"),
        (others, NOW_MS, "another relay's"),
        (signed, NOW_MS + 31 * DAY_MS, "not good today"),
    ):
        with pytest.raises(CannotGoOn, match=words):
            rotation.install(state, wrong, now_ms)
    (state / "keys" / "relay-2.key").write_bytes(bytes(32))
    with pytest.raises(CannotGoOn, match="not the key that this descriptor describes"):
        rotation.install(state, signed, NOW_MS)

    assert sorted(path.name for path in (state / "keys").iterdir()) == before


def test_only_a_request_is_signed(state: Path) -> None:
    [described] = (state / "keys").glob("descriptor-*")

    for wrong in (b"", described.read_bytes(), pack(b"x"), pack(b"x", b"y"), pack(1, b"y"), pack(b"x", b"y", b"z")):
        with pytest.raises(CannotGoOn, match="not a request"):
            rotation.sign(wrong, root_of(state), NOW_MS, 30)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"moderators": (b"m" * 32, b"n" * 32)}, "another moderators"), ({"moderators": ()}, "another moderators"),
        ({"stamp_key": b"s" * 32}, "another stamp key"), ({"relay_id": 7}, "another relay id"),
        ({"key_id": 1}, "key 1 does not follow key 1"),
    ],
)  # fmt: skip
def test_the_root_signs_nothing_new_but_a_key_and_its_time(state: Path, change: dict, words: str) -> None:
    """A relay that was broken into asks for what it likes: its own moderators would read what people report."""
    root, [path] = root_of(state), (state / "keys").glob("descriptor-*")
    moderated = fields_of(path.read_bytes()) | {"moderators": (b"1" * 32, b"2" * 32)}
    path.write_bytes(descriptor.make(root, KeyDescriptor(**moderated)))
    asked, previous = unpack(rotation.request(state, os.urandom, NOW_MS), tuple[bytes, bytes])
    forged = descriptor.make(bytes(32), KeyDescriptor(**(fields_of(asked) | change)))

    with pytest.raises(CannotGoOn, match=words) as refused:
        rotation.sign(pack(forged, previous), root, NOW_MS, 30)

    assert refused.value.status is Exit.REFUSED
    assert rotation.sign(pack(asked, previous), root, NOW_MS, 30).moderators == (b"1" * 32, b"2" * 32)


def test_the_descriptor_before_it_has_to_be_the_roots(state: Path) -> None:
    asked, previous = unpack(rotation.request(state, os.urandom, NOW_MS), tuple[bytes, bytes])
    own = KeyDescriptor(**(fields_of(previous) | {"moderators": (b"m" * 32, b"n" * 32)}))
    forged = descriptor.make(b"x" * 32, own), descriptor.make(bytes(32), own), previous[:-1] + b"x", b""

    for each in forged:
        with pytest.raises(CannotGoOn, match="not signed by this root"):
            rotation.sign(pack(asked, each), root_of(state), NOW_MS, 30)
        with pytest.raises(CannotGoOn, match="not signed by this root"):
            rotation.sign(pack(asked, previous), root_of(state), NOW_MS, 30, each)


def test_a_copy_that_was_kept_counts_and_not_the_one_in_the_request(state: Path) -> None:
    """An older descriptor of the same root, from before the moderators were changed, is the root's word as well."""
    root = root_of(state)
    asked, previous = unpack(rotation.request(state, os.urandom, NOW_MS), tuple[bytes, bytes])
    kept = descriptor.make(root, KeyDescriptor(**(fields_of(previous) | {"moderators": (b"1" * 32, b"2" * 32)})))

    with pytest.raises(CannotGoOn, match="another moderators"):
        rotation.sign(pack(asked, previous), root, NOW_MS, 30, kept)


def test_what_is_signed_is_shown() -> None:
    said = KeyDescriptor(9, 2, b"x" * 32, b"s" * 32, NOW_MS, NOW_MS + DAY_MS, NOW_MS, (b"1" * 32, b"2" * 32))

    assert rotation.shown(said).splitlines() == [
        "  relay       9", "  key         2", f"  public key  {(b'x' * 32).hex()}",
        "  good from   2026-09-21 14:13 UTC", "  until       2026-09-22 14:13 UTC",
        f"  stamp key   {descriptor.fingerprint(b's' * 32).hex()} (its fingerprint)",
        f"  moderator   {(b'1' * 32).hex()}", f"  moderator   {(b'2' * 32).hex()}",
    ]  # fmt: skip
    assert "moderator   none\n" in rotation.shown(msgspec.structs.replace(said, moderators=()))


def test_nothing_that_exists_is_overwritten(state: Path) -> None:
    signed = signed_by(root_of(state), rotation.request(state, os.urandom, NOW_MS), NOW_MS, 30)
    rotation.install(state, signed, NOW_MS)

    with pytest.raises(CannotGoOn, match="there is a file already") as refused:
        rotation.install(state, signed, NOW_MS)
    assert refused.value.status is Exit.CANNOT_CREATE


def test_the_three_steps_as_an_operator_types_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, carried = tmp_path / "relay", tmp_path / "carried"
    carried.mkdir()
    assert main(["init", "--state", str(state)]) == 0
    root = tmp_path / "offline-root.key"
    shutil.move(state / "offline-root.key", root)
    asked, signed = str(carried / "next.request"), str(carried / "next.descriptor")

    steps = (
        ["request", "--to", asked, "--state", str(state)],
        ["sign", asked, "--root", str(root), "--to", signed],
        ["install", signed, "--state", str(state)],
    )
    assert [main(["next-key", *step]) for step in steps] == [0, 0, 0]
    out = capsys.readouterr().out
    assert "Restart the relay" in out
    assert "The root has signed:\n  relay " in out

    assert main(["next-key", *steps[1]]) == Exit.CANNOT_CREATE
    assert main(["next-key", "sign", str(carried / "no"), "--root", str(root), "--to", asked]) == Exit.NO_INPUT
    assert main(["next-key", "sign", asked, "--root", asked, "--to", str(carried / "x")]) == Exit.REFUSED
    kept = ["sign", asked, "--root", str(root), "--previous", signed, "--to", str(carried / "x")]
    assert main(["next-key", *kept]) == Exit.REFUSED, "that key is signed already"
    said = capsys.readouterr().err.splitlines()
    assert ["there is a file already" in said[0], "No such file" in said[1], "no root key" in said[2]] == [True] * 3
    with pytest.raises(SystemExit):
        main(["next-key", "sign", asked, "--root", str(root), "--to", signed, "--days", "0"])
