"""The services' room: whether a mail domain names a root key at this moment (spec 70 §7).

A domain and a key enter; yes or no leaves. The rules of this file: the relay itself asks nobody outside; what is not a
clear yes is a no, and the log says why.
"""

from typing import Any, Final, Protocol

from relayd.domain.refusals import Fault
from relayd.logs import get_logger
from relayproto.primitives import equal

PREFIX: Final = "relayd-key="

_log = get_logger("domains")


class Resolver(Protocol):
    """The unit that looks up."""

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return its answer. Raises Fault."""


class Domains:
    """Asks a resolver unit for what a domain's zone says."""

    __slots__ = ("_resolver",)

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def proven(self, domain: str, root_key: bytes) -> bool:
        """Say whether the domain's record names the key."""
        try:
            answer = await self._resolver.ask({"domain": domain})
        except Fault:
            _log.warning("no domain can be looked up: the resolver unit is away; see outside.resolver")
            return False
        texts = answer.get("texts")
        if not isinstance(texts, list):
            reason = answer.get("error")
            _log.warning(
                "a domain could not be looked up",
                domain=domain,
                reason=reason[:200] if isinstance(reason, str) else None,
            )
            return False
        expected = f"{PREFIX}{root_key.hex()}".encode()
        proven = any(equal(expected, text.encode()) for text in texts if isinstance(text, str))
        if not proven:
            named = sum(isinstance(text, str) and text.startswith(PREFIX) for text in texts)
            reason = f"its record names another key, {named} of them" if named else "it has no such record"
            _log.warning("a domain is not proven", domain=domain, reason=reason)
        return proven
