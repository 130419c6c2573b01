import errno
import json
import os
import stat
import sys

import pytest

from relayd import carrier
from relayd.carrier import Carrier

CHECKPOINT = {
    "relay": "00" * 32, "records": 41, "head": "11" * 32, "at_ms": 1_790_000_000_000, "key_id": 1,
    "signature": "22" * 64,
}  # fmt: skip


async def test_a_checkpoint_lies_in_the_file_of_its_month(tmp_path) -> None:
    carried = Carrier(tmp_path, ())

    answers = [await carried.answer({**CHECKPOINT, "records": records}) for records in (41, 42)]

    [path] = tmp_path.iterdir()
    assert path.name == "checkpoints-2026-09.jsonl"
    assert [json.loads(line) for line in path.read_text().splitlines()] == [CHECKPOINT, {**CHECKPOINT, "records": 42}]
    assert answers == [{"carried": 41}, {"carried": 42}]


async def test_a_command_gets_each_on_its_standard_input(tmp_path) -> None:
    written = tmp_path / "written"
    script = f"import sys; open({str(written)!r}, 'a').write(sys.stdin.read())"

    answer = await Carrier(None, (sys.executable, "-c", script)).answer(CHECKPOINT)

    assert answer == {"carried": 41}
    assert json.loads(written.read_text()) == CHECKPOINT


async def test_a_command_that_fails_or_takes_too_long_has_not_carried_it(monkeypatch) -> None:
    failed = await Carrier(None, (sys.executable, "-c", "raise SystemExit(3)")).answer(CHECKPOINT)
    monkeypatch.setattr(carrier, "COMMAND_TIMEOUT_S", 0.2)
    late = await Carrier(None, (sys.executable, "-c", "import time; time.sleep(60)")).answer(CHECKPOINT)

    assert failed == {"error": "the command ended with 3"}
    assert late == {"error": "the command took longer than 0.2 s"}


@pytest.mark.parametrize("question", [{}, {**CHECKPOINT, "records": "many"}, {**CHECKPOINT, "more": 1}])
async def test_what_is_no_checkpoint_is_not_carried(tmp_path, question) -> None:
    answer = await Carrier(tmp_path, ()).answer(question)

    assert answer["error"].startswith("not a checkpoint: ")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_before_file_and_directory_are_synced(tmp_path, monkeypatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(
        carrier.os, "fsync", lambda opened: synced.append(stat.S_ISDIR(carrier.os.fstat(opened).st_mode))
    )

    carrier.append(tmp_path, CHECKPOINT["at_ms"], b"one\n")
    carrier.append(tmp_path, CHECKPOINT["at_ms"], b"two\n")

    assert synced == [False, True, False]


def test_a_line_is_written_to_its_end_however_little_a_write_takes(tmp_path, monkeypatch) -> None:
    whole = os.write
    monkeypatch.setattr(carrier.os, "write", lambda opened, octets: whole(opened, octets[:3]))

    carrier.append(tmp_path, CHECKPOINT["at_ms"], b"one and two\n")

    [path] = tmp_path.iterdir()
    assert path.read_bytes() == b"one and two\n"


def test_a_disk_that_is_full_in_the_middle_of_a_line_is_no_success_and_harms_no_later_line(
    tmp_path, monkeypatch
) -> None:
    whole, left = os.write, [5, 0]

    def write(opened: int, octets: bytes) -> int:
        if not left:
            return whole(opened, octets)
        taken = left.pop(0)
        if not taken:
            raise OSError(errno.ENOSPC, "full")
        return whole(opened, octets[:taken])

    monkeypatch.setattr(carrier.os, "write", write)
    with pytest.raises(OSError, match="full"):
        carrier.append(tmp_path, CHECKPOINT["at_ms"], b"one and two\n")

    carrier.append(tmp_path, CHECKPOINT["at_ms"], b"three\n")

    [path] = tmp_path.iterdir()
    assert path.read_bytes() == b"one a\nthree\n"
