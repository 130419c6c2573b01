"""The world that every story begins in: made once in a process, and copied.

Nothing enters; the files of a relay and of its people's devices leave.
"""

import functools
import tempfile
from pathlib import Path
from typing import Any

from sim.arrivals import found_relay
from sim.endings import heal
from sim.watching import watched
from sim.world import Settings, World
from support.inline_store import PLACE


@functools.cache
def founded() -> dict[str, Any]:
    """Found a relay with its people, once in a process: return its files and who they are."""
    with tempfile.TemporaryDirectory(prefix="relayd-founded-", dir=PLACE) as directory:
        world = World("founding", Settings(), Path(directory))
        with watched(world):
            found_relay(world)
            heal(world)
            for phone in world.phones:
                phone.leave()
            world.run(6.0)
            world.closing = True
            world.relay.stop()
            world.run(30.0)
        files = {
            path.relative_to(directory): path.read_bytes()
            for path in sorted(Path(directory).rglob("*"))
            if path.is_file()
        }
        people = [(phone.owner, phone.name, phone.sender) for phone in world.phones]
        return {"files": files, "people": people, "incarnation": world.relay.incarnation, "now": world.loop.now}
