from pathlib import Path

import pytest

from relayd.backups import shelf, snapshot
from relayd.backups.shelf import Shelf, name_of
from relayd.backups.snapshot import Chunk, Signer
from relayd.exits import CannotGoOn, Exit
from relayproto import descriptor
from relayproto.descriptor import KeyDescriptor
from relayproto.primitives import ed25519_public

ROOT, STAMP = b"r" * 32, b"s" * 32
DESCRIBED = descriptor.make(ROOT, KeyDescriptor(1, 1, bytes(32), ed25519_public(STAMP), 0, 9, 1))
SIGNER = Signer(STAMP, DESCRIBED, descriptor.fingerprint(ed25519_public(ROOT)))


def put_backup(opened: Shelf, made_ms: int, *chunks: Chunk) -> str:
    opened.put(name_of(made_ms), snapshot.encode(made_ms, chunks, b"sealed", SIGNER))
    return name_of(made_ms)


def files(path: Path) -> set[str]:
    return {each.name for each in path.rglob("*") if each.is_file()} - {"lock"}


def test_names_say_when_and_sort_by_it() -> None:
    assert name_of(1_795_773_486_221) == "backup-20261127T095806.221Z"
    assert name_of(999) < name_of(1_000) < name_of(1_795_773_486_221)


def test_what_is_put_is_there_and_for_nobody_else(tmp_path: Path) -> None:
    with Shelf.to_write(tmp_path / "shelf") as opened:
        chunk = opened.put_chunk(b"n" * 32, b"sealed")
        opened.settle()
        name = put_backup(opened, 5, chunk)

    with Shelf.to_read(tmp_path / "shelf") as again:
        assert again.names() == [name]
        assert again.snapshot(name).chunks == (chunk,)
        assert again.sealed(chunk) == b"sealed"
        assert again.has(chunk)
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "shelf").rglob("*")}
    assert modes == {0}


def test_one_writes_at_a_time_and_nobody_reads_meanwhile(tmp_path: Path) -> None:
    with Shelf.to_write(tmp_path):
        for again in (Shelf.to_write(tmp_path), Shelf.to_read(tmp_path)):
            with pytest.raises(CannotGoOn, match="is at work here; wait for it") as caught, again:
                pass
            assert caught.value.status is Exit.LATER
    with Shelf.to_read(tmp_path), Shelf.to_read(tmp_path):
        pass


def test_a_copy_of_a_shelf_without_a_lock_is_read(tmp_path: Path) -> None:
    with Shelf.to_write(tmp_path):
        pass
    (tmp_path / "lock").unlink()

    with Shelf.to_read(tmp_path) as opened:
        assert opened.names() == []
    assert files(tmp_path) == set()


def test_where_there_is_no_shelf_none_is_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="there are no backups here") as caught, Shelf.to_read(tmp_path / "shelf"):
        pass

    assert caught.value.status is Exit.NO_INPUT
    assert not (tmp_path / "shelf").exists()


def test_a_chunk_that_was_changed_or_is_gone_is_named(tmp_path: Path) -> None:
    with Shelf.to_write(tmp_path) as opened:
        chunk = opened.put_chunk(b"n" * 32, b"sealed")
        (path,) = (tmp_path / "chunks").glob("??/*")
        path.write_bytes(b"SEALED")
        with pytest.raises(CannotGoOn, match=rf"{path}: it is damaged"):
            opened.sealed(chunk)
        path.write_bytes(b"short")
        assert not opened.has(chunk)
        path.unlink()
        assert not opened.has(chunk)
        with pytest.raises(CannotGoOn, match=rf"{path}: it is missing") as caught:
            opened.sealed(chunk)

    assert caught.value.status is Exit.NOT_WHOLE


def test_a_chunk_goes_with_the_last_backup_that_names_it(tmp_path: Path) -> None:
    with Shelf.to_write(tmp_path) as opened:
        first, second = (opened.put_chunk(letter * 32, b"sealed") for letter in (b"a", b"b"))
        older = put_backup(opened, 1, first, second)
        newer = put_backup(opened, 2, second)
        (tmp_path / "backup-half.new").write_bytes(b"half")

        kept = opened.clean()
        opened.drop([older])
        gone = opened.clean()

        assert (kept, gone) == (0, 1)
        assert files(tmp_path) == {newer, second.name.hex()}


def test_half_a_chunk_goes(tmp_path: Path) -> None:
    with Shelf.to_write(tmp_path) as opened:
        chunk = opened.put_chunk(b"a" * 32, b"sealed")
        name = put_backup(opened, 1, chunk)
        (half,) = (tmp_path / "chunks").glob("??/*")
        half.with_name(half.name + ".new").write_bytes(b"half")

        opened.clean()

        assert files(tmp_path) == {name, half.name}


def test_while_a_backup_cannot_be_read_no_chunk_goes(tmp_path: Path) -> None:
    with Shelf.to_write(tmp_path) as opened:
        chunk = opened.put_chunk(b"a" * 32, b"sealed")
        name = put_backup(opened, 1, chunk)
        (tmp_path / name).write_bytes(b"damaged")
        good = put_backup(opened, 2)

        with pytest.raises(CannotGoOn, match=name):
            opened.clean()

        assert chunk.name.hex() in files(tmp_path)
        assert list(opened.readable()) == [good]
        with pytest.raises(CannotGoOn, match="there is no such file"):
            opened.snapshot("backup-of-nobody")


def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(tmp_path: Path, monkeypatch) -> None:
    steps: list[str] = []
    fsync, replace = shelf.os.fsync, Path.replace
    monkeypatch.setattr(
        shelf.os, "fsync",
        lambda number: (steps.append(Path(f"/proc/self/fd/{number}").readlink().name), fsync(number)),
    )  # fmt: skip
    monkeypatch.setattr(Path, "replace", lambda path, to: (steps.append(f"-> {to.name}"), replace(path, to))[1])
    with Shelf.to_write(tmp_path / "shelf") as opened:
        opened.put("backup-x", b"octets")
        steps.append("chunk")
        opened.put_chunk(b"a" * 32, b"sealed")
        opened.settle()

    digits = "61" * 32
    assert steps == [
        "backup-x.new", "-> backup-x", "shelf", "chunk", f"{digits}.new", f"-> {digits}", "chunks", "61",
    ]  # fmt: skip
