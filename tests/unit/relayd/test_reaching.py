import asyncio
import json
import subprocess
import sys
import time

import dns.resolver
import pytest

from relayd.exits import Exit
from relayd.main import main
from relayd.services.domains import Domains
from relayd.services.outside import Outside
from support.live_relay import until
from support.processes import environment
from support.zone import zone


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
    assert "outside.carrier" in capsys.readouterr().out


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


@pytest.mark.parametrize("server", ["localhost:53", "127.0.0.1", "127.0.0.1:99999"])
def test_a_name_server_is_given_by_its_number(capsys, tmp_path, server: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(["resolve", "--listen", str(tmp_path / "r"), "--server", server])

    assert left.value.code == 2
    assert "IP:PORT" in capsys.readouterr().err


def test_without_any_name_server_it_does_not_start(capsys, tmp_path, monkeypatch) -> None:
    def none(self, configured) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", none)

    assert main(["resolve", "--listen", str(tmp_path / "r")]) == Exit.CONFIG
    assert "--server" in capsys.readouterr().err


async def test_the_resolver_serves_as_a_process_of_its_own_and_the_relay_believes_the_zone(tmp_path) -> None:
    path, key = tmp_path / "resolver.sock", bytes(range(32))
    async with zone({"_relayd.gad.example": [b"relayd-key=" + key.hex().encode()]}) as served:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relayd.main", "resolve", "--listen", str(path),
            "--server", f"127.0.0.1:{served.port}", stdout=subprocess.PIPE, env=environment(tmp_path),
        )  # fmt: skip
        try:
            await until(lambda: path.exists() or process.returncode is not None)
            domains = Domains(Outside(path))
            said = [
                await domains.proven(domain, root_key)
                for domain, root_key in (("gad.example", key), ("gad.example", bytes(32)), ("other.example", key))
            ]
        finally:
            process.terminate()
            await asyncio.wait_for(process.communicate(), 20)

    assert said == [True, False, False]
    assert process.returncode == 0
