"""What counting costs a relay: ``python bench/counting.py``.

Processor time on the commit's own objects: of each message that is submitted and settled, of writing counters to their
table, and of answers about a week of 500 organisations. JSON lines go to standard output.
"""

import argparse
import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import machine

from relayd.domain.fates import ended, taken
from relayd.store.authority import View
from relayd.store.counting import EVERY_MS, ROWS_MAX, Counting
from relayd.store.database import connect
from relayd.store.statistics import answer
from relayproto.codes import Class, Code, Fate, Result, Size
from relayproto.ids import UnitId
from relayproto.statistics import GetStatistics

MESSAGES = 200_000
BATCH = 64
"""Works of one commit of a busy relay."""
ROUNDS = 5
DAY_MS = 86_400_000
TODAY = 20_700


def us_each(act: Callable[[], int]) -> dict[str, float]:
    """Return the median and the worst of some rounds: microseconds of processor time for each of what is done."""
    took = []
    for _ in range(ROUNDS):
        begun = time.thread_time()
        done = act()
        took.append((time.thread_time() - begun) / done * 1e6)
    took.sort()
    return {"us": round(took[ROUNDS // 2], 2), "worst_us": round(took[-1], 2)}


def counted(organisations: int) -> int:
    """Count messages as commits do, each when it is stored and when it is delivered; return how many."""
    chance, counting = random.Random(1), Counting()
    senders = [(chance.randrange(1, organisations + 1), chance.choice((300, 900, 3_000))) for _ in range(1_000)]
    for begin in range(0, MESSAGES, BATCH):
        counts: Counter[int] = Counter()
        for number in range(begin, begin + BATCH):
            organisation, octets = senders[number % 1_000]
            counts[taken(organisation, Class.CHAT, octets, Code.STORED)] += 1
            counts[ended(organisation, Class.CHAT, octets, Result.DELIVERED)] += 1
        counting.committed(counts, TODAY * DAY_MS)
    return MESSAGES


def written(db: sqlite3.Connection, organisations: int) -> int:
    """Write the counters of ten busy seconds, a bounded number in each commit; return how many rows."""
    counting, now_ms = Counting(), TODAY * DAY_MS
    keys = [
        taken(unit, Class.CHAT, 300 + 1_000 * size, Code.STORED) for unit in range(organisations) for size in (0, 1)
    ]
    counting.committed(Counter(dict.fromkeys(keys, 3)), now_ms)
    for _ in range(0, len(keys), ROWS_MAX):
        db.execute("BEGIN")
        counting.write(db, now_ms + EVERY_MS)
        counting.committed({}, now_ms)
        db.execute("COMMIT")
    return len(keys)


def fill(db: sqlite3.Connection, organisations: int) -> None:
    """Put a week of counters in, every cell of every organisation."""
    chance = random.Random(2)
    db.execute("BEGIN")
    for organisation in range(1, organisations + 1):
        db.execute("INSERT INTO organisation VALUES (?, ?, x'', 0)", (organisation, organisation.to_bytes(32)))
        db.executemany(
            "INSERT INTO statistic VALUES (?, ?, ?, ?, ?, ?)",
            [(day, organisation, class_, size, fate, chance.randrange(40)) for day in range(TODAY - 7, TODAY)
             for class_ in Class for size in Size for fate in Fate],
        )  # fmt: skip
    db.execute("UPDATE relay_time SET high_water_ms = ?", (TODAY * DAY_MS,))
    db.execute("COMMIT")


def asked(db: sqlite3.Connection, unit: int) -> int:
    """Ask for the week of an organisation, or of all, until all is told."""
    first: int | None = TODAY - 7
    while first is not None:
        first = answer(View(db, TODAY * DAY_MS), GetStatistics(UnitId(unit), first, TODAY)).next_day
    return 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what counting costs a relay.")
    parser.add_argument("--organisations", type=int, default=500, help="organisations (500)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relayd-bench-") as directory:
        place = Path(directory)
        print(json.dumps({"case": "machine", **machine.describe(place), "organisations": options.organisations}))
        with contextlib.closing(connect(place / "relay.db", autocheckpoint_pages=1_000)) as db:
            measured = {
                "a message, counted when stored and when delivered": lambda: counted(options.organisations),
                "a counter, added to its table": lambda: written(db, options.organisations),
            }
            for what, act in measured.items():
                print(json.dumps({"case": "counting", "what": what, **us_each(act)}), flush=True)
            fill(db, options.organisations)
            for what, unit in (("a week of an organisation, every cell", 1), ("a week of all, every cell", 0)):
                result = us_each(lambda unit=unit: asked(db, unit))  # type: ignore[misc]
                print(json.dumps({"case": "answer", "what": what, **result}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
