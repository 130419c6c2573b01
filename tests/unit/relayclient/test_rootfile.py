"""An organisation's root key as a file."""

import os
import stat

import pytest

from relayclient import rootfile
from relayclient.errors import FileUnusable, KeyFileBad, KeyFileExists, KeyFileNotPrivate
from relayproto.primitives import ed25519_public

SEED = bytes(range(32))


def entropy(count):
    return SEED[:count]


def test_a_key_is_made_for_its_owner_alone_and_read_again(tmp_path):
    path = tmp_path / "works.key"
    before = os.umask(0)
    try:
        public = rootfile.make(path, entropy)
    finally:
        os.umask(before)

    assert public == ed25519_public(SEED)
    assert rootfile.read(path) == SEED
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_replaces_nothing(tmp_path):
    path = tmp_path / "works.key"
    path.write_text("a diary")

    with pytest.raises(KeyFileExists):
        rootfile.make(path, entropy)

    assert path.read_text() == "a diary"


def test_the_key_of_a_relays_offline_root_is_read_as_relayd_init_made_it(tmp_path):
    path = tmp_path / "offline-root.key"
    path.write_bytes(SEED)
    path.chmod(0o600)

    assert rootfile.read(path) == SEED
    path.chmod(0o644)
    with pytest.raises(KeyFileNotPrivate):
        rootfile.read(path)


def test_a_key_that_others_may_read_is_not_used(tmp_path):
    path = tmp_path / "works.key"
    rootfile.make(path, entropy)
    path.chmod(0o640)

    with pytest.raises(KeyFileNotPrivate):
        rootfile.read(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "relayd organisation root key 1\n",
        "relayd organisation root key 2\n" + "0" * 64,
        "relayd organisation root key 1\r\n",
        "x" * 31,
        "x" * 33,
    ],
)
def test_a_file_that_holds_no_key_is_told(tmp_path, text):
    path = tmp_path / "works.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(KeyFileBad):
        rootfile.read(path)


def test_a_file_that_is_not_there_or_cannot_be_made_is_told(tmp_path):
    with pytest.raises(FileUnusable):
        rootfile.read(tmp_path / "none")
    with pytest.raises(FileUnusable):
        rootfile.make(tmp_path / "none" / "works.key", entropy)
