"""RabbitMQ: AMQP 0-9-1, quorum queues, publisher confirms."""

from pathlib import Path
from typing import ClassVar

from erlang import ErlangPeer
from machine import free_port
from peer import Refused, Wire, dialled

_END = b"\xce"
_PREFETCH = 1024


def _short(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()


def _long(octets: bytes) -> bytes:
    return len(octets).to_bytes(4) + octets


def _method(channel: int, class_: int, method: int, arguments: bytes) -> bytes:
    inside = class_.to_bytes(2) + method.to_bytes(2) + arguments
    return b"\x01" + channel.to_bytes(2) + _long(inside) + _END


class RabbitQuorum(ErlangPeer):
    """One durable quorum queue a recipient; a confirm comes after the sync."""

    name: ClassVar[str] = "RabbitMQ, quorum queues"
    package: ClassVar[str] = "rabbitmq-server"
    durability: ClassVar[str] = "synced to disk, many in one sync"
    wire: ClassVar[str] = "amqp"
    share: ClassVar[float] = 0.1

    def _home(self) -> Path:
        [found] = (self.root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
        return found

    def command(self) -> list[str]:
        """See Peer."""
        self.write_erl()
        (self.state / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\nloopback_users.guest = true\nlog.console = false\n"
            "disk_free_limit.absolute = 1MB\n"
        )
        (self.state / "plugins").write_text("[].\n")
        return ["/bin/sh", str(self._home() / "sbin/rabbitmq-server")]

    def environment(self) -> dict[str, str]:
        """See Peer."""
        return super().environment() | {
            "RABBITMQ_NODENAME": "bench@localhost", "RABBITMQ_MNESIA_BASE": f"{self.state}/data",
            "RABBITMQ_LOG_BASE": f"{self.state}/log", "RABBITMQ_CONFIG_FILE": f"{self.state}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.state}/plugins", "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        }  # fmt: skip

    # --- logging in ---

    def _hear(self, wire: Wire, expected: tuple[int, int]) -> bytes:
        head = wire.read(7)
        inside = wire.read(int.from_bytes(head[3:]) + 1)[:-1]
        said = (int.from_bytes(inside[:2]), int.from_bytes(inside[2:4]))
        if said != expected:
            raise Refused(f"method {said}: {inside[4:120]!r}")
        return inside[4:]

    def _ask(self, wire: Wire, class_: int, method: int, arguments: bytes, channel: int = 1) -> bytes:
        """Say a method and return the arguments of its answer, which has the next number."""
        wire.socket.sendall(_method(channel, class_, method, arguments))
        return self._hear(wire, (class_, method + 1))

    def _wire(self) -> Wire:
        wire = dialled(self.port)
        wire.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self._hear(wire, (10, 10))
        login = _long(b"") + _short("PLAIN") + _long(b"\x00guest\x00guest") + _short("en_US")
        wire.socket.sendall(_method(0, 10, 11, login))
        tuned = self._hear(wire, (10, 30))
        wire.socket.sendall(_method(0, 10, 31, tuned[:6] + b"\x00\x00"))
        self._ask(wire, 10, 40, _short("/") + b"\x00\x00", channel=0)
        self._ask(wire, 20, 10, b"\x00")
        return wire

    def _declare(self, wire: Wire, name: str) -> None:
        kind = _long(_short("x-queue-type") + b"S" + _long(b"quorum"))
        self._ask(wire, 50, 10, b"\x00\x00" + _short(name) + b"\x02" + kind)

    def sender(self, name: str) -> Wire:
        """See Peer."""
        wire = self._wire()
        wire.key = name.encode()
        self._ask(wire, 85, 10, b"\x00")
        return wire

    def receiver(self, name: str, *, waits: bool = False) -> Wire:
        """See Peer."""
        wire = self._wire()
        self._declare(wire, name)
        self._ask(wire, 60, 10, bytes(4) + _PREFETCH.to_bytes(2) + b"\x00")
        consume = b"\x00\x00" + _short(name) + _short("c") + b"\x00" + _long(b"")
        if waits:
            wire.hello = _method(1, 60, 20, consume)
        else:
            self._ask(wire, 60, 20, consume)
        return wire

    def absent(self, name: str) -> None:
        """See Peer."""
        wire = self._wire()
        self._declare(wire, name)
        wire.socket.close()
