import asyncio
import json
import subprocess
import sys
import time

import pytest

from relayd.exits import Exit
from relayd.main import main
from relayd.services.outside import Outside
from support.processes import environment


def test_a_carrier_needs_somewhere_to_carry_to(capsys, tmp_path) -> None:
    assert main(["carry", "--listen", str(tmp_path / "c")]) == Exit.CONFIG
    assert main(["carry", "--listen", str(tmp_path / "c"), "--directory", str(tmp_path / "no")]) == Exit.CONFIG

    said = capsys.readouterr().err.splitlines()
    assert "--directory" in said[0]
    assert "no such directory" in said[1]


def test_help_says_what_it_is_for(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["carry", "--help"])

    assert left.value.code == 0
    assert "audit.carrier" in capsys.readouterr().out


def test_the_unit_serves_as_a_process_of_its_own(tmp_path) -> None:
    socket = tmp_path / "carrier.sock"
    command = [sys.executable, "-m", "relayd.main", "carry", "--listen", str(socket), "--directory", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(tmp_path))
    try:
        for _ in range(500):
            if socket.exists() or process.poll() is not None:
                break
            time.sleep(0.02)
        asked = {"relay": "", "records": 5, "head": "", "at_ms": 0, "key_id": 1, "signature": ""}
        answer = asyncio.run(Outside(socket).ask(asked))
    finally:
        process.terminate()
        process.communicate(timeout=20)

    assert answer == {"carried": 5}
    assert json.loads((tmp_path / "checkpoints-1970-01.jsonl").read_text()) == asked
    assert process.returncode == 0
