"""holder.py: one process of a home has the connection, the others poke it."""

import select
import subprocess
import sys

import pytest

from relayclient import holder

TAKES_AND_TELLS = """
import sys, pathlib
from relayclient import holder
print("held" if holder.take(pathlib.Path(sys.argv[1])) is None else "free")
"""


def readable(held: holder.Holder) -> bool:
    return bool(select.select([held.wake], [], [], 0)[0])


def test_the_first_process_holds_the_connection_and_a_second_one_does_not(tmp_path):
    held = holder.take(tmp_path)

    second = subprocess.run(
        [sys.executable, "-c", TAKES_AND_TELLS, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=30, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip

    assert held is not None
    assert second.stdout == "held\n"
    held.release()


def test_a_released_connection_can_be_taken_again(tmp_path):
    first = holder.take(tmp_path)
    assert holder.take(tmp_path) is None

    first.release()

    second = holder.take(tmp_path)
    assert second is not None
    second.release()


def test_a_poke_wakes_the_holder_once(tmp_path):
    held = holder.take(tmp_path)

    assert holder.poke(tmp_path)
    assert holder.poke(tmp_path)

    assert readable(held)
    held.poked()
    assert not readable(held)
    held.release()


def test_a_poke_where_nobody_holds_is_told(tmp_path):
    assert not holder.poke(tmp_path)


def test_a_poke_at_a_socket_that_a_dead_process_left_is_told_and_the_next_holder_replaces_it(tmp_path):
    left = holder.take(tmp_path)
    left.wake.close()

    poked = holder.poke(tmp_path)

    assert not poked
    held = holder.take(tmp_path)
    assert held is None  # `left` still has the lock
    left.release()
    again = holder.take(tmp_path)
    assert holder.poke(tmp_path)
    again.release()


def test_pokes_that_nobody_takes_fill_up_without_blocking(tmp_path):
    held = holder.take(tmp_path)

    assert all(holder.poke(tmp_path) for _ in range(2000))

    held.release()


def test_a_home_with_a_path_longer_than_a_socket_address_works(tmp_path):
    home = tmp_path / ("x" * 120)
    home.mkdir()

    held = holder.take(home)

    assert holder.poke(home)
    assert readable(held)
    held.release()


def test_a_home_where_no_socket_can_be_made_leaves_the_lock_free(tmp_path):
    (tmp_path / holder.WAKE_NAME).mkdir()

    with pytest.raises(OSError, match=r"wake\.sock"):
        holder.take(tmp_path)

    (tmp_path / holder.WAKE_NAME).rmdir()
    held = holder.take(tmp_path)
    assert held is not None
    held.release()


def test_a_socket_that_cannot_be_bound_leaves_the_lock_free(tmp_path, monkeypatch):
    monkeypatch.setattr(holder, "WAKE_NAME", "w" * 120)

    with pytest.raises(OSError, match="too long"):
        holder.take(tmp_path)

    monkeypatch.undo()
    held = holder.take(tmp_path)
    assert held is not None
    held.release()
