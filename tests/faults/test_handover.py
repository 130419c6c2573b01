"""Sockets that outlive the relay: whoever connects while one process goes and the next comes waits, and is served."""

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from support.processes import RelayProcess, command, end, environment, relay, succeed, until

STARTS = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""As systemd does it: the variable names the very process that gets the sockets."""


class Knocking(threading.Thread):
    """Connects again and again, and waits for nothing."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.enough = threading.Event()
        self.connected = 0
        self.trouble: list[OSError] = []

    def run(self) -> None:
        while not self.enough.wait(0.02):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=30).close()
                self.connected += 1
            except OSError as error:
                self.trouble.append(error)


def start(made: RelayProcess, devices: socket.socket, operations: socket.socket) -> subprocess.Popen[bytes]:
    """Start a relay on two sockets that are not its own."""
    argv = [sys.executable, "-c", STARTS, *command("relayd.main", "serve", "--state", made.state)[1:]]
    script = f'exec "$@" 3<&{devices.fileno()} 4<&{operations.fileno()}'
    listening = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "devices:operations"}
    with made.log.open("ab") as log:
        return subprocess.Popen(
            ["bash", "-c", script, "bash", *argv], env={**environment(made.state.parent), **listening}, stdout=log,
            stderr=log, stdin=subprocess.DEVNULL, pass_fds=(devices.fileno(), operations.fileno()),
        )  # fmt: skip


def test_nobody_is_refused_while_three_processes_take_turns(tmp_path: Path) -> None:
    made = RelayProcess(tmp_path / "state")
    with (
        socket.create_server(("127.0.0.1", made.devices), backlog=4096) as devices,
        socket.create_server(("127.0.0.1", made.operations), backlog=64) as operations,
    ):
        knocking = Knocking(made.devices)
        knocking.start()
        try:
            for turn in range(3):
                process = start(made, devices, operations)
                until(made.ready, 30)
                if turn == 0:
                    alice = made.join(tmp_path / "alice", "alice@a.example")
                    bob = made.join(tmp_path / "bob", "bob@a.example")
                succeed(relay(alice, "send", "bob@a.example", f"turn {turn}"))
                assert end(process) == 0, made.log.read_text("utf-8")
                time.sleep(0.3)  # nobody is there, and whoever comes waits in the backlog
            process = start(made, devices, operations)
            until(made.ready, 30)
            heard = succeed(relay(bob, "--json", "listen", "--drain", "--timeout", "60")).out
        finally:
            knocking.enough.set()
            knocking.join(30)
            end(process)

    assert knocking.trouble == []
    assert knocking.connected > 20
    assert [json.loads(line)["text"] for line in heard.splitlines()] == ["turn 0", "turn 1", "turn 2"]
