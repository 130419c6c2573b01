"""Servers in Erlang: the runtime is started where it was unpacked, and nothing of it outlives the server."""

import contextlib
import subprocess
from pathlib import Path

from machine import free_port
from peer import Peer


class ErlangPeer(Peer):
    """A peer whose tree has an Erlang runtime beside it."""

    _names: "subprocess.Popen[bytes] | None" = None
    _names_port: int = 0

    @property
    def runtime(self) -> Path:
        """Where Erlang is."""
        return self.root / "usr/lib/erlang"

    @property
    def programs(self) -> Path:
        """Where the runtime's own programs are."""
        [found] = self.runtime.glob("erts-*/bin")
        return found

    def environment(self) -> dict[str, str]:
        """Return what Erlang's own start script would set for the place that Debian has for it."""
        return {
            "ROOTDIR": str(self.runtime), "BINDIR": str(self.programs), "EMU": "beam", "PROGNAME": "erl",
            "HOME": str(self.state), "PATH": f"{self.state}/bin:/usr/bin:/bin", "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }  # fmt: skip

    def start(self) -> None:
        """Start the daemon of names, which would otherwise start itself and stay, and then the server."""
        self._names_port = free_port()
        self._names = subprocess.Popen(
            [str(self.programs / "epmd"), "-port", str(self._names_port), "-address", "127.0.0.1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        super().start()

    def stop(self) -> None:
        """End both."""
        super().stop()
        names, self._names = self._names, None
        if names is not None:
            names.terminate()
            names.wait(10)

    @property
    def pid(self) -> int:
        """The runtime itself; a script may stand before it."""
        session = super().pid
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                name, _, rest = stat.read_text().partition(" (")[2].rpartition(") ")
                if name == "beam.smp" and int(rest.split()[3]) == session:
                    return int(stat.parent.name)
        return session

    def write_erl(self) -> None:
        """Write the command ``erl`` that starts the unpacked runtime."""
        script = self.state / "bin/erl"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text('#!/bin/sh\nexec "$BINDIR/erlexec" "$@"\n')
        script.chmod(0o700)
