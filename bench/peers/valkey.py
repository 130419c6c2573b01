"""Valkey: one stream a recipient, read as a consumer group, acknowledged and deleted."""

from typing import ClassVar

from peer import Peer, Refused, Wire, dialled


def command_of(*words: bytes) -> bytes:
    """Return one command of RESP."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Valkey(Peer):
    """The append-only file is on; how often it is synced is what the two differ in."""

    name: ClassVar[str] = "valkey streams, everysec"
    package: ClassVar[str] = "valkey-server"
    durability: ClassVar[str] = "written to the log; synced once a second"
    wire: ClassVar[str] = "valkey"
    fsync: ClassVar[str] = "everysec"

    def command(self) -> list[str]:
        """See Peer."""
        words = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.state), "save": "", "appendonly": "yes",
                 "appendfsync": self.fsync, "maxclients": "20000"}  # fmt: skip
        program = self.root / "usr/bin/valkey-server"
        return [str(program), *(part for key, value in words.items() for part in (f"--{key}", value))]

    def _wire(self, name: str, asked: bytes, expected: bytes) -> Wire:
        wire = dialled(self.port)
        wire.key = name.encode()
        wire.socket.sendall(asked)
        if (said := wire.until(b"\r\n")) != expected and b"BUSYGROUP" not in said:
            raise Refused(said.decode(errors="replace"))
        return wire

    def sender(self, name: str) -> Wire:
        """See Peer."""
        return self._wire(name, command_of(b"PING"), b"+PONG\r\n")

    def receiver(self, name: str, *, waits: bool = False) -> Wire:  # noqa: ARG002 - who receives asks first, always
        """See Peer."""
        asked = command_of(b"XGROUP", b"CREATE", name.encode(), b"g", b"0", b"MKSTREAM")
        return self._wire(name, asked, b"+OK\r\n")

    def absent(self, name: str) -> None:
        """See Peer."""
        self.receiver(name).socket.close()


class ValkeyAlways(Valkey):
    """The same, synced before each answer; what came in one turn of its loop shares a sync."""

    name: ClassVar[str] = "valkey streams, always"
    durability: ClassVar[str] = "synced to disk, many in one sync"
    fsync: ClassVar[str] = "always"
