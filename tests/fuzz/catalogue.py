"""All targets by name, and the examples that each begins with."""

import json
from typing import Final

from fuzz.of_connections import CONNECTIONS
from fuzz.of_devices import DEVICES
from fuzz.of_frames import FRAMES
from fuzz.of_papers import PAPER_TARGETS
from fuzz.rules import Target, require, target
from support.tree import ROOT


def broken(octets: bytes) -> None:
    """Break a rule for some bytes."""
    require(octets[:4] != b"RLY1", "nothing may begin with RLY1")


TARGETS: Final[dict[str, Target]] = {**CONNECTIONS, **FRAMES, **PAPER_TARGETS, **DEVICES}
BROKEN: Final = target(broken, 8)
"""Which fuzzing has to find, so that a run without a finding says something; it is none of the targets."""
CORPORA: Final = ROOT / "tests" / "fuzz" / "corpora"


def corpus(name: str) -> list[bytes]:
    """Return the examples of a target that are in the tree: from the golden vectors, and found by fuzzing."""
    if name == "broken":
        return [b"RLY"]
    kept = json.loads((CORPORA / f"{name}.json").read_text(encoding="utf-8"))
    return [bytes.fromhex(each) for each in (*kept["seeds"].values(), *kept["found"])]
