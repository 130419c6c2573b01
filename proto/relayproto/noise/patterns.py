"""The contract: the handshake patterns of the Noise paper, as its own text (rev 34 §7, §9, §18).

A full protocol name enters; the tokens of each message leave. The rule of this file: a pattern is data, and only
the modifiers ``pskN`` (rev 34 §9) and ``hfs`` (Noise HFS §5) change one.
"""

import re
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from relayproto.errors import LocalProtocolError
from relayproto.value import Value


class Token(StrEnum):
    """What a side does at one step of a message (rev 34 §5.3; e1 and ekem1: Noise HFS §4)."""

    E = "e"
    S = "s"
    EE = "ee"
    ES = "es"
    SE = "se"
    SS = "ss"
    PSK = "psk"
    E1 = "e1"
    EKEM1 = "ekem1"


_DH: Final = frozenset({Token.EE, Token.ES, Token.SE, Token.SS})

_TEXT: Final = """
N     <- s       ...  -> e, es
K     -> s <- s  ...  -> e, es, ss
X     <- s       ...  -> e, es, s, ss

NN               ...  -> e              <- e, ee
NK    <- s       ...  -> e, es          <- e, ee
NX               ...  -> e              <- e, ee, s, es
KN    -> s       ...  -> e              <- e, ee, se
KK    -> s <- s  ...  -> e, es, ss      <- e, ee, se
KX    -> s       ...  -> e              <- e, ee, se, s, es
XN               ...  -> e              <- e, ee                 -> s, se
XK    <- s       ...  -> e, es          <- e, ee                 -> s, se
XX               ...  -> e              <- e, ee, s, es          -> s, se
IN               ...  -> e, s           <- e, ee, se
IK    <- s       ...  -> e, es, s, ss   <- e, ee, se
IX               ...  -> e, s           <- e, ee, se, s, es

NK1   <- s       ...  -> e              <- e, ee, es
NX1              ...  -> e              <- e, ee, s              -> es
X1N              ...  -> e              <- e, ee                 -> s         <- se
X1K   <- s       ...  -> e, es          <- e, ee                 -> s         <- se
XK1   <- s       ...  -> e              <- e, ee, es             -> s, se
X1K1  <- s       ...  -> e              <- e, ee, es             -> s         <- se
X1X              ...  -> e              <- e, ee, s, es          -> s         <- se
XX1              ...  -> e              <- e, ee, s              -> es, s, se
X1X1             ...  -> e              <- e, ee, s              -> es, s     <- se
K1N   -> s       ...  -> e              <- e, ee                 -> se
K1K   -> s <- s  ...  -> e, es          <- e, ee                 -> se
KK1   -> s <- s  ...  -> e              <- e, ee, se, es
K1K1  -> s <- s  ...  -> e              <- e, ee, es             -> se
K1X   -> s       ...  -> e              <- e, ee, s, es          -> se
KX1   -> s       ...  -> e              <- e, ee, se, s          -> es
K1X1  -> s       ...  -> e              <- e, ee, s              -> se, es
I1N              ...  -> e, s           <- e, ee                 -> se
I1K   <- s       ...  -> e, es, s       <- e, ee                 -> se
IK1   <- s       ...  -> e, s           <- e, ee, se, es
I1K1  <- s       ...  -> e, s           <- e, ee, es             -> se
I1X              ...  -> e, s           <- e, ee, s, es          -> se
IX1              ...  -> e, s           <- e, ee, se, s          -> es
I1X1             ...  -> e, s           <- e, ee, s              -> se, es
"""

_NAME: Final = re.compile(r"Noise_([A-Z0-9]+)([a-z0-9+]*)_([A-Za-z0-9]+)(\+[A-Z0-9]+)?_([A-Za-z0-9]+)_([A-Za-z0-9]+)")

Message = tuple[Token, ...]


class Pattern(Value, frozen=True):
    """Whose static key is known beforehand, and the messages; the initiator writes the even ones."""

    knows_initiator: bool
    knows_responder: bool
    messages: tuple[Message, ...]

    @property
    def psks(self) -> int:
        """How many pre-shared keys the pattern mixes in."""
        return sum(message.count(Token.PSK) for message in self.messages)

    def with_psk(self, position: int) -> "Pattern":
        """Return the pattern with ``pskN``: 0 at the start of the first message, N at the end of the N-th."""
        index = max(position - 1, 0)
        if index >= len(self.messages):
            raise LocalProtocolError(f"the pattern has no message for psk{position}")
        message = self.messages[index]
        changed = (*message, Token.PSK) if position else (Token.PSK, *message)
        return replace(self, messages=(*self.messages[:index], changed, *self.messages[index + 1 :]))

    def with_hfs(self) -> "Pattern":
        """Return the pattern with ``e1`` after the first message's first DH, or its ``e``, and ``ekem1`` after ``ee``.

        The public KEM key comes after a DH where there is one, so that it is encrypted (Noise HFS §5).
        """
        if len(self.messages) == 1:
            raise LocalProtocolError("a one-way pattern has nobody to encapsulate to e1")
        first, second, *others = self.messages
        e1 = next((i for i, token in enumerate(first) if token in _DH), first.index(Token.E)) + 1
        ekem1 = second.index(Token.EE) + 1
        first = (*first[:e1], Token.E1, *first[e1:])
        second = (*second[:ekem1], Token.EKEM1, *second[ekem1:])
        return replace(self, messages=(first, second, *others))


class NoiseProtocol(Value, frozen=True):
    """A full protocol name, taken apart; ``suite`` is DH, cipher and hash without the KEM."""

    name: str
    pattern: Pattern
    suite: str


def _pattern(text: str) -> Pattern:
    known, _, said = text.partition("...")
    messages = [tuple(Token(token) for token in re.findall(r"\w+", part)) for part in re.split("->|<-", said)[1:]]
    return Pattern("->" in known, "<-" in known, tuple(messages))


PATTERNS: Final = {line.split()[0]: _pattern(line) for line in _TEXT.splitlines() if line}


def parse(name: str) -> NoiseProtocol:
    """Return what a full name such as ``Noise_XKpsk3_25519_ChaChaPoly_BLAKE2b`` says (rev 34 §8).

    Raises LocalProtocolError for a name that is none: names are our own, never the peer's.
    """
    found = _NAME.fullmatch(name)
    if found is None or found[1] not in PATTERNS:
        raise LocalProtocolError(f"{name} names no handshake that is known here")
    pattern = PATTERNS[found[1]]
    modifiers = found[2].split("+") if found[2] else []
    if len(modifiers) != len(set(modifiers)) or ("hfs" in modifiers) != (found[4] is not None):
        raise LocalProtocolError(f"{name} has a modifier twice, or hfs without a KEM, or a KEM without hfs")
    for modifier in modifiers:
        if modifier == "hfs":
            pattern = pattern.with_hfs()
        elif re.fullmatch(r"psk\d", modifier):
            pattern = pattern.with_psk(int(modifier[3]))
        else:
            raise LocalProtocolError(f"{name} has a modifier that is not known here")
    return NoiseProtocol(name, pattern, f"{found[3]}_{found[5]}_{found[6]}")
