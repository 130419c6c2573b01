"""The contract: the sans-I/O reference of the relay's protocol.

Bytes, time and randomness enter as arguments; bytes and values leave. The rule of this package: it never asks a
clock, a socket or the operating system for anything (``primitives`` names the one exception).
"""

__version__ = "0.2.0.dev0"
