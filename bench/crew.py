"""The generator's people and their logins: everything but the load itself.

Who takes part leaves as accounts and as seats, connections that are logged in; ``generator`` takes them over.
"""

import asyncio
from collections.abc import Sequence

import people
import uvloop
from login import WINDOW, Login, Seat
from people import Person
from relay import Place

from relayproto.commands import Credit

DIAL_AT_ONCE = 64


class Crew:
    """All people of a run, by number."""

    def __init__(self, place: Place) -> None:
        """Take where the relay is."""
        self._place = place
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.people: list[Person] = []

    def enrol(self, count: int) -> int:
        """Make people the way everybody is made until there are ``count``; return how many were missing."""
        missing = max(count - len(self.people), 0)
        if missing:
            self.people += self._runner.run(people.enrol(self._place, missing, len(self.people)))
        return missing

    def logins(self, persons: Sequence[Person], credit: Credit = WINDOW) -> list[Login]:
        """Return logins that are ready to begin."""
        return [Login(self._place, person, credit) for person in persons]

    def dial(self, logins: Sequence[Login]) -> list[Seat]:
        """Log in, so many at once."""

        async def all_of_them() -> list[Seat]:
            gate = asyncio.Semaphore(DIAL_AT_ONCE)

            async def one(login: Login) -> Seat:
                async with gate:
                    return await login.dial()

            return await asyncio.gather(*map(one, logins))

        return self._runner.run(all_of_them())

    def log_in(self, persons: Sequence[Person], credit: Credit = WINDOW) -> list[Seat]:
        """Log people in and return their seats in the same order."""
        return self.dial(self.logins(persons, credit))

    def stop(self) -> None:
        """End the loop."""
        self._runner.close()
