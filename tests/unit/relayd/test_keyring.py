import shutil
from pathlib import Path

import pytest

from relayd import keyring
from relayd.initialise import OFFLINE_ROOT, VALID_DAYS
from relayd.keyring import BadKeys
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.primitives import ed25519_public, x25519_public
from support.relay_keys import NOW_MS, made_keys

DAY_MS = 86_400_000


def add_key(state: Path, key_id: int, *, not_before_ms: int, stamp_seed: bytes | None = None) -> None:
    """Let the offline root of ``state`` sign one more key."""
    root_seed = (state / OFFLINE_ROOT).read_bytes()
    private = bytes([key_id]) * 32
    described = descriptor.make(
        root_seed,
        KeyDescriptor(
            relay_id=1,
            key_id=key_id,
            x25519=x25519_public(private),
            stamp_key=ed25519_public(stamp_seed or (state / "keys" / "stamp.key").read_bytes()),
            not_before_ms=not_before_ms,
            not_after_ms=NOW_MS + 1000 * DAY_MS,
            issued_ms=NOW_MS,
        ),
    )
    (state / "keys" / f"descriptor-{key_id}").write_bytes(described)
    (state / "keys" / f"relay-{key_id}.key").touch(mode=0o600)
    (state / "keys" / f"relay-{key_id}.key").write_bytes(private)


def load(state: Path, now_ms: int = NOW_MS, **environ: str) -> keyring.Keyring:
    return keyring.load(state, now_ms, environ)


def test_what_init_makes_can_be_loaded(tmp_path: Path) -> None:
    root_fingerprint = made_keys(tmp_path)

    keys = load(tmp_path)

    read = descriptor.read(keys.newest, root_fingerprint)
    assert keys.root_fingerprint == root_fingerprint
    assert keys.descriptors == (keys.newest,)
    assert x25519_public(keys.private[1]) == read.x25519
    assert ed25519_public(keys.stamp_seed) == read.stamp_key
    assert keys.relay_id == read.relay_id
    assert keys.moderators == read.moderators == ()
    assert keys.not_after_ms == NOW_MS + VALID_DAYS * DAY_MS


def test_no_secret_is_in_the_repr(tmp_path: Path) -> None:
    made_keys(tmp_path)

    keys = load(tmp_path)

    for secret in (keys.private[1], keys.stamp_seed, keys.master_key):
        assert repr(secret) not in repr(keys)


def test_a_credential_takes_the_place_of_the_file(tmp_path: Path) -> None:
    made_keys(tmp_path)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("stamp.key", "relay-1.key"):
        shutil.move(tmp_path / "keys" / name, credentials / f"relayd.{name}")

    keys = load(tmp_path, CREDENTIALS_DIRECTORY=str(credentials))

    assert keys.stamp_seed == (credentials / "relayd.stamp.key").read_bytes()
    assert keys.master_key == (tmp_path / "keys" / "master.key").read_bytes()


def test_the_newest_key_comes_first_and_older_ones_are_still_good(tmp_path: Path) -> None:
    made_keys(tmp_path)
    add_key(tmp_path, 2, not_before_ms=NOW_MS)

    keys = load(tmp_path)

    assert set(keys.private) == {1, 2}
    assert keys.newest == (tmp_path / "keys" / "descriptor-2").read_bytes()
    assert len(keys.descriptors) == 2


def test_a_key_of_tomorrow_is_not_used_today(tmp_path: Path) -> None:
    made_keys(tmp_path)
    add_key(tmp_path, 2, not_before_ms=NOW_MS + 1)

    assert set(load(tmp_path).private) == {1}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
@pytest.mark.parametrize("name", ["relay-1.key", "stamp.key", "master.key"])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / name).chmod(mode)

    with pytest.raises(BadKeys, match=f"{name}: others than its owner may read it"):
        load(tmp_path)


def test_without_keys_the_next_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match=r"root.pub: No such file or directory; relayd init makes the keys"):
        load(tmp_path)


def test_without_a_descriptor_the_next_step_is_told(tmp_path: Path) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / "descriptor-1").unlink()

    with pytest.raises(BadKeys, match="no key descriptor; relayd init makes the keys"):
        load(tmp_path)


def test_a_missing_secret_is_told(tmp_path: Path) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / "master.key").unlink()

    with pytest.raises(BadKeys, match=r"master.key: No such file"):
        load(tmp_path)


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / "master.key").write_bytes(bytes(33))

    with pytest.raises(BadKeys, match=r"master.key: not 32 bytes"):
        load(tmp_path)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / "master.key").unlink()
    (tmp_path / "keys" / "master.key").mkdir(mode=0o700)

    with pytest.raises(BadKeys, match=r"master.key: Is a directory$"):
        load(tmp_path)


def test_a_descriptor_of_another_root_is_refused(tmp_path: Path) -> None:
    made_keys(tmp_path / "ours")
    made_keys(tmp_path / "mallorys", seed=2)
    shutil.copy(tmp_path / "mallorys" / "keys" / "descriptor-1", tmp_path / "ours" / "keys" / "descriptor-1")

    with pytest.raises(BadKeys, match="not signed by the root"):
        load(tmp_path / "ours")


def test_a_descriptor_under_another_ones_name_is_refused(tmp_path: Path) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / "descriptor-1").rename(tmp_path / "keys" / "descriptor-2")

    with pytest.raises(BadKeys, match="it describes key 1"):
        load(tmp_path)


def test_a_key_that_is_not_the_descriptors_is_refused(tmp_path: Path) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / "relay-1.key").write_bytes(bytes(range(32)))

    with pytest.raises(BadKeys, match=r"relay-1.key: not the key of its descriptor"):
        load(tmp_path)


def test_a_stamp_key_that_is_not_the_descriptors_is_refused(tmp_path: Path) -> None:
    made_keys(tmp_path)
    (tmp_path / "keys" / "stamp.key").write_bytes(bytes(range(32)))

    with pytest.raises(BadKeys, match=r"stamp.key: not the stamp key of descriptor-1"):
        load(tmp_path)


def test_a_relay_whose_keys_have_all_ended_does_not_start(tmp_path: Path) -> None:
    made_keys(tmp_path)

    with pytest.raises(BadKeys, match="no relay key is good today"):
        load(tmp_path, NOW_MS + (VALID_DAYS + 1) * DAY_MS)


def test_the_master_key_can_be_had_alone(tmp_path: Path) -> None:
    made_keys(tmp_path)
    for path in (tmp_path / "keys").iterdir():
        if path.name != "master.key":
            path.unlink()

    master_key = keyring.master_key(tmp_path, {})

    assert master_key == (tmp_path / "keys" / "master.key").read_bytes()
    (tmp_path / "keys" / "master.key").unlink()
    (tmp_path / "keys").rmdir()
    with pytest.raises(BadKeys, match=r"master\.key: No such file or directory; relayd init makes the keys"):
        keyring.master_key(tmp_path, {})


@pytest.mark.parametrize("name", ["root.pub", "keys/master.key", "keys/stamp.key", "keys/relay-1.key"])
def test_a_key_that_was_lost_is_not_to_be_made_anew(tmp_path: Path, name: str) -> None:
    made_keys(tmp_path)
    (tmp_path / name).unlink()

    with pytest.raises(BadKeys, match=rf"{name}: No such file or directory; put its copy back, no other will do"):
        load(tmp_path)
