"""A tiny name server on loopback: a zone of TXT records, and what goes wrong with name servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Zone(asyncio.DatagramProtocol):
    """Answers for ``records``, name -> texts; NXDOMAIN for every other name, NOERROR without rows for an empty list.

    ``rcode`` answers everything with that failure; ``silent`` answers nothing; ``other`` sends an answer with another
    id first, as a forger does who guesses.
    """

    records: Mapping[str, list[bytes]]
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    silent: bool = False
    other: bytes = b""
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, dns.rdatatype.to_text(question.rdtype)))
        if self.silent:
            return
        if self.other:
            forged = self._answer(query, [self.other])
            forged.id = query.id ^ 1
            self._transport.sendto(forged.to_wire(), addr)
        answer = self._answer(query, self.records.get(name, []))
        if self.rcode != dns.rcode.NOERROR:
            answer.answer.clear()
            answer.set_rcode(self.rcode)
        elif name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)

    @staticmethod
    def _answer(query: dns.message.Message, texts: list[bytes]) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        if texts:
            rows = [" ".join(_quoted(text[at : at + 255]) for at in range(0, len(text), 255)) for text in texts]
            answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *rows))
        return answer


def _quoted(octets: bytes) -> str:
    return '"' + "".join(f"\\{octet:03d}" for octet in octets) + '"'


@contextlib.asynccontextmanager
async def zone(records: Mapping[str, list[bytes]], **options: object) -> AsyncIterator[Zone]:
    """Serve a zone on a port of the loopback until the block ends."""
    transport, served = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Zone(records, **options), local_addr=("127.0.0.1", 0)
    )
    served.port = transport.get_extra_info("sockname")[1]
    try:
        yield served
    finally:
        transport.close()
