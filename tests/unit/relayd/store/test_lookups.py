from itertools import product

import pytest

from relayd.domain.refusals import Refusal
from relayd.store import policies
from relayd.store.contacts import Passes
from relayproto import policy
from relayproto.codes import Code
from relayproto.commands import GetBundles
from relayproto.standing import PLATFORM, Action, Permission, Standing
from support.stores import MASTER_KEY, house


async def stand(relay, someone, standing: Standing) -> None:
    def change(commit) -> None:
        commit.db.execute("UPDATE account SET standing = ? WHERE account = ?", (standing, someone.account))
        commit.tools.residents.forget_account(someone.account)

    await relay.store._act(change)


async def asked(relay, asker, whom, pass_: bytes = b"") -> list[bool]:
    """Return whether list, bundles, mailboxes and, without a pass, the address are had."""
    answers = []
    for ask in (
        lambda: relay.store.devices_of(whom.account, asker.account, pass_),
        lambda: relay.store.bundles(asker.seat, GetBundles(whom.account, (), pass_)),
        lambda: relay.store.mailboxes_of(whom.account, asker.account, pass_),
        lambda: relay.store.account_of(f"{whom.name}@gad.example", asker.account),
    ):
        try:
            await ask()
            answers.append(True)
        except Refusal as refusal:
            answers.append(refusal.code is not Code.NOT_AVAILABLE)
    return answers


async def test_who_may_not_find_somebody_finds_nobody_but_with_a_pass(tmp_path) -> None:
    async with house(tmp_path) as relay:
        officer, citizen = await relay.enrol("officer"), await relay.enrol("citizen")
        await stand(relay, officer, Standing.VERIFIED)
        await stand(relay, citizen, Standing.PUBLIC)
        pass_ = Passes(MASTER_KEY).make(officer.account, citizen.account, relay.clock.now_ms())

        assert await asked(relay, citizen, officer) == [False, False, False, False]
        assert await asked(relay, citizen, officer, pass_) == [True, True, True, False]
        assert await asked(relay, citizen, officer, pass_[:-1] + bytes((pass_[-1] ^ 1,))) == [False] * 4
        assert await asked(relay, officer, citizen) == [True, True, True, True]
        assert await asked(relay, officer, officer) == [True, True, True, True]


@pytest.mark.parametrize(("action", "permission"), list(product(Action, Permission)))
async def test_a_lookup_asks_for_the_right_to_look_up_and_nothing_else(tmp_path, action, permission) -> None:
    table = bytearray(policy.TABLE_BYTES)
    table[policy.cell(Standing.INVITED, Standing.INVITED, action)] = permission
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.store._act(lambda commit: policies.put(commit, PLATFORM, bytes(table)))

        found = await asked(relay, alice, bob)

    finds = action is not Action.LOOKUP or permission is Permission.ALLOW
    passes_by = action not in {Action.TEXT, Action.FIRST_CONTACT} or permission is Permission.ALLOW
    assert found == [finds, finds, passes_by, finds]


async def test_nobody_of_a_suspended_organisation_finds_or_is_found(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        def suspend(commit) -> None:
            commit.db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (5, 0, 5, 'GAD', 2)")
            commit.db.execute("UPDATE account SET unit = 5 WHERE account = ?", (alice.account,))
            commit.tools.residents.forget_parties()

        await relay.store._act(suspend)

        assert await asked(relay, bob, alice) == await asked(relay, alice, bob) == [False] * 4
        assert await asked(relay, alice, alice) == [True] * 4
        assert (await relay.submit(bob, alice)).codes == (await relay.submit(alice, bob)).codes == (Code.NOT_AVAILABLE,)


async def show(relay, someone, standing: Standing, unit: int = 0, hidden: bytes | None = None, about: str = "") -> None:
    def change(commit) -> None:
        commit.db.execute(
            "INSERT OR IGNORE INTO unit (id, under, organisation, name, state) VALUES (5, 0, 5, 'GAD', 1)"
        )
        commit.db.execute(
            "UPDATE account SET standing = ?, unit = ?, hidden = ?, about = ? WHERE account = ?",
            (standing, unit, hidden, about, someone.account),
        )
        commit.tools.residents.forget_parties()

    await relay.store._act(change)


async def test_an_officers_address_is_not_for_applications_and_for_who_typed_it(tmp_path) -> None:
    async with house(tmp_path) as relay:
        officer, asker = await relay.enrol("officer"), await relay.enrol("asker")
        await show(relay, officer, Standing.VERIFIED, 5, about="on leave")
        await show(relay, asker, Standing.APPLICATION)

        hidden = await relay.store.devices_of(officer.account, asker.account)
        typed = await relay.store.account_of("officer@gad.example", asker.account)
        await show(relay, asker, Standing.VERIFIED)
        shown = await relay.store.devices_of(officer.account, asker.account)
        own = await relay.store.devices_of(officer.account, officer.account)

    assert (hidden.address, hidden.about) == ("", "")
    assert (typed.address, typed.about) == ("officer@gad.example", "")
    assert (shown.address, shown.about) == (own.address, own.about) == ("officer@gad.example", "on leave")


async def test_what_one_hides_is_hidden_at_once_and_from_oneself_never(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        before = await relay.store.devices_of(alice.account, bob.account)

        await relay.store.put_profile(alice.seat, "on leave", b"\x01" * 25)
        after = await relay.store.devices_of(alice.account, bob.account)
        own = await relay.store.devices_of(alice.account, alice.account)
        await relay.store.put_profile(alice.seat, "", bytes(25))
        again = await relay.store.devices_of(alice.account, bob.account)

    assert (before.address, after.address, after.about) == ("alice@gad.example", "", "")
    assert (own.address, own.about) == ("alice@gad.example", "on leave")
    assert again == before
