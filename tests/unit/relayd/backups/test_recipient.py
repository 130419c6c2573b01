import os
from pathlib import Path

import pytest

from relayd.backups import recipient
from relayd.exits import CannotGoOn, Exit
from relayproto.errors import CryptoFailure


def test_what_is_sealed_to_the_one_half_opens_with_the_other(tmp_path: Path) -> None:
    recipient.make(tmp_path / "key", os.urandom)

    sealed = recipient.read_recipient(tmp_path / "key.pub").seal(b"text")

    opener = recipient.read_opener(tmp_path / "key")
    assert opener.open(sealed) == b"text"
    assert opener.recipient == recipient.read_recipient(tmp_path / "key.pub")
    assert b"text" not in sealed


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    for name in ("one", "two"):
        recipient.make(tmp_path / name, os.urandom)

    sealed = recipient.read_recipient(tmp_path / "one.pub").seal(b"text")

    with pytest.raises(CryptoFailure):
        recipient.read_opener(tmp_path / "two").open(sealed)


def test_the_secret_half_is_for_its_owner_and_in_no_repr(tmp_path: Path) -> None:
    recipient.make(tmp_path / "key", os.urandom)

    opener = recipient.read_opener(tmp_path / "key")

    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    secret = (tmp_path / "key").read_text().split()[1]
    assert repr(bytes.fromhex(secret)) not in repr(opener)
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(CannotGoOn, match="chmod 600"):
        recipient.read_opener(tmp_path / "key")


@pytest.mark.parametrize("there", ["key", "key.pub"])
def test_no_key_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("something")

    with pytest.raises(CannotGoOn, match=rf"{there}: there is a file already") as caught:
        recipient.make(tmp_path / "key", os.urandom)

    assert caught.value.status is Exit.CANNOT_CREATE
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "something"


def test_where_none_can_be_written_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="nowhere/key: No such file or directory"):
        recipient.make(tmp_path / "nowhere" / "key", os.urandom)


def test_the_halves_are_not_taken_for_each_other(tmp_path: Path) -> None:
    recipient.make(tmp_path / "key", os.urandom)

    with pytest.raises(CannotGoOn, match=r"this is the secret half; the relay's machine gets the one with \.pub only"):
        recipient.read_recipient(tmp_path / "key")
    with pytest.raises(CannotGoOn, match="this is the public half, which opens nothing"):
        recipient.read_opener(tmp_path / "key.pub")


@pytest.mark.parametrize("octets", [b"", b"nonsense", b"relayd-backup-secret-1 12", b"\xff" * 5_000])
def test_what_is_no_key_file_is_told_so(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "key").write_bytes(octets)

    with pytest.raises(CannotGoOn, match="relayd backup-key made") as caught:
        recipient.read_opener(tmp_path / "key")
    with pytest.raises(CannotGoOn, match="relayd backup-key makes one"):
        recipient.read_recipient(tmp_path / "key")
    with pytest.raises(CannotGoOn, match="No such file"):
        recipient.read_recipient(tmp_path / "missing")
    assert caught.value.status is Exit.CONFIG
