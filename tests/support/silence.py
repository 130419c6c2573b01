"""Bob, of whom something is attested, and those who look at him: for what they may not know."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relayd.store.commit import Commit
from relayproto.codes import Kind
from relayproto.commands import GetDevices, Lookup
from relayproto.primitives import blake2b_256, ed25519_public
from relayproto.standing import Field, Role, Standing
from relayproto.verification import Attest, RevokeAttestation
from support import attesting
from support.asking import Heard, Signing, Voice, hear, voice
from support.device import ack, submit
from support.every_kind import EVERY, HOUR_MS, Asker, Whom
from support.live_relay import LiveRelay
from support.organisations import seed_of
from support.people import Person
from support.worlds import acted, done, enrolled, found, hold, place, warranted

GAD, RECORDS, ARCHIVE, ACCOUNTS, WORKS = 1, 2, 3, 4, 5
"""Bob's organisation with three units, and another."""
VERA, BOB = Person("vera"), Person("bob")


@dataclass(frozen=True)
class Seen:
    """Somebody who looks: by what he is, where he belongs and what he holds there."""

    name: str
    unit: int
    standing: Standing
    roles: frozenset[Role] = frozenset()

    def asker(self, now_ms: int) -> Asker:
        domain = {0: "town.example", WORKS: "works.example"}.get(self.unit, "gad.example")
        return Asker(Person(self.name), self.unit, domain, now_ms)


class World:
    """A relay with Bob in it, and those who look at him."""

    def __init__(self, relay: LiveRelay, facts: Mapping[Field, str], viewers: Iterable[Seen]) -> None:
        self.relay = relay
        self.facts = facts
        self.viewers = tuple(viewers)
        self.signing = Signing(VERA)
        self.vera = Asker(VERA, GAD, "gad.example", relay.clock.now_ms())
        self.numbers = itertools.count(1)
        self.attestations = itertools.count(1)

    async def come_about(self) -> None:
        """Let everybody be there."""
        await enrolled(self.relay, VERA, "vera@gad.example")
        await enrolled(self.relay, BOB, self.facts[Field.ADDRESS])
        for seen in self.viewers:
            await enrolled(self.relay, Person(seen.name), f"{seen.name}@{seen.asker(0).domain}")
        await done(self.relay, self._organise)

    def _organise(self, commit: Commit) -> None:
        found(commit, GAD, "gad.example", RECORDS, ARCHIVE, ACCOUNTS)
        found(commit, WORKS, "works.example")
        place(commit, VERA, GAD, Standing.VERIFIED)
        hold(commit, VERA, GAD, Role.VERIFIER, Role.ORGANISATION_ADMIN)
        warranted(commit, self.vera)
        place(commit, BOB, int(self.facts[Field.UNIT]), Standing.INVITED)
        for seen in self.viewers:
            place(commit, Person(seen.name), seen.unit, seen.standing)
            if seen.roles:
                hold(commit, Person(seen.name), seen.unit, *seen.roles)
                warranted(commit, seen.asker(commit.now_ms))

    def _attestation(self) -> Attest:
        now_ms, number = self.relay.clock.now_ms(), next(self.attestations)
        said = attesting.attested(
            organisation=GAD, account=BOB.account, root=blake2b_256(ed25519_public(seed_of("gad.example"))),
            warrant=self.vera.warrant.serial, not_before_ms=now_ms, expires_ms=now_ms + 24 * HOUR_MS,
            serial=number.to_bytes(16),
        )  # fmt: skip
        stated = {field: text for field, text in self.facts.items() if field is not Field.ABOUT and text}
        return attesting.attest(said, VERA.sign_seed, texts=stated)

    async def write_to(self, person: Person) -> None:
        """Let Bob write to somebody, who may then answer."""
        async with voice(self.relay, BOB) as bob:
            await bob.say(submit(next(self.numbers), person))

    async def attest(self) -> None:
        """Let the organisation attest Bob, anew where it has, and let him hold a role."""
        await done(self.relay, lambda commit: hold(commit, BOB, GAD, Role.BROADCASTER))
        await acted(self.relay, VERA, self.signing, self._attestation())

    async def heard_by(self, seen: Seen, whom: Whom) -> dict[Kind, Heard]:
        """Return all that somebody is told while Bob is attested, and when that is taken back."""
        await self.attest()

        async def afterwards(made: Voice, whom: Whom) -> None:
            async with voice(self.relay, BOB) as bob:
                await bob.say(ack(bob.epoch, bob.floor))
            await made.quiet()
            await acted(self.relay, VERA, self.signing, RevokeAttestation(GAD, BOB.account))
            await made.quiet()
            await made.say(Lookup(whom.address))
            await made.say(GetDevices(BOB.account, whom.shown))

        return await hear(self.relay, seen.asker(self.relay.clock.now_ms()), whom, EVERY, afterwards)
