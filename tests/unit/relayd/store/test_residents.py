import contextlib

from relayd.store import residents
from relayd.store.database import connect
from relayd.store.residents import Recent, Residents


def test_what_was_used_longest_ago_goes_first() -> None:
    recent: Recent[int, str] = Recent(2)
    for number in (1, 2, 3):
        recent[number] = str(number)
    recent.move_to_end(1)

    recent.trim()

    assert list(recent.items()) == [(3, "3"), (1, "1")]


def fill(db, count: int) -> None:
    for row in range(1, count + 1):
        db.execute(
            "INSERT INTO account (id, account, address, look, list_version, highest_device, devices, signature)"
            " VALUES (?1, ?2, ?3, ?3, 1, 1, x'', x'')",
            (row, bytes([row]) * 32, f"a{row}@b.example"),
        )
        db.execute("INSERT INTO device (id, account, device, dh_key, sign_key) VALUES (?, ?, 1, x'', x'')", (row, row))
        db.execute("INSERT INTO mailbox VALUES (?, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 11)", (row,))
        db.execute("INSERT INTO ledger VALUES (?, 3, 9, 300)", (row,))
        db.execute("INSERT INTO refusal VALUES (?, 299, x'0000')", (row,))
        db.execute("INSERT INTO hole VALUES (?, 1, 1)", (row * 4 + 1,))


def test_rows_are_read_as_they_were_written(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        fill(db, 1)
        kept = Residents()

        mailbox, sender, party = kept.mailbox(db, 1), kept.sender(db, 1), kept.party(db, b"\x01" * 32)

    assert (mailbox.epoch, mailbox.floors, mailbox.nexts) == (9, [1, 3, 5], [2, 4, 6])
    assert (mailbox.messages, mailbox.octets, mailbox.receipts, mailbox.outcomes) == (7, 8, 9, 10)
    assert (mailbox.over, mailbox.holed, mailbox.refused) == (True, True, 11)
    assert (sender.generation, sender.ledger.floor, sender.ledger.refused) == (3, 300, {299})
    assert (party.mailboxes, party.blocks, party.side.active) == ({1: 1}, False, True)


def test_people_of_a_suspended_organisation_are_not_active_once_parties_are_forgotten(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        fill(db, 2)
        db.execute(
            "INSERT INTO unit (id, under, organisation, name, state) VALUES (5, 0, 5, 'GAD', 1), (6, 5, 5, '', 1)"
        )
        db.execute("UPDATE account SET unit = 6 WHERE id = 1")
        kept = Residents()
        before = kept.party(db, b"\x01" * 32).side.active
        db.execute("UPDATE unit SET state = 2 WHERE id = 5")

        kept.forget_parties()

        assert [before, *(kept.party(db, bytes([row]) * 32).side.active for row in (1, 2))] == [True, False, True]


def test_an_account_that_is_suspended_is_not_active_once_it_is_forgotten(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        fill(db, 2)
        kept = Residents()
        before = kept.party(db, b"\x01" * 32).side.active
        db.execute("UPDATE account SET suspended = 1 WHERE id = 1")

        kept.forget_account(b"\x01" * 32)

        assert [before, *(kept.party(db, bytes([row]) * 32).side.active for row in (1, 2))] == [True, False, True]


def test_what_is_not_in_the_store_is_not_here(tmp_path) -> None:
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        kept = Residents()

        assert (kept.mailbox(db, 1), kept.sender(db, 1), kept.party(db, bytes(32))) == (None, None, None)


def test_no_more_is_kept_than_the_bounds(tmp_path, monkeypatch) -> None:
    for bound in ("KEPT_MAX", "SENDERS_MAX"):
        monkeypatch.setattr(residents, bound, 1)
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        fill(db, 2)
        kept = Residents()
        first = [(kept.mailbox(db, row), kept.sender(db, row), kept.party(db, bytes([row]) * 32)) for row in (1, 2)]

        kept.trim()

        for row, same in ((2, True), (1, False)):
            again = (kept.mailbox(db, row), kept.sender(db, row), kept.party(db, bytes([row]) * 32))
            assert [one is other for one, other in zip(again, first[row - 1], strict=True)] == [same] * 3


def test_what_is_used_again_stays_longer(tmp_path, monkeypatch) -> None:
    for bound in ("KEPT_MAX", "SENDERS_MAX"):
        monkeypatch.setattr(residents, bound, 1)
    with contextlib.closing(connect(tmp_path / "relay.db", autocheckpoint_pages=1000)) as db:
        fill(db, 2)
        kept = Residents()

        def used(row: int) -> list[object]:
            return [kept.mailbox(db, row), kept.sender(db, row), kept.party(db, bytes([row]) * 32)]

        before = used(1)
        used(2)
        used(1)

        kept.trim()

        assert all(one is other for one, other in zip(used(1), before, strict=True))
