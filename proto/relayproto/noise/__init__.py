"""The contract: the Noise Protocol Framework, revision 34, in the paper's own objects.

Handshake messages enter and leave, then two CipherStates. The rule of this package: it knows Noise and nothing of
the relay, but for the three protocols that the relay speaks (spec 20 §2).
"""

from typing import Final

from relayproto.noise.cipherstate import CipherState
from relayproto.noise.handshakestate import HandshakeState
from relayproto.noise.patterns import NoiseProtocol, parse

XKHFS: Final = parse("Noise_XKhfs_25519+MLKEM768_ChaChaPoly_SHA256")
NKHFS: Final = parse("Noise_NKhfs_25519+MLKEM768_ChaChaPoly_SHA256")
XK: Final = parse("Noise_XK_25519_ChaChaPoly_SHA256")

__all__ = ["NKHFS", "XK", "XKHFS", "CipherState", "HandshakeState", "NoiseProtocol"]
