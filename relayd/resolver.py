"""A leaf of the relay: the unit that looks up mail domains (spec 70 §7).

A domain enters on the unit's socket; the texts of its record leave, or why there are none. The rules of this file: one
name is asked for and nothing else; what is not answered in time, or cannot be trusted to be an answer, is an error and
never "there is none".
"""

from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from relayd.config import Endpoint
from relayproto.limits import DOMAIN_CHARS_MAX

LABEL: Final = "_relayd"
TIMEOUT_S: Final = 10.0
"""Less than the relay waits, so that it hears why."""
ATTEMPT_S: Final = 3.0
"""A lost packet costs this much; three attempts fit."""
TEXTS_MAX: Final = 16
"""One is enough; two while a key is replaced."""
TEXT_BYTES_MAX: Final = 1_024
"""A key's text is 75 bytes; what is longer is something else."""


class Resolver:
    """Asks ``server``, or those of /etc/resolv.conf; dns.resolver.NoResolverConfiguration where that is no use."""

    __slots__ = ("_resolver",)

    def __init__(self, server: Endpoint | None) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=server is None)
        if server is not None:
            self._resolver.nameservers = [server.host]
            self._resolver.port = server.port
        self._resolver.timeout = ATTEMPT_S
        self._resolver.lifetime = TIMEOUT_S

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Look one domain up: ``texts`` are those of its record, none where it has none."""
        domain = question.get("domain")
        if question.keys() != {"domain"} or not isinstance(domain, str) or not 0 < len(domain) <= DOMAIN_CHARS_MAX:
            return {"error": "not a domain"}
        try:
            name = dns.name.from_text(f"{LABEL}.{domain}")
        except (dns.exception.DNSException, UnicodeError):
            return {"error": "not a domain"}
        try:
            found = await self._resolver.resolve(name, dns.rdatatype.TXT, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return {"texts": []}
        except (dns.exception.DNSException, OSError) as error:
            return {"error": f"no answer: {type(error).__name__}"}
        texts = [b"".join(record.strings) for record in found]
        return {"texts": [text.decode("latin-1") for text in texts if len(text) <= TEXT_BYTES_MAX][:TEXTS_MAX]}
