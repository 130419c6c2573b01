"""Organisations and people of a live relay, put there as if they had come about by acts."""

from collections.abc import Callable

from relayd.domain.seat import Seat
from relayd.store.commit import Commit
from relayproto import attestation
from relayproto.administration import Change
from relayproto.administration_replies import Acted
from relayproto.primitives import ed25519_public
from relayproto.standing import PLATFORM, ActState, Role, Standing, UnitState
from support.asking import RELAY as ACTED_AT
from support.asking import Signing
from support.device import enrolment, hello
from support.every_kind import YEAR_MS, Asker
from support.live_relay import LiveRelay
from support.organisations import RELAY, seed_of
from support.people import Person


async def done(relay: LiveRelay, change: Callable[[Commit], None]) -> None:
    """Change the store by hand; what commits have at hand is forgotten."""

    def changed(commit: Commit) -> None:
        change(commit)
        commit.tools.residents.clear()

    await relay.store._act(changed)


async def enrolled(relay: LiveRelay, person: Person, address: str) -> None:
    await relay.store.enrol(enrolment(person, await relay.ticket(address)), person.list)


async def acted(relay: LiveRelay, who: Person, signing: Signing, change: Change) -> None:
    """Let somebody do something that nothing speaks against."""
    act = signing.act(change, relay.clock.now_ms())
    done = await relay.store.act(await seat(relay, who), act, relay=ACTED_AT, proven=frozenset())
    assert isinstance(done, Acted), done
    assert done.state is ActState.DONE


async def seat(relay: LiveRelay, person: Person) -> Seat:
    """Log somebody's device in without a connection."""
    return (await relay.store.login(hello(person), person.entry.dh_key)).seat


def found(commit: Commit, root: int, domain: str, *below: int) -> None:
    """Let an organisation in, with units below its root."""
    for unit in (root, *below):
        commit.db.execute(
            "INSERT INTO unit (id, under, organisation, name, state) VALUES (?, ?, ?, ?, ?)",
            (unit, PLATFORM if unit == root else root, root, f"unit {unit} of {domain}", UnitState.ACTIVE),
        )
    commit.db.execute(
        "INSERT INTO organisation (unit, root_key, form_hash, since_ms) VALUES (?, ?, zeroblob(32), 0)",
        (root, ed25519_public(seed_of(domain))),
    )
    commit.db.execute("INSERT INTO domain (name, unit) VALUES (?, ?)", (domain, root))


def place(commit: Commit, person: Person, unit: int, standing: Standing) -> None:
    commit.db.execute("UPDATE account SET unit = ?, standing = ? WHERE account = ?", (unit, standing, person.account))


def hold(commit: Commit, person: Person, unit: int, *roles: Role) -> None:
    """Let somebody hold roles over a unit."""
    for role in roles:
        commit.db.execute(
            "INSERT INTO held_role (unit, account, role, until_ms)"
            " VALUES (?, (SELECT id FROM account WHERE account = ?), ?, ?)",
            (unit, person.account, role, commit.now_ms + YEAR_MS),
        )


def warranted(commit: Commit, asker: Asker) -> None:
    """Let somebody's device attest for his organisation."""
    said = asker.warrant
    octets = attestation.encode_warrant(said)
    commit.db.execute(
        "INSERT INTO warrant (serial, organisation, expires_ms, warrant, signature) VALUES (?, ?, ?, ?, ?)",
        (said.serial, said.organisation, said.expires_ms, octets,
         attestation.sign_warrant(seed_of(asker.domain), RELAY, octets)),
    )  # fmt: skip
