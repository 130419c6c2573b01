"""What a generator process does: pairs of devices that send as the case says, counted and timed.

Runs on its own core; ``crew`` gives it orders. A message counts when everything that belongs to it has come back.
"""

import asyncio
import contextlib
import os
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable

import people
from line import NOTHING, WINDOW, Line
from machine import Meter, Reading
from msgpack import packb
from people import DEVICE, Person
from relay import Place

from relayproto.codes import Class, Kind
from relayproto.limits import COMMITMENT_BYTES

DIAL_AT_ONCE = 64
DIAL_S_MAX = 30.0
SETTLE_S_MAX = 60.0
SAMPLE = 16
"""One message in so many is timed where the rate is not fixed."""
_TTL_S = 86_400
_TAILS = 4


class Load:
    """What the pairs of one case have in common."""

    def __init__(self, *, outcomes: bool, sample: int) -> None:
        """Say whether senders ask for outcomes and which messages are timed."""
        self.outcomes = outcomes
        self.sample = sample
        self.going = True
        self.done = 0
        self.accepted_ms = array("d")
        self.complete_ms = array("d")


class Pair:
    """One device that sends and one that receives; ``receiver`` is None where it is offline."""

    def __init__(self, load: Load, sender: Line, receiver: Line | None, to: Person, envelope_bytes: int) -> None:
        """Make the frames that the sender sends, all but their numbers."""
        self._load = load
        self._sender = sender
        self._receiver = receiver
        self._last = self._done = sender.submitted
        self._begun = sender.submitted
        self._waiting: deque[tuple[int, float]] = deque()
        self._unaccepted: deque[tuple[int, float]] = deque()
        self._tails = [_tail(to, envelope_bytes, outcomes=load.outcomes) for _ in range(_TAILS)]
        self.limit = 1 << 62
        sender.heard = self._heard
        if receiver is not None:
            receiver.heard = self._heard

    @property
    def sent(self) -> int:
        """How many were sent."""
        return self._last - self._begun

    @property
    def unfinished(self) -> int:
        """How many were sent of which something has not come back."""
        return self._last - self._done

    def send(self, count: int) -> None:
        """Send so many in one write."""
        count = min(count, self.limit - self.sent)
        if count <= 0:
            return
        frames = []
        tails, sample = self._tails, self._load.sample
        for submission in range(self._last + 1, self._last + count + 1):
            number = packb(submission)
            frames.append(b"".join((b"\x9d\x03", number, number, tails[submission % _TAILS])))
            if submission % sample == 0:
                stamp = (submission, time.perf_counter())
                self._waiting.append(stamp)
                self._unaccepted.append(stamp)
        self._last += count
        self._sender.person.submission = self._last
        self._sender.say(frames)

    def _heard(self) -> None:
        sender, receiver, load = self._sender, self._receiver, self._load
        unaccepted, waiting = self._unaccepted, self._waiting
        while unaccepted and unaccepted[0][0] <= sender.submitted:
            load.accepted_ms.append((time.perf_counter() - unaccepted.popleft()[1]) * 1e3)
        done = sender.submitted
        if receiver is not None:
            done = min(done, self._begun + receiver.delivered)
        if load.outcomes:
            done = min(done, sender.outcomes)
        fresh = done - self._done
        if fresh <= 0:
            return
        self._done = done
        load.done += fresh
        while waiting and waiting[0][0] <= done:
            load.complete_ms.append((time.perf_counter() - waiting.popleft()[1]) * 1e3)
        if load.going:
            self.send(fresh)


def _tail(to: Person, envelope_bytes: int, *, outcomes: bool) -> bytes:
    """Return SUBMIT behind its two numbers: random bytes of the sizes that real ones have, a third for the wrap."""
    wrap_bytes = envelope_bytes // 3
    wrap, body = os.urandom(wrap_bytes), os.urandom(envelope_bytes - wrap_bytes)
    fields = (
        0, Class.CHAT, _TTL_S, int(outcomes), os.urandom(COMMITMENT_BYTES), body, None,
        ((to.account, 1, ((DEVICE, wrap),)),), None, (),
    )  # fmt: skip
    return b"".join(map(packb, fields))


assert Kind.SUBMIT == 3, "Pair.send writes the kind and the length of the array by hand"  # noqa: PLR2004


class Crew:
    """The people of one generator process and what they do. Results are plain dictionaries."""

    def __init__(self, place: Place, meter_of: Callable[[], Meter]) -> None:
        """Take where the relay is and how its clocks are read."""
        self._place = place
        self._meter_of = meter_of
        self._people: list[Person] = []
        self._lines: list[Line] = []
        self._pairs: list[Pair] = []

    async def enrol(self, *, count: int, first: int) -> dict[str, object]:
        """Make people until there are ``count``."""
        begin, missing = self._meter_of().read(), count - len(self._people)
        if missing > 0:
            self._people += await people.enrol(self._place, missing, first + len(self._people))
        return self._result(begin, max(missing, 0))

    async def connect(self, *, count: int) -> dict[str, object]:
        """Log ``count`` devices in and leave them idle; the first message of each handshake is made beforehand."""
        lines = [Line(self._place, person) for person in self._people[:count]]
        begin = self._meter_of().read()
        await self._dial(lines)
        return self._result(begin, count)

    async def hang_up(self) -> dict[str, object]:
        """Close every connection of this process and say what went wrong on any."""
        for line in self._lines:
            line.close()
        await asyncio.sleep(0.1)
        troubles: Counter[str] = Counter()
        for line in self._lines:
            troubles.update(line.troubles)
        self._lines, self._pairs = [], []
        return {"troubles": dict(troubles)}

    async def online(
        self, *, pairs: int, window: int, warm_s: float, seconds: float, outcomes: bool, envelope: int
    ) -> dict[str, object]:
        """Keep ``window`` messages of each pair under way."""
        load = Load(outcomes=outcomes, sample=SAMPLE)
        await self._pair_up(load, pairs, envelope)
        for pair in self._pairs:
            pair.send(window)
        return await self._measured(load, warm_s, seconds)

    async def paced(
        self, *, pairs: int, rate: float, warm_s: float, seconds: float, envelope: int
    ) -> dict[str, object]:
        """Send ``rate`` messages a second at fixed times, whatever comes back, and time each."""
        load = Load(outcomes=False, sample=1)
        load.going = False
        await self._pair_up(load, pairs, envelope)
        late_ms = array("d")
        task = asyncio.get_running_loop().create_task(self._pace(rate, warm_s + seconds, late_ms))
        result = await self._measured(load, warm_s, seconds)
        await task
        late = sorted(late_ms)
        return {**result, "late_p99_ms": late[int(len(late) * 0.99)]}

    async def _pace(self, rate: float, seconds: float, late_ms: "array[float]") -> None:
        begun = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            while (early := due - time.perf_counter()) > 0:  # noqa: ASYNC110 - the time is what is waited for
                await asyncio.sleep(early)
            late_ms.append(-early * 1e3)
            self._pairs[number % len(self._pairs)].send(1)

    async def enqueue(self, *, pairs: int, window: int, each: int, envelope: int) -> dict[str, object]:
        """Send ``each`` messages to each offline device."""
        load = Load(outcomes=False, sample=SAMPLE)
        await self._pair_up(load, pairs, envelope, offline=True)
        begin = self._meter_of().read()
        for pair in self._pairs:
            pair.limit = each
            pair.send(window)
        await self._finished()
        return self._ended(load, begin, load.done)

    async def drain(self, *, pairs: int, each: int) -> dict[str, object]:
        """Connect the receivers of a backlog without credit, then let all of it come and acknowledge it."""
        lines = [Line(self._place, person, NOTHING) for person in self._people[1 : 2 * pairs : 2]]
        await self._dial(lines)
        begin = self._meter_of().read()
        for line in lines:
            line.grant(WINDOW)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S_MAX):
                while any(line.delivered < each for line in lines):  # noqa: ASYNC110 - costs the hot path nothing
                    await asyncio.sleep(0.01)
        came = sum(line.delivered for line in lines)
        return {**self._result(begin, came), "lost": len(lines) * each - came}

    # --- shared ---

    async def _pair_up(self, load: Load, pairs: int, envelope: int, *, offline: bool = False) -> None:
        found = self._people[: 2 * pairs]
        senders = [Line(self._place, person) for person in found[0::2]]
        receivers: list[Line | None] = [None if offline else Line(self._place, person) for person in found[1::2]]
        await self._dial([*senders, *(line for line in receivers if line is not None)])
        self._pairs = [
            Pair(load, sender, receiver, to, envelope)
            for sender, receiver, to in zip(senders, receivers, found[1::2], strict=True)
        ]

    async def _dial(self, lines: list[Line]) -> None:
        gate, loop, place = asyncio.Semaphore(DIAL_AT_ONCE), asyncio.get_running_loop(), self._place

        async def one(line: Line) -> None:
            async with gate, asyncio.timeout(DIAL_S_MAX):
                await loop.create_connection(lambda: line, place.host, place.port)
                await line.ready

        self._lines += lines
        await asyncio.gather(*map(one, lines))

    async def _measured(self, load: Load, warm_s: float, seconds: float) -> dict[str, object]:
        meter = self._meter_of()
        await asyncio.sleep(warm_s)
        begin, before = meter.read(), load.done
        del load.accepted_ms[:], load.complete_ms[:]
        await asyncio.sleep(seconds)
        measured = load.done - before
        result = self._result(begin, measured)
        load.going = False
        await self._finished()
        return {**result, **self._account(load)}

    async def _finished(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S_MAX):
                while any(pair.unfinished for pair in self._pairs):  # noqa: ASYNC110 - costs the hot path nothing
                    await asyncio.sleep(0.01)

    def _ended(self, load: Load, begin: Reading, count: int) -> dict[str, object]:
        return {**self._result(begin, count), **self._account(load)}

    def _account(self, load: Load) -> dict[str, object]:
        return {
            "sent": sum(pair.sent for pair in self._pairs),
            "lost": sum(pair.unfinished for pair in self._pairs),
            "accepted_ms": load.accepted_ms.tolist(),
            "complete_ms": load.complete_ms.tolist(),
        }

    def _result(self, begin: Reading, count: int) -> dict[str, object]:
        return {"count": count, "begin": begin, "end": self._meter_of().read()}
