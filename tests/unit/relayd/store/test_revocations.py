"""The list of what was taken back: in pages, by numbers that only grow, for as long as it matters."""

from relayd.store import revocations
from relayd.store.authority import View
from relayproto.verification import GetRevocations, Revocation
from support.organisations import NOW_MS, registry


def test_what_was_taken_back_is_listed_in_pages_and_told_once(tmp_path) -> None:
    with registry(tmp_path) as desk:
        revocations.add(desk.commit, [(bytes([n]) * 16, NOW_MS + n) for n in range(3)])
        revocations.add(desk.commit, [(b"\x01" * 16, NOW_MS + 9)])

        first = revocations.listed(View(desk.db, NOW_MS), GetRevocations(0, 2))
        rest = revocations.listed(View(desk.db, NOW_MS), GetRevocations(2, 2))

        assert first.revocations == tuple(Revocation(n + 1, bytes([n]) * 16, NOW_MS + n) for n in range(2))
        assert (first.more, first.newest, rest.more, [row.number for row in rest.revocations]) == (True, 3, False, [3])
        assert desk.commit.done.revoked == [(n + 1, bytes([n]) * 16) for n in range(3)]
        assert revocations.has(desk.commit, b"\x01" * 16)
        assert not revocations.has(desk.commit, b"?" * 16)


def test_it_is_forgotten_when_it_would_have_ended_and_its_number_is_not_given_again(tmp_path) -> None:
    with registry(tmp_path) as desk:
        assert revocations.listed(View(desk.db, NOW_MS), GetRevocations(0, 9)).newest == 0
        revocations.add(desk.commit, [(b"a" * 16, NOW_MS), (b"b" * 16, NOW_MS + 1)])

        revocations.forget(desk.commit)
        assert [row.serial for row in revocations.listed(desk.commit, GetRevocations(0, 9)).revocations] == [b"b" * 16]
        desk.commit.now_ms += 1
        revocations.forget(desk.commit)

        assert revocations.listed(desk.commit, GetRevocations(0, 9)).newest == 2
        revocations.add(desk.commit, [(b"c" * 16, NOW_MS + 9)])
        assert desk.commit.done.revoked[-1] == (3, b"c" * 16)
