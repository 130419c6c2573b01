"""What has to be true of the store's tables and pages whenever a commit is over, against the model (protocol.md §7)."""

from collections import Counter

from relayd.domain.entry import Entry
from relayproto.codes import Class, GapReason


def compare(db, model, counters):
    """Compare every row that matters with the model, and count everything again."""
    boxes = model.boxes
    ordered = sorted(boxes.items())
    queued = {
        (row * 4 + lane, n): item for row, box in ordered for lane in range(3) for n, item in box.lanes[lane].items()
    }
    found = db.execute("SELECT lane, sequence, expires_ms, class, octets, body, fan FROM envelope").fetchall()
    assert {(r[0], r[1]): r[2:5] for r in found} == {
        place: (item.expires_ms, item.class_, item.octets) for place, item in queued.items()
    }
    assert len(found) == len(queued)
    sums = [(box, *sums_of(box)) for _, box in ordered]
    mailboxes = db.execute(
        "SELECT id, epoch, floor_normal, floor_urgent, floor_outcome, next_normal, next_urgent,"
        " next_outcome, messages, octets, receipts, outcomes, over, refused FROM mailbox ORDER BY id"
    ).fetchall()
    assert mailboxes == [
        (row, box.epoch, *box.floors, *box.nexts, messages, octets, receipts, len(box.lanes[2]), box.over, box.refused)
        for (row, _), (box, messages, octets, receipts) in zip(ordered, sums, strict=True)
    ]  # fmt: skip
    assert db.execute("SELECT device, generation, epoch, floor FROM ledger ORDER BY device").fetchall() == [
        (row, box.generation, box.ledger_epoch, box.floor) for row, box in ordered
    ]
    compare_references(db, found, queued)
    refused = {
        (row, number) for row, box in boxes.items() for number, codes in box.codes.items()
        if any(codes) and number > box.floor - 256
    }  # fmt: skip
    assert set(db.execute("SELECT device, submission FROM refusal").fetchall()) == refused
    compare_holes(db, boxes)
    assert counters.envelopes_queued == sum(messages for _, messages, _, _ in sums)
    assert counters.queued_bytes == sum(octets for _, _, octets, _ in sums)
    assert counters.outcomes_queued == sum(len(box.lanes[2]) for box in boxes.values())


def sums_of(box):
    """Count a box's envelopes, their octets and the receipts among them, in one go."""
    held = box.envelopes()
    return len(held), sum([item.octets for item in held]), sum([item.class_ == Class.RECEIPT for item in held])


def compare_holes(db, boxes):
    covered: dict[int, list[int]] = {}
    for name, first, last in db.execute("SELECT lane, first, last FROM hole").fetchall():
        covered.setdefault(name, []).extend(range(first, last + 1))
    for row, box in boxes.items():
        for lane in range(3):
            numbers = covered.pop(row * 4 + lane, [])
            assert len(numbers) == len(set(numbers)), "two holes over one number"
            if box.expired[lane]:
                assert {n for n in box.expired[lane] if n > box.floors[lane]} <= set(numbers), "expired and no hole"
            assert not box.lanes[lane].keys() & set(numbers), "a hole over what is queued"
    assert not covered, "holes of a device that is gone"


def compare_references(db, found, queued):
    bodies = Counter(row[5] for row in found if row[5] is not None)
    assert dict(db.execute("SELECT id, refs FROM body").fetchall()) == bodies
    shared: dict[int, set[int]] = {}
    fans: dict[int, tuple[int, bool]] = {}
    for lane, sequence, *_, body, fan in found:
        item = queued[lane, sequence]
        if body is not None:
            shared.setdefault(body, set()).add(item.shared)
        assert (fan is None) == (item.asked is None)
        if fan:
            fans[fan] = (item.asked.open, item.asked.told)
    assert all(len(one) == 1 for one in shared.values()), "a body of two submissions"
    assert {n: (left, bool(told)) for n, left, told in db.execute("SELECT id, remaining, told FROM fan")} == fans


def everything_is_covered(page, box, lane, stretch, entries):
    reasons: dict[int, GapReason] = {}
    for gap in page.items:
        if isinstance(gap, Entry):
            continue
        for number in range(gap.first, gap.last + 1):
            assert number in stretch, "beyond the page"
            assert number not in reasons, "explained twice"
            reasons[number] = gap.reason
    assert set(stretch) == entries | reasons.keys() | (box.lanes[lane].keys() & set(stretch))
    assert not reasons.keys() & box.lanes[lane].keys(), "a gap over what is queued"
    for number, reason in reasons.items():
        if number in box.expired[lane] and number > box.floors[lane]:
            assert reason is GapReason.EXPIRED
        elif not box.expired[lane]:
            assert reason is GapReason.ACKNOWLEDGED
