"""Something that listens and turns away whoever comes, as a relay does that has too many connections."""

import asyncio
import socket
import struct


async def resetting(first_octets: int, port: int = 0) -> asyncio.Server:
    """Listen on 127.0.0.1, and reset whoever comes once he has said so many bytes."""

    async def turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(first_octets)
        link = writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return await asyncio.start_server(turn_away, "127.0.0.1", port)
