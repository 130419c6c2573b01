"""Make proto/vectors/frame.json: one message of each kind as a frame, and frames that must be refused.

Run with --write after a change of the protocol; tests/vectors/test_own_frames.py compares.
"""

import json
import sys
from pathlib import Path

from relayproto import message
from relayproto.codes import Kind
from support.samples import SAMPLES

PATH = Path(__file__).parents[2] / "proto" / "vectors" / "frame.json"

MALFORMED = {
    "nothing": b"",
    "no array": b"\x20",
    "no request": b"\x91\x20",
    "something behind the value": b"\x92\x20\x00\x00",
    "a request that is negative": b"\x92\x20\xff",
    "a request that is true": b"\x92\x20\xc3",
    "a request above 32 bits": b"\x92\x20\xcf\x00\x00\x00\x01\x00\x00\x00\x00",
    "a kind above 255": b"\x92\xcd\x01\x00\x00",
    "an array that ends too early": b"\x93\x20\x00",
    "a text that is not UTF-8": b"\x93\x09\x00\xa1\xff",
    "LOOKUP with bytes for a text": b"\x93\x09\x00\xc4\x01a",
    "LOOKUP without its address": b"\x92\x09\x00",
    "GOAWAY with 1 for true": b"\x95\x23\x00\x01\x01\x00",
    "GAP of a lane that there is not": b"\x96\xcc\xa1\x00\x03\x01\x01\x01",
}


def generate() -> str:
    """Return the file's text."""
    frames = [
        {"kind": Kind(kind).name, "request": 3, "frame": message.encode(said, 3).hex()}
        for kind, said in SAMPLES.items()
    ]
    malformed = [{"why": why, "frame": octets.hex()} for why, octets in MALFORMED.items()]
    return json.dumps({"protocol": 1, "frames": frames, "malformed": malformed}, indent=1) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")
