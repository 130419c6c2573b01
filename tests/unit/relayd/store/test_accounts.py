import pytest

from relayd.domain.answers import Enrolment
from relayd.domain.refusals import Refusal
from relayproto import identity
from relayproto.administration import CreateUnit, InviteMember
from relayproto.codes import Code, PrekeyKind, Result
from relayproto.commands import Enrol
from relayproto.primitives import x25519_public
from relayproto.standing import Standing, UnitState
from support.changed import replace
from support.organisations import founding, tried
from support.stores import DAY_S, guest, hello_of, house


def enrol_of(someone, ticket: bytes) -> Enrol:
    prekeys = (someone.prekey(PrekeyKind.SIGNED, 1), someone.prekey(PrekeyKind.KEM_LAST_RESORT, 1))
    return Enrol(ticket, *someone.listed(), prekeys)


async def refused(awaitable) -> Code:
    with pytest.raises(Refusal) as refusal:
        await awaitable
    return refusal.value.code


async def test_a_ticket_makes_an_account_and_a_repeat_gets_the_same_answer(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = guest("alice")
        ticket = await relay.store.create_ticket("alice@gad.example", relay.clock.now_ms() + 1)
        command = enrol_of(alice, ticket)

        first = await relay.store.enrol(command, alice.devices)
        again = await relay.store.enrol(command, alice.devices)

        assert first == again == Enrolment(alice.account, "alice@gad.example")
        assert relay.counters.accounts_enrolled == 1


async def test_a_ticket_is_good_once_and_for_its_time_only(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = guest("alice"), guest("mallory")
        ticket = await relay.store.create_ticket("alice@gad.example", relay.clock.now_ms() + 1_000)
        late = await relay.store.create_ticket("carol@gad.example", relay.clock.now_ms() + 1_000)
        await relay.store.enrol(enrol_of(alice, ticket), alice.devices)

        used = await refused(relay.store.enrol(enrol_of(mallory, ticket), mallory.devices))
        made_up = await refused(relay.store.enrol(enrol_of(mallory, bytes(16)), mallory.devices))
        relay.clock.advance(1)
        over = await refused(relay.store.enrol(enrol_of(mallory, late), mallory.devices))

        assert {used, made_up, over} == {Code.BAD_TICKET}


async def test_an_address_names_one_account(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = guest("alice"), guest("mallory")
        until_ms = relay.clock.now_ms() + DAY_S
        first, second = [await relay.store.create_ticket("alice@gad.example", until_ms) for _ in range(2)]
        await relay.store.enrol(enrol_of(alice, first), alice.devices)

        assert await refused(relay.store.enrol(enrol_of(mallory, second), mallory.devices)) is Code.ADDRESS_TAKEN
        assert await refused(relay.store.create_ticket("alice@gad.example", until_ms)) is Code.ADDRESS_TAKEN


async def test_an_address_that_looks_like_an_accounts_is_taken(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = guest("alice"), guest("mallory")
        until_ms = relay.clock.now_ms() + DAY_S
        first, second = [await relay.store.create_ticket(f"al{each}ce@gad.example", until_ms) for each in "1l"]
        await relay.store.enrol(enrol_of(alice, first), alice.devices)

        assert await refused(relay.store.enrol(enrol_of(mallory, second), mallory.devices)) is Code.ADDRESS_TAKEN
        assert await refused(relay.store.create_ticket("allce@gad.example", until_ms)) is Code.ADDRESS_TAKEN
        assert await relay.store.create_ticket("alice@gad.example", until_ms)


async def test_an_account_is_made_once(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        ticket = await relay.store.create_ticket("other@gad.example", relay.clock.now_ms() + DAY_S)

        assert await refused(relay.store.enrol(enrol_of(alice, ticket), alice.devices)) is Code.BAD_TICKET


async def test_the_store_keeps_no_ticket_as_it_is(tmp_path) -> None:
    async with house(tmp_path) as relay:
        ticket = await relay.store.create_ticket("alice@gad.example", relay.clock.now_ms() + DAY_S)

        kept = await relay.store._read(lambda db: db.execute("SELECT * FROM ticket").fetchall())

        assert ticket not in kept[0]


async def test_a_used_ticket_names_nobody(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = guest("alice")
        ticket = await relay.store.create_ticket("alice@gad.example", relay.clock.now_ms() + DAY_S)
        await relay.store.enrol(enrol_of(alice, ticket), alice.devices)

        kept = await relay.store._read(lambda db: db.execute("SELECT * FROM ticket").fetchall())

        assert len(kept) == 1
        assert "alice@gad.example" not in kept[0]


async def test_a_next_list_replaces_the_last_and_repeated_gets_the_same_answer(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        changed = await relay.put_devices(alice, 1, 2)

        octets, signature = alice.listed()
        again = await relay.store.put_devices(alice.seat, alice.devices, octets, signature)

        assert changed == again
        assert (changed.reply.devices, changed.removed) == (octets, ())
        assert (await relay.store.devices_of(alice.account, alice.account)).devices == octets


async def test_lists_that_do_not_follow_are_refused(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, mallory = await relay.enrol("alice", devices=2), await relay.enrol("mallory")
        after = alice.with_devices(1, 2, 3)
        present = alice.devices

        async def put(devices, someone=alice):
            octets = identity.encode(devices)
            signature = identity.sign_list(someone.identity_seed, octets)
            return await refused(relay.store.put_devices(alice.seat, devices, octets, signature))

        assert await put(replace(present, issued_ms=present.issued_ms + 1)) is Code.STALE_LIST
        fewer = replace(after, version=after.version + 1, highest_device=1, devices=after.devices[:1])
        assert await put(fewer) is Code.BAD_SIGNATURE
        assert await put(replace(after, previous=bytes(31) + b"x")) is Code.BAD_SIGNATURE
        assert await put(mallory.with_devices(1), mallory) is Code.BAD_SIGNATURE


async def test_a_list_that_is_versions_ahead_is_taken_and_what_it_lacks_goes(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice", devices=2)
        alice.devices = alice.with_devices(1, 2, 3)
        alice.devices = ahead = alice.with_devices(1, 3)
        octets = identity.encode(ahead)

        changed = await relay.store.put_devices(
            alice.seat, ahead, octets, identity.sign_list(alice.identity_seed, octets)
        )
        rows = await relay.store._read(lambda db: db.execute("SELECT device FROM device ORDER BY 1").fetchall())

        assert len(changed.removed) == 1
        assert rows == [(1,), (3,)]
        assert (await relay.store.devices_of(alice.account, alice.account)).devices == octets


async def test_a_removed_device_leaves_nothing_behind(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)
        await relay.submit(alice, bob, ttl_s=60)
        await relay.submit(bob, alice, device=2)
        await relay.acknowledge(alice, 1)
        await relay.store.put_prekeys(bob.seats[2], (bob.prekey(PrekeyKind.ONE_TIME, 1, device=2),))
        relay.clock.advance(60)
        await relay.store.sweep()
        row = bob.seats[2].row

        changed = await relay.put_devices(bob, 1)

        assert changed.removed == (row,)

        def traces(db):
            return [
                db.execute(statement, (row,)).fetchone()[0]
                for statement in (
                    "SELECT count(*) FROM envelope WHERE lane / 4 = ?",
                    "SELECT count(*) FROM hole WHERE lane / 4 = ?",
                    "SELECT count(*) FROM prekey WHERE device = ?",
                    "SELECT count(*) FROM ledger WHERE device = ?",
                    "SELECT count(*) FROM refusal WHERE device = ?",
                    "SELECT count(*) FROM mailbox WHERE id = ?",
                    "SELECT count(*) FROM device WHERE id = ?",
                )
            ]

        assert await relay.store._read(traces) == [0] * 7
        assert relay.counters.envelopes_queued == 1
        assert await relay.outcomes(alice) == [(2, 0, Result.EXPIRED)]
        assert relay.counters.outcomes_queued == 1


async def test_a_removed_device_does_not_come_back_in(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob", devices=2)
        await relay.put_devices(bob, 1)

        code = await refused(relay.store.login(hello_of(bob, 2), x25519_public(bob.keys[2][0])))

        assert code is Code.AUTHENTICATION
        assert await refused(relay.put_devices(bob, 1, by=2)) is Code.AUTHENTICATION


async def test_a_mailbox_number_is_never_used_again(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob", devices=2)
        gone = bob.seats[2].row
        await relay.put_devices(bob, 1)

        await relay.put_devices(bob, 1, 3)
        await relay.login(bob, 3)

        assert bob.seats[3].row > gone


async def test_epochs_are_drawn_for_each_device(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = await relay.enrol("bob", devices=2)

        epochs = await relay.store._read(
            lambda db: db.execute("SELECT epoch FROM mailbox UNION SELECT epoch FROM ledger").fetchall()
        )

        assert len(epochs) == 4
        assert all(0 < epoch < 1 << 56 for (epoch,) in epochs)
        assert bob.epochs[1] != bob.epochs[2]


async def organisation(relay, admin) -> int:
    """Let an organisation in, for the domain of everybody here, and return it."""
    operator = await relay.enrol("operator")

    def let_in(commit):
        change = founding("Administration", "gad.example", admin.account, until_ms=commit.now_ms + DAY_S * 1000)
        return tried(commit, operator.account, change, "gad.example").value

    return await relay.store._act(let_in)


async def test_who_was_invited_into_a_unit_belongs_there_and_who_was_not_belongs_to_nobody(tmp_path) -> None:
    async with house(tmp_path) as relay:
        admin, post = await relay.enrol("admin"), guest("post")
        root = await organisation(relay, admin)
        invitation = InviteMember(root, "post@gad.example", Standing.OFFICE, 60)
        ticket = (await relay.store._act(lambda commit: tried(commit, admin.account, invitation))).ticket

        await relay.store.enrol(enrol_of(post, ticket), post.devices)

        found = await relay.store._read(lambda db: dict(db.execute("SELECT address, unit FROM account").fetchall()))
        assert found == {"admin@gad.example": root, "operator@gad.example": 0, "post@gad.example": root}
        standing = "SELECT standing FROM account WHERE address = 'post@gad.example'"
        assert await relay.store._read(lambda db: db.execute(standing).fetchone()) == (Standing.OFFICE,)


async def test_a_ticket_is_good_while_its_maker_may_invite_there(tmp_path) -> None:
    async with house(tmp_path) as relay:
        admin, bob = await relay.enrol("admin"), guest("bob")
        root = await organisation(relay, admin)
        invitation = InviteMember(root, "bob@gad.example", Standing.INVITED, 60)
        ticket = (await relay.store._act(lambda commit: tried(commit, admin.account, invitation))).ticket

        async def over(unit: int) -> None:
            await relay.store._act(lambda commit: commit.db.execute("UPDATE held_role SET unit = ?", (unit,)) and None)

        await over(root + 1)
        assert await refused(relay.store.enrol(enrol_of(bob, ticket), bob.devices)) is Code.BAD_TICKET
        await over(root)
        assert (await relay.store.enrol(enrol_of(bob, ticket), bob.devices)).address == "bob@gad.example"
        await over(root + 1)
        assert (await relay.store.enrol(enrol_of(bob, ticket), bob.devices)).address == "bob@gad.example", "a repeat"


@pytest.mark.parametrize("state", [UnitState.SUSPENDED, UnitState.CLOSED])
async def test_a_ticket_into_a_unit_that_does_not_work_is_none_until_it_works_again(tmp_path, state) -> None:
    async with house(tmp_path) as relay:
        admin, bob = await relay.enrol("admin"), guest("bob")
        root = await organisation(relay, admin)
        unit = (await relay.store._act(lambda commit: tried(commit, admin.account, CreateUnit(root, "Records")))).value
        invitation = InviteMember(unit, "bob@gad.example", Standing.INVITED, 60)
        ticket = (await relay.store._act(lambda commit: tried(commit, admin.account, invitation))).ticket

        async def put(state: UnitState) -> None:
            await relay.store._act(lambda commit: commit.db.execute("UPDATE unit SET state = ?", (state,)) and None)

        await put(state)
        assert await refused(relay.store.enrol(enrol_of(bob, ticket), bob.devices)) is Code.BAD_TICKET
        await put(UnitState.ACTIVE)
        assert (await relay.store.enrol(enrol_of(bob, ticket), bob.devices)).address == "bob@gad.example"
