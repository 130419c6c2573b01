"""Writes docs/operating/logs.md: every event of the relay's log, from the table in the code (``--write``)."""

import sys
from itertools import groupby
from pathlib import Path

from relayd.events import EVENTS, LINES_A_MINUTE

PATH = Path(__file__).parents[2] / "docs" / "operating" / "logs.md"
_HEAD = f"""\
# Logs

relayd writes one JSON line an event to standard output, with the priority that the journal reads (`<4>` is a warning):

```sh
journalctl -u relayd -o cat --since -1h
journalctl -u relayd -p warning -o cat
relayd loglevel debug         # until a restart or reload; back: relayd loglevel info
```

Each line has `at` (UTC), `level`, `room` (the part of the relay), `event` and the event's values. There is none for a
message at any level, and no line holds a text, an address of a person or of a machine, or a key. Two exceptions, since
somebody has to be woken who knows whom it concerns: `the glass was broken` names an account by its hash, and `a domain
could not be looked up` an organisation's domain. `ready` tells where the relay itself listens.

Every bug that was met has an `incident` with a number of its own, and a traceback that shows where it came about: lines
of our code, and no values, since those could be a person's. Processes of the relay leave no core files.

An event has at most {LINES_A_MINUTE} lines a minute; what anybody can cause who reaches the port has 6. What is above
that is counted, and `lines were left out` says of which event and how many.

Who did what - `relayd suspend`, an act of an officer - is in the audit log, not here.

Made from the code by `tests/support/generate_logs_page.py`; tests compare, both ways.
"""
_COLUMNS = "| event | level | values | means | do |\n|---|---|---|---|---|\n"
_TITLES = {
    "app": "The relay as a whole", "relay": "Bugs", "net": "Connections", "operator": "The operator's socket",
    "administration": "Organisations", "audit": "The audit log", "domains": "Mail domains",
    "registration": "Registration",
    "unit": "Units that reach outside", "delivery": "Expiry", "observe": "Figures", "lifecycle": "The process",
    "store": "The store", "log": "The log itself",
}  # fmt: skip


def generate() -> str:
    """Return the page."""
    parts = [_HEAD]
    for room, events in groupby(EVENTS, key=lambda event: event.room):
        parts.append(
            f"\n## {_TITLES[room]} (`{room}`)\n\n| event | level | values | means | do |\n|---|---|---|---|---|\n"
        )
        for event in events:
            values = ", ".join(f"`{value}`" for value in event.values)
            limited = "" if event.a_minute == LINES_A_MINUTE else f" At most {event.a_minute:,} a minute."
            parts.append(f"| `{event.name}` | {event.level} | {values} | {event.means}{limited} | {event.do} |\n")
    return "".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PATH.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")
