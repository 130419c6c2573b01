"""Who may do what to whom: every standing x standing x action x permission, by what people really ask.

The expectation is written down here once more, from spec 70 §6 and not from the code. A new standing or action is in
the matrix by itself; a new action that nothing here asks for fails.
"""

from itertools import product

import pytest

from relayd.domain.refusals import Refusal
from relayd.store import policies
from relayproto import policy
from relayproto.codes import Class, Code
from relayproto.commands import GetBundles
from relayproto.limits import REQUEST_BYTES_MAX
from relayproto.standing import PLATFORM, Action, Permission, Standing
from support.stores import Guest, House, house

LATER = {Action.FILE: "what carries files", Action.ADD_TO_GROUP: "groups"}
"""Actions that no command does yet -> what will do them; a table may have them, and they keep nobody from anything."""


class People:
    """Two people of every standing."""

    def __init__(self, relay: House, guests: dict[tuple[Standing, int], Guest]) -> None:
        self.relay, self.guests = relay, guests

    @classmethod
    async def of(cls, relay: House) -> "People":
        guests = {}
        for standing, which in product(Standing, (1, 2)):
            guest = guests[standing, which] = await relay.enrol(f"{standing.name.lower()}{which}")
            await relay.store._act(lambda commit, one=guest, be=standing: stand(commit, one, be))
        return cls(relay, guests)

    async def table(self, *cells: tuple[Standing, Standing, Action, Permission]) -> None:
        made = bytearray(policy.TABLE_BYTES)
        for who, whom, action, permission in cells:
            made[policy.cell(who, whom, action)] = permission

        def put(commit) -> None:
            policies.put(commit, PLATFORM, bytes(made))
            commit.tools.contacts.forget()

        await self.relay.store._act(put)

    async def may(self, who: Guest, whom: Guest) -> dict[str, bool]:
        """Return what of all that can be asked is not refused."""
        relay, store = self.relay, self.relay.store
        return {
            "look up": await answered(store.account_of(f"{whom.name}@gad.example", who.account)),
            "list": await answered(store.devices_of(whom.account, who.account)),
            "bundles": await answered(store.bundles(who.seat, GetBundles(whom.account, ()))),
            "typing": await answered(store.mailboxes_of(whom.account, who.account)),
            "long text": await stored(relay, who, whom, body=bytes(REQUEST_BYTES_MAX + 1)),
            "notice": await stored(relay, who, whom, class_=Class.NOTICE),
            "call": await stored(relay, who, whom, class_=Class.CALL, ttl_s=60),
            "short text": await stored(relay, who, whom),
            "short text again": await stored(relay, who, whom),
        }


def stand(commit, someone: Guest, standing: Standing) -> None:
    commit.db.execute("UPDATE account SET standing = ? WHERE account = ?", (standing, someone.account))
    commit.tools.residents.forget_account(someone.account)


async def answered(asked) -> bool:
    try:
        await asked
    except Refusal as refusal:
        if refusal.code is Code.NOT_AVAILABLE:
            return False
        raise
    return True


async def stored(relay: House, who: Guest, whom: Guest, **fields) -> bool:
    (code,) = (await relay.submit(who, whom, **fields)).codes
    assert code in {Code.STORED, Code.NOT_AVAILABLE}
    return code == Code.STORED


def expected(action: Action, permission: Permission) -> dict[str, bool]:
    """Return what may be done where one cell says that and all others allow everything."""
    allows, asks = permission is Permission.ALLOW, permission is Permission.REQUEST
    finds = allows or action is not Action.LOOKUP
    writes = allows or action not in {Action.FIRST_CONTACT, Action.TEXT}
    asks_first = asks and action is Action.FIRST_CONTACT
    return {
        "look up": finds, "list": finds, "bundles": finds, "typing": writes, "long text": writes, "notice": writes,
        "call": allows or action not in {Action.FIRST_CONTACT, Action.CALL},
        "short text": writes or asks_first, "short text again": writes,
    }  # fmt: skip


def test_every_action_is_asked_for_or_belongs_to_what_is_not_there_yet() -> None:
    effective = {action for action in Action if expected(action, Permission.DENY) != expected(action, Permission.ALLOW)}

    assert effective == set(Action) - LATER.keys()


@pytest.mark.slow
async def test_every_cell_governs_what_it_says_and_nothing_else(tmp_path) -> None:
    async with house(tmp_path) as relay:
        people = await People.of(relay)
        for who, whom, action, permission in product(Standing, Standing, Action, Permission):
            one, other = people.guests[who, 1], people.guests[whom, 2]
            await people.table((who, whom, action, permission))

            assert await people.may(one, other) == expected(action, permission), (who, whom, action, permission)
            if permission is Permission.DENY:
                back = expected(action, permission if who is whom else Permission.ALLOW)
                assert await people.may(other, one) == back, ("back", who, whom, action)
        queued = dict(await relay.store.status())["envelopes queued"]

        assert queued == relay.counters.submissions[Code.STORED], "a refusal left something"


@pytest.mark.parametrize("class_", [Class.CHAT, Class.RECEIPT])
async def test_who_was_written_to_answers_for_thirty_days(tmp_path, class_: Class) -> None:
    """The platform's default: an officer writes to a citizen, who may not write to officers first."""
    async with house(tmp_path) as relay:
        people = await People.of(relay)
        officer, citizen = people.guests[Standing.VERIFIED, 1], people.guests[Standing.PUBLIC, 1]
        assert not await stored(relay, citizen, officer)
        assert await stored(relay, officer, citizen, ttl_s=60)
        pass_ = (await relay.page(citizen)).items[0].notice.pass_

        answers = []
        for days in (0, 29, 1, 1):
            relay.clock.advance(days * 86_400)
            answers.append(await stored(relay, citizen, officer, class_=class_, ttl_s=60, passes=(pass_,)))

        assert answers == [True, True, True, False]
        assert not await stored(relay, people.guests[Standing.PUBLIC, 2], officer, passes=(pass_,)), "another's pass"
        assert await stored(relay, officer, citizen, class_=Class.RECEIPT, ttl_s=60)
        assert (await relay.page(citizen)).items[-1].notice.pass_ == b"", "a receipt is no invitation to write"
        office = people.guests[Standing.OFFICE, 1]
        assert await stored(relay, citizen, office), "an office may be written to"
