"""A transport that keeps what is written and does nothing by itself."""

import asyncio
from typing import Any


class FakeTransport(asyncio.Transport):
    def __init__(self, peer: str = "127.0.0.1") -> None:
        super().__init__()
        self.peer = peer
        self.written: list[bytes] = []
        self.options: dict[tuple[int, int], bytes] = {}
        """What was set of the socket."""
        self.buffered = 0
        self.high: int | None = None
        self.reading = True
        self.resumed = 0
        self.ended = 0
        self.aborted = False
        self.closing = False
        self.protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self.peer, 4242), "socket": self}.get(name, default)

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self.options[level, option] = value

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def write_eof(self) -> None:
        self.ended += 1

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True
        self.resumed += 1

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted = True
