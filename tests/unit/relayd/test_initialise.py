import stat
from pathlib import Path

import pytest

from relayd import config, initialise, keyring
from relayd.config import Config
from relayd.initialise import CannotCreate
from relayproto import descriptor
from relayproto.primitives import ed25519_public, x25519_public
from support.relay_keys import NOW_MS, made_keys, seeded


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"

    made_keys(state)

    assert mode(state) == 0o700
    assert mode(state / "keys") == 0o700
    for name in ("keys/relay-1.key", "keys/stamp.key", "keys/master.key", "offline-root.key"):
        assert mode(state / name) == 0o600


def test_the_fingerprint_is_that_of_the_root_that_signed(tmp_path: Path) -> None:
    root_fingerprint = made_keys(tmp_path)

    root_seed = (tmp_path / "offline-root.key").read_bytes()
    assert root_fingerprint == descriptor.fingerprint(ed25519_public(root_seed))
    assert (tmp_path / "root.pub").read_bytes() == ed25519_public(root_seed)


def test_every_secret_is_another_one(tmp_path: Path) -> None:
    made_keys(tmp_path)

    names = ("keys/relay-1.key", "keys/stamp.key", "keys/master.key", "offline-root.key")
    assert len({(tmp_path / name).read_bytes() for name in names}) == 4


def test_keys_that_exist_are_never_overwritten(tmp_path: Path) -> None:
    made_keys(tmp_path)
    before = (tmp_path / "keys" / "relay-1.key").read_bytes()

    with pytest.raises(CannotCreate, match="there are keys already"):
        made_keys(tmp_path, seed=2)

    assert (tmp_path / "keys" / "relay-1.key").read_bytes() == before


@pytest.mark.parametrize("left", ["day-keys", "relay.db"])
def test_new_keys_are_not_made_beside_a_store_that_they_cannot_open(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"sealed")

    with pytest.raises(CannotCreate, match="put a copy of keys/ back"):
        made_keys(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [left]


def test_an_interrupted_attempt_does_no_harm(tmp_path: Path) -> None:
    drawn = seeded()

    def entropy(count: int) -> bytes:
        if count == 4:
            raise KeyboardInterrupt
        return drawn(count)

    with pytest.raises(KeyboardInterrupt):
        initialise.make_keys(tmp_path, entropy, NOW_MS)
    assert not (tmp_path / "keys").exists()
    (tmp_path / "offline-root.key").write_bytes(b"left over")
    root_fingerprint = made_keys(tmp_path)

    assert keyring.load(tmp_path, NOW_MS, {}).root_fingerprint == root_fingerprint


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(CannotCreate, match="File exists"):
        made_keys(tmp_path / "state")


def test_the_configuration_has_the_values_given(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "relayd.toml"

    initialise.write_config(path, {"relay.endpoint": "relay.example:7443", "relay.state": "."})

    read = config.load(path)
    assert read.relay.endpoint == "relay.example:7443"
    assert read.state_directory == path.parent


def test_a_configuration_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "relayd.toml"
    path.write_text("mine")

    with pytest.raises(CannotCreate, match="there is a configuration already"):
        initialise.write_config(path, {})

    assert path.read_text() == "mine"


def test_a_configuration_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")

    with pytest.raises(CannotCreate, match="Not a directory"):
        initialise.write_config(tmp_path / "etc" / "below" / "relayd.toml", {})


def test_the_operator_is_told_to_take_the_root_away() -> None:
    text = initialise.report(Path("/srv/relay/relayd.toml"), Config(), b"\xab" * 32)
    steps = initialise.next_steps(Path("/srv/relay/relayd.toml"))

    assert "ab" * 32 in text
    assert "Move /var/lib/relayd/offline-root.key to a machine without a network now" in text
    assert "relayd serve --config /srv/relay/relayd.toml" in steps


def test_the_moderators_are_signed_by_the_root(tmp_path: Path) -> None:
    moderators = (b"1" * 32, b"2" * 32)

    initialise.make_keys(tmp_path, seeded(), NOW_MS, moderators)

    assert keyring.load(tmp_path, NOW_MS, {}).moderators == moderators


def test_a_moderators_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "moderator.key"

    public = initialise.make_moderator_key(path, seeded())

    assert mode(path) == 0o600
    assert x25519_public(path.read_bytes()) == public
    with pytest.raises(CannotCreate, match="there is a file already"):
        initialise.make_moderator_key(path, seeded(2))
    with pytest.raises(CannotCreate, match="No such file"):
        initialise.make_moderator_key(tmp_path / "nowhere" / "moderator.key", seeded(2))
