"""Exactly once, all devices or none, refused without a trace: protocol.md §3 and §5."""

import asyncio

import pytest

from relayd.config import LifetimesSection, LimitsSection
from relayd.domain import bounds
from relayd.domain.entry import Entry
from relayd.store import policies, submissions
from relayproto import document, stamp
from relayproto.codes import Class, Code, GoawayCode, Lane, Scope, SubmitFlag
from relayproto.commands import Target, Wrap
from relayproto.errors import RemoteProtocolError
from relayproto.limits import FRAME_BYTES_MAX, UNANSWERED_MAX
from relayproto.message import encode
from relayproto.primitives import Aead, x25519_public
from relayproto.replies import LaneState, Mismatch, NotTaken, Submitted
from support.changed import replace
from support.documents import draft
from support.stores import House, house, submit_of, target_of


def stored(number: int, targets: int = 1) -> Submitted:
    return Submitted(number, (Code.STORED,) * targets, (), 0)


async def queued(relay: House, someone, device: int = 1, lane=Lane.NORMAL) -> list[Entry]:
    page = await relay.page(someone, lane, device=device)
    return [item for item in page.items if isinstance(item, Entry)]


async def test_k_submissions_of_one_number_make_one_envelope(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        command = submit_of(alice, bob)

        settled = await relay.submit_all(*(command, alice, 1) * 5)
        settled += await relay.submit_all(command, alice, 1)
        await relay.reopen()
        await relay.login(alice)
        settled += await relay.submit_all(command, alice, 1)

        assert settled == [stored(1)] * 7
        assert len(await queued(relay, bob)) == 1


async def test_a_repeat_after_its_envelope_is_gone_makes_none(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        command = submit_of(alice, bob)
        await relay.submit_all(command, alice, 1)
        await relay.acknowledge(bob, 1)

        (settled,) = await relay.submit_all(command, alice, 1)

        assert settled == stored(1)
        assert await queued(relay, bob) == []


async def test_a_number_that_is_not_taken_stays_free(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        command = submit_of(alice, bob)

        relay.store._disk.tight = True
        refused = [*await relay.submit_all(command, alice, 1), *await relay.submit_all(command, alice, 1)]
        relay.store._disk.tight = False
        taken = await relay.submit_all(command, alice, 1)

        assert (refused, taken) == ([NotTaken(1, Code.DISK, 30_000)] * 2, [stored(1)])
        assert [entry.sequence for entry in await queued(relay, bob)] == [1]


async def test_a_number_too_far_back_is_too_old_and_never_called_stored(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        commands = [submit_of(alice, bob) for _ in range(UNANSWERED_MAX + 1)]
        await relay.submit_all(*[part for command in commands for part in (command, alice, 1)])

        too_old, last_known = await relay.submit_all(commands[0], alice, 1, commands[1], alice, 1)

        assert too_old == Submitted(1, (Code.TOO_OLD,), (), 0)
        assert last_known == stored(2)


async def test_what_is_behind_a_missing_number_is_not_taken_until_it_comes(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        first, second, third = (submit_of(alice, bob) for _ in range(3))

        before = await relay.submit_all(second, alice, 1, third, alice, 1)
        after = await relay.submit_all(first, alice, 1, second, alice, 1, third, alice, 1)

        assert before == [NotTaken(2, Code.GO_BACK, 0), NotTaken(3, Code.GO_BACK, 0)]
        assert after == [stored(1), stored(2), stored(3)]


async def test_a_number_far_above_the_lowest_unanswered_breaks_the_protocol(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        settled = await relay.submit(alice, bob, submission=UNANSWERED_MAX + 1)

        assert isinstance(settled, RemoteProtocolError)
        assert settled.code is GoawayCode.BAD_SUBMISSION


async def test_a_superseded_connection_stores_nothing_and_is_told_nothing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        older = alice.seats[1]
        settled = asyncio.get_running_loop().create_future()
        await relay.login(alice)

        relay.store.submit(older, submit_of(alice, bob), b"body", settled.set_result)

        assert await settled is None
        assert await queued(relay, bob) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_connections_of_a_device_in_one_commit_the_newer_counts(tmp_path, order) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        seats = [alice.seats[1]]
        await relay.login(alice)
        seats.append(alice.seats[1])
        commits, command = relay.counters.commits, submit_of(alice, bob)
        settled = {which: asyncio.get_running_loop().create_future() for which in order}

        for which in order:
            body = b"newer" if which else b"older"
            relay.store.submit(seats[which], command, body, settled[which].set_result)

        stored = Submitted(command.submission, (Code.STORED,), (), 0)
        assert (await settled[0], await settled[1]) == (None, stored)
        assert [each.notice.body for each in await queued(relay, bob)] == [b"newer"]
        assert relay.counters.commits == commits + 1


async def test_every_device_of_the_target_gets_its_own_wrap_and_the_one_body(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=3)
        wraps = tuple(Wrap(device, b"wrap %d" % device) for device in (1, 2, 3))

        await relay.submit(alice, body=b"once", targets=(Target(bob.account, 2, wraps),))

        got = [(await queued(relay, bob, device))[0].notice for device in (1, 2, 3)]
        assert [(deliver.wrap, deliver.body) for deliver in got] == [(wrap.sealed, b"once") for wrap in wraps]
        assert len({deliver.stamp for deliver in got}) == 1


async def test_a_body_for_many_is_stored_once_and_goes_with_its_last_reader(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        bodies = "SELECT count(*), sum(refs) FROM body"

        def count(db):
            return db.execute(bodies).fetchone()

        await relay.submit(alice, bob)
        shared = await relay.store._read(count)
        await relay.acknowledge(bob, 1)
        half = await relay.store._read(count)
        await relay.acknowledge(bob, 1, device=2)
        gone = await relay.store._read(count)

        assert (shared, half, gone) == ((1, 2), (1, 1), (0, None))


async def test_a_wrong_device_list_stores_nothing_for_that_account_and_says_how_it_differs(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, carol = await relay.enrol("alice"), await relay.enrol("carol")
        bob = await relay.enrol("bob", devices=3)
        await relay.put_devices(bob, 1, 3)
        wrong = target_of(bob, devices=(1, 2, 9))

        settled = await relay.submit(alice, targets=(wrong, target_of(carol)))

        mismatch = Mismatch(0, 3, missing=(3,), extra=(9,), stale=(2,))
        assert settled == Submitted(1, (Code.MISMATCHED_DEVICES, Code.STORED), (mismatch,), 0)
        assert await queued(relay, bob) == []
        assert len(await queued(relay, carol)) == 1


async def test_a_repeat_of_a_refused_number_gets_the_recorded_codes_though_things_have_changed(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        command = submit_of(alice, targets=(target_of(bob, devices=(1,)),))
        first, again = await relay.submit_all(*(command, alice, 1) * 2)
        await relay.put_devices(bob, 1)
        await relay.reopen()
        await relay.login(alice)

        (repeated,) = await relay.submit_all(command, alice, 1)

        assert first == again == Submitted(1, (Code.MISMATCHED_DEVICES,), (Mismatch(0, 2, (2,), (), ()),), 0)
        assert repeated == Submitted(1, (Code.MISMATCHED_DEVICES,), (), 0)
        assert await queued(relay, bob) == []


async def test_recorded_refusals_are_forgotten_when_they_are_too_old(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")
        nobody = Target(bytes(32), 1, ())
        commands = [submit_of(alice, targets=(nobody,)) for _ in range(UNANSWERED_MAX + 3)]

        await relay.submit_all(*[part for command in commands for part in (command, alice, 1)])

        kept = await relay.store._read(
            lambda db: db.execute("SELECT min(submission), count(*) FROM refusal").fetchone()
        )
        assert kept == (4, UNANSWERED_MAX)


async def test_a_sender_reaches_its_own_other_devices(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice", devices=2)

        settled = await relay.submit(alice, alice)

        assert settled == stored(1)
        assert await queued(relay, alice, 1) == []
        assert len(await queued(relay, alice, 2)) == 1


async def test_an_unknown_account_is_not_available(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice = await relay.enrol("alice")

        settled = await relay.submit(alice, targets=(Target(bytes(32), 1, (Wrap(1, b""),)),))

        assert settled == Submitted(1, (Code.NOT_AVAILABLE,), (), 0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"body": None, "handle": 5}, Code.NO_BODY),
        ({"class_": Class.CALL, "ttl_s": 61}, Code.BAD_LIFETIME),
        ({"condition": b""}, Code.UNSUPPORTED),
    ],
)
async def test_what_cannot_be_stored_for_anybody_is_recorded_as_refused(tmp_path, changes, code) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")

        refused = await relay.submit(alice, bob, bob, **changes)

        assert refused == Submitted(1, (code, code), (), 0)
        assert await relay.submit(alice, bob) == stored(2)


async def test_a_full_mailbox_refuses_the_newest_and_reopens_at_the_share(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=10)) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]
        for sender in [alice, carol] * 5:
            await relay.submit(sender, bob)

        over = await relay.submit(alice, bob)
        await relay.acknowledge(bob, 1)
        still = await relay.submit(alice, bob)
        await relay.acknowledge(bob, 2)
        reopened = await relay.submit(alice, bob)

        assert over == Submitted(6, (Code.OVER_QUOTA,), (), 60_000)
        assert still.codes == (Code.OVER_QUOTA,)
        assert reopened.codes == (Code.STORED,)


async def test_one_sender_may_have_half_of_a_mailbox(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=10)) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]

        settled = await relay.submit_all(*[part for _ in range(7) for part in (submit_of(alice, bob), alice, 1)])
        other = await relay.submit(carol, bob)
        await relay.acknowledge(bob, 2)
        again = [await relay.submit(alice, bob) for _ in range(3)]

        assert [one.codes[0] for one in settled] == [Code.STORED] * 5 + [Code.OVER_QUOTA] * 2
        assert other.codes == (Code.STORED,)
        assert [one.codes[0] for one in again] == [Code.STORED, Code.STORED, Code.OVER_QUOTA]


async def test_shares_are_counted_again_after_a_restart(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=10)) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]
        for sender in (alice, alice, alice, alice, carol):
            await relay.submit(sender, bob)
        await relay.reopen()
        await relay.login(alice)

        settled = [await relay.submit(alice, bob) for _ in range(2)]

        assert [one.codes[0] for one in settled] == [Code.STORED, Code.OVER_QUOTA]


async def test_one_full_device_refuses_the_account_and_leaves_the_others_as_they_were(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=2)) as relay:
        alice, bob, carol = await relay.enrol("alice"), await relay.enrol("bob", 2), await relay.enrol("carol")
        await relay.submit(alice, bob)
        await relay.submit(carol, bob)
        await relay.acknowledge(bob, 2)

        settled = await relay.submit(alice, bob)

        assert settled.codes == (Code.OVER_QUOTA,)
        assert await queued(relay, bob, 1) == []
        assert (await relay.login(bob, floors=(2, 0, 0))).welcome.lanes[Lane.NORMAL] == LaneState(2, 3)


@pytest.mark.parametrize(
    ("class_", "receivers", "scope"),
    [(Class.CHAT, 1, Scope.PERSON), (Class.CHAT, 2, Scope.GROUP), (Class.BROADCAST, 1, Scope.BROADCAST)],
)
async def test_the_stamp_says_for_whom_it_was(tmp_path, class_, receivers, scope) -> None:
    first, second = bytes(range(32)), bytes(range(32, 64))
    moderators = (x25519_public(first), x25519_public(second))
    async with house(tmp_path, moderators=moderators) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]

        await relay.submit(alice, *[bob, carol][:receivers], class_=class_)

        (entry,) = await queued(relay, bob)
        (sealed,) = await relay.store._read(lambda db: db.execute("SELECT sealed FROM hour_key").fetchone())
        hour_key = Aead(stamp.open_hour_key(sealed, first, second))
        author = stamp.open_author(entry.notice.stamp, entry.notice.commitment, hour_key)
        assert author == (alice.account, 1, scope, relay.clock.now_ms())


async def test_no_outcome_is_queued_where_none_was_asked_for(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, flags=SubmitFlag.NONE)

        await relay.acknowledge(bob, 1)

        assert await relay.outcomes(alice) == []


async def test_a_removed_device_submits_nothing(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice", devices=2), await relay.enrol("bob")
        await relay.put_devices(alice, 1)

        settled = await relay.submit(alice, bob, device=2)

        assert settled is None


async def test_shares_pass_over_rows_whose_key_is_gone(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=10)) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]
        for sender in (alice, alice, alice, alice, alice):
            await relay.submit(sender, bob, ttl_s=60)
        relay.clock.advance(60)
        keys = relay.store._opened.keys
        keys.forget(keys.days)

        settled = await relay.submit(carol, bob)

        assert settled.codes == (Code.STORED,)


async def test_shares_count_what_the_same_commit_has_decided(tmp_path) -> None:
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=4)) as relay:
        alice, bob, carol = [await relay.enrol(name) for name in ("alice", "bob", "carol")]
        works = [part for _ in range(2) for part in (submit_of(alice, bob, carol), alice, 1)]

        settled = await relay.submit_all(*works, submit_of(alice, bob), alice, 1)

        assert [one.codes for one in settled] == [(Code.STORED,) * 2, (Code.STORED,) * 2, (Code.OVER_QUOTA,)]


async def test_at_the_border_of_half_full_shares_are_not_counted_each_time(tmp_path, monkeypatch) -> None:
    counted = []
    count = submissions._shares
    monkeypatch.setattr(submissions, "_shares", lambda *of: counted.append(1) or count(*of))
    async with house(tmp_path, limits=LimitsSection(mailbox_messages=20)) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        codes = []
        for floor in range(10):
            codes += [(await relay.submit(alice, bob)).codes[0] for _ in range(11 if not floor else 2)]
            await relay.acknowledge(bob, floor + 1)

        before = len(counted)
        await relay.acknowledge(bob, 17)
        await relay.submit(alice, bob)

        assert codes == [Code.STORED] * 10 + [Code.OVER_QUOTA] + [Code.STORED, Code.OVER_QUOTA] * 9
        assert before == 1
        assert relay.store._opened.tools.residents._mailboxes.get(bob.seat.row).shares is None


async def test_the_answer_fits_a_frame_however_many_targets_differ(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.put_devices(bob, 1, *range((1 << 32) - 7, 1 << 32))
        command = submit_of(alice, *[bob] * 430, body=None)
        command = replace(command, body=b"x", targets=(Target(bob.account, 1, ()),) * 430)

        (first,) = await relay.submit_all(command, alice, 1)
        (again,) = await relay.submit_all(command, alice, 1)

        assert len(encode(command)) < FRAME_BYTES_MAX
        assert len(encode(first)) < FRAME_BYTES_MAX
        assert (first.codes, len(first.mismatches)) == ((Code.MISMATCHED_DEVICES,) * 430, submissions.MISMATCHES_MAX)
        assert again == first


async def test_who_never_acknowledges_outcomes_gets_no_more_of_them(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(submissions, "OUTCOMES_MAX", 2)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        for number in (1, 2):
            await relay.submit(alice, bob)
            await relay.acknowledge(bob, number)
        command = submit_of(alice, bob)

        over = await relay.submit_all(command, alice, 1)
        quiet = await relay.submit_all(replace(command, flags=0), alice, 1)
        await relay.acknowledge(alice, 1, lane=Lane.OUTCOME)
        after = await relay.submit(alice, bob)

        assert over == [NotTaken(3, Code.BUSY, submissions.OUTCOMES_RETRY_MS)]
        assert (quiet, after) == ([stored(3)], stored(4))


async def bounded(relay: House, someone, **fields) -> None:
    """Let somebody's unit have a document with these fields."""
    octets = bounds.octets_of(document.read(draft(5, **fields)))

    def put(commit) -> None:
        commit.db.execute("INSERT INTO unit (id, under, organisation, name, state) VALUES (5, 0, 5, 'GAD', 1)")
        commit.db.execute("UPDATE account SET unit = 5 WHERE account = ?", (someone.account,))
        policies.put(commit, 5, None, octets)

    await relay.store._act(put)


async def test_a_document_shortens_lifetimes_of_its_people_and_refuses_none(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await bounded(relay, alice, lifetimes={"chat_s": 60})

        settled = [
            await relay.submit(alice, bob, ttl_s=86_400), await relay.submit(alice, bob, ttl_s=30),
            await relay.submit(alice, bob, ttl_s=86_400, class_=Class.NOTICE),
            await relay.submit(bob, alice, ttl_s=900),
        ]  # fmt: skip

        lives = [(entry.expires_ms - relay.clock.now_ms()) // 1000 for entry in await queued(relay, bob)]
        lives += [(entry.expires_ms - relay.clock.now_ms()) // 1000 for entry in await queued(relay, alice)]
    assert [one.codes for one in settled] == [(Code.STORED,)] * 4
    assert lives == [60, 30, 86_400, 900]


async def test_what_the_relay_refuses_no_document_allows(tmp_path) -> None:
    async with house(tmp_path, lifetimes=LifetimesSection(chat_s=3_600)) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await bounded(relay, alice, lifetimes={"chat_s": 7_200})

        settled = await relay.submit(alice, bob, ttl_s=3_601)

    assert settled.codes == (Code.BAD_LIFETIME,)


async def test_a_document_bounds_what_its_people_send_at_once(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob, carol = await relay.enrol("alice", devices=2), await relay.enrol("bob"), await relay.enrol("carol")
        await bounded(relay, alice, limits={"body_bytes": 6_144, "targets": 1})

        codes = [
            (await relay.submit(*people, body=bytes(octets))).codes
            for people, octets in (
                ((alice, bob), 6_144), ((alice, bob), 6_145), ((alice, bob, alice), 1), ((alice, bob, carol), 1),
                ((bob, alice, carol), 6_145),
            )
        ]  # fmt: skip

    assert codes == [
        (Code.STORED,), (Code.TOO_LARGE,), (Code.STORED,) * 2, (Code.LIMIT,) * 2, (Code.STORED,) * 2,
    ]  # fmt: skip
