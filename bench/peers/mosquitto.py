"""mosquitto: MQTT 3.1.1, QoS 1, sessions that last."""

from typing import ClassVar

from peer import Peer, Refused, Wire, dialled

_CONNACK, _SUBACK = b"\x20\x02", b"\x90\x03"


def _text(name: str) -> bytes:
    return len(name).to_bytes(2) + name.encode()


def _packet(kind: int, rest: bytes) -> bytes:
    assert len(rest) < 128, "one byte of length is enough here"  # noqa: PLR2004 - MQTT 3.1.1 section 2.2.3
    return bytes((kind, len(rest))) + rest


def _connect(client: str, *, clean: bool) -> bytes:
    return _packet(0x10, _text("MQTT") + bytes((4, 2 if clean else 0, 0, 0)) + _text(client))


class Mosquitto(Peer):
    """Persistence is on, as Debian has it, and every limit of what may wait is lifted."""

    name: ClassVar[str] = "mosquitto, QoS 1"
    package: ClassVar[str] = "mosquitto"
    durability: ClassVar[str] = "none: memory; the file is written every half hour and at exit"
    wire: ClassVar[str] = "mqtt"

    def command(self) -> list[str]:
        """See Peer."""
        settings = {
            "listener": f"{self.port} 127.0.0.1", "allow_anonymous": "true", "persistence": "true",
            "persistence_location": f"{self.state}/", "max_inflight_messages": "0", "max_queued_messages": "0",
            "set_tcp_nodelay": "true", "user": "root",
        }  # fmt: skip
        path = self.state / "mosquitto.conf"
        path.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        return [str(self.root / "usr/sbin/mosquitto"), "-c", str(path)]

    def _session(self, client: str, *, clean: bool) -> Wire:
        wire = dialled(self.port)
        wire.socket.sendall(_connect(client, clean=clean))
        if wire.read(4)[::3] != b"\x20\x00":
            raise Refused("CONNACK refuses")
        return wire

    def sender(self, name: str) -> Wire:
        """See Peer."""
        wire = self._session(f"s{name}", clean=True)
        wire.key = name.encode()
        return wire

    def receiver(self, name: str, *, waits: bool = False) -> Wire:
        """See Peer. A session that lasts takes what waits as soon as it connects, so one that waits does not yet."""
        if waits:
            wire = dialled(self.port)
            wire.hello = _connect(f"r{name}", clean=False)
            return wire
        wire = self._session(f"r{name}", clean=False)
        wire.socket.sendall(_packet(0x82, b"\x00\x01" + _text(name) + b"\x01"))
        if wire.read(5) != _SUBACK + b"\x00\x01\x01":
            raise Refused("SUBACK refuses")
        return wire

    def absent(self, name: str) -> None:
        """See Peer."""
        wire = self.receiver(name)
        wire.socket.sendall(b"\xe0\x00")
        wire.socket.close()
