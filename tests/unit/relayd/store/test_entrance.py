from relayd.domain.answers import Enrolment
from relayd.store.registrations import Mode, Terms
from relayproto.codes import Code, PrekeyKind
from relayproto.commands import Enrol, Register
from support.stores import DAY_S, guest, house

TERMS = Terms(Mode.OPEN, frozenset({"city.example"}))


async def test_a_ticket_and_a_code_each_make_an_account(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = guest("alice"), guest("bob")
        prekeys = [
            [each.prekey(PrekeyKind.SIGNED, 1), each.prekey(PrekeyKind.KEM_LAST_RESORT, 1)] for each in (alice, bob)
        ]
        ticket = await relay.store.create_ticket("alice@gad.example", relay.clock.now_ms() + DAY_S * 1000)
        wanted = await relay.store.take_code("bob@mail.example", "12345678", TERMS)
        command = Register("bob@mail.example", "12345678", "bob@city.example", *bob.listed(), tuple(prekeys[1]))

        invited = await relay.store.enrol(Enrol(ticket, *alice.listed(), tuple(prekeys[0])), alice.devices)
        came = await relay.store.register(command, command.contact, command.address, bob.devices, TERMS)

        assert wanted
        assert (invited, came) == (
            Enrolment(alice.account, "alice@gad.example"), Enrolment(bob.account, "bob@city.example"),
        )  # fmt: skip


async def test_a_refused_try_is_committed(tmp_path) -> None:
    async with house(tmp_path) as relay:
        bob = guest("bob")
        prekeys = (bob.prekey(PrekeyKind.SIGNED, 1), bob.prekey(PrekeyKind.KEM_LAST_RESORT, 1))
        await relay.store.take_code("bob@mail.example", "12345678", TERMS)
        wrong = Register("bob@mail.example", "00000000", "bob@city.example", *bob.listed(), prekeys)

        answer = await relay.store.register(wrong, wrong.contact, wrong.address, bob.devices, TERMS)
        await relay.reopen()

        assert answer is Code.BAD_TICKET
        assert await relay.store._read(lambda db: db.execute("SELECT tries FROM code").fetchall()) == [(4,)]
