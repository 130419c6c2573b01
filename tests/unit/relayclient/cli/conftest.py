"""An office for the command line's tests: a scripted relay in a thread, and people's homes."""

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from relayclient.cli import main
from support.scripted_relay import relay_thread


@dataclass
class Ran:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


class Office:
    """Runs ``relay`` as somebody, in this process."""

    def __init__(self, thread, place, capsys, monkeypatch):
        self.thread, self.relay, self.place = thread, thread.relay, place
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def run(self, name, *arguments, stdin=b"", tty=()):
        """Run the command line; ``tty`` names the streams that are a terminal."""
        stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stream)
            for each in ("stdin", "stdout", "stderr"):
                patch.setattr(getattr(sys, each), "isatty", lambda each=each: each in tty)
            try:
                status = main.main(["--home", str(self.place / name), *arguments])
            except SystemExit as left:
                status = left.code
        captured = self._capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    def raw(self, name, *arguments):
        """Return the bytes that the command line writes as a process of its own."""
        command = [sys.executable, "-m", "relayclient.cli.main", "--home", str(self.place / name), *arguments]
        env = {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, capture_output=True, timeout=30, check=True, env=env).stdout

    def join(self, *names):
        for name in names:
            ran = self.run(name, "join", stdin=self.relay.link(f"{name}@office.example").encode())
            assert ran.status == 0, ran.err

    def stop(self):
        self.thread.do(self.relay.stop)


@pytest.fixture
def office(tmp_path, capsys, monkeypatch):
    with relay_thread() as thread:
        yield Office(thread, tmp_path, capsys, monkeypatch)
