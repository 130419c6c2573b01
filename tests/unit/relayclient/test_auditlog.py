"""A log as a file: every edit, gap, reorder and cut is found, and named."""

import json

import pytest

from relayclient import auditlog
from relayclient.auditlog import Verifier
from relayclient.errors import LogBroken
from relayproto import audit, descriptor
from relayproto.administration_replies import Checkpoint
from relayproto.audit import FIRST_HASH, Chain, Record
from relayproto.codes import Code, Kind
from relayproto.descriptor import KeyDescriptor
from relayproto.primitives import ed25519_public
from relayproto.standing import ActState, Role
from support.changed import replace
from support.registrar import head_of

NOW_MS = 1_790_000_000_000
ROOT_SEED, STAMP_SEED = b"r" * 32, b"s" * 32
ROOT = descriptor.fingerprint(ed25519_public(ROOT_SEED))
LOG = [
    audit.encode(Record(NOW_MS + n, 1, Kind.GRANT_ROLE, b"a" * 32, 1, Role.ORGANISATION_ADMIN, 1, object=1,
                        whom=b"w" * 32, detail=Role.VERIFIER, state=ActState.DONE, act=b"d" * 32, reason=f"reason {n}"))
    for n in range(1, 11)
]  # fmt: skip
OTHER = audit.encode(Record(NOW_MS, 1, Kind.CREATE_UNIT))


def described(key_id=1, stamp_seed=STAMP_SEED, root_seed=ROOT_SEED) -> bytes:
    stamp_key = ed25519_public(stamp_seed)
    return descriptor.make(
        root_seed, KeyDescriptor(7, key_id, bytes(32), stamp_key, NOW_MS, NOW_MS + 1, NOW_MS)
    )  # fmt: skip


DESCRIBED = described()


def checkpoint(records, log=LOG, *, key_id=1, seed=STAMP_SEED, relay=ROOT) -> Checkpoint:
    head = head_of(log[:records])
    return Checkpoint(records, head, NOW_MS, key_id, audit.sign_checkpoint(seed, relay, records, head, NOW_MS))


def export(rows=None, checkpoints=(4, 8), *, start=None, descriptors=(DESCRIBED,), relay=ROOT) -> list[str]:
    """Return the lines of an export; ``rows`` as the relay gives them."""
    signed = [one if isinstance(one, Checkpoint) else checkpoint(one) for one in checkpoints]
    lines = list(auditlog.begin(relay, 1, descriptors, signed, start))
    chain = Chain({}, start.records, start.head) if start else Chain({})
    for number, said in list(enumerate(LOG, 1)) if rows is None else rows:
        chain.take(number, said)
        lines.append(auditlog.row(number, said))
    return [*lines, auditlog.end(chain)]


def verify(lines, *, root=ROOT, **known):
    return Verifier(root, **known).verify(lines)


def broken(lines, **known) -> str:
    with pytest.raises(LogBroken) as error:
        verify(lines, **known)
    return error.value.detail


def line_of(lines, record) -> int:
    return next(at for at, line in enumerate(lines) if json.loads(line).get("number") == record)


def changed(lines, number, **fields) -> list[str]:
    at = line_of(lines, number)
    return [*lines[:at], json.dumps({**json.loads(lines[at]), **fields}), *lines[at + 1 :]]


def test_a_log_is_whole_as_far_as_the_relay_has_signed():
    verdict = verify(export(), known=[checkpoint(8)])

    assert verdict == (1, 10, 10, 8, NOW_MS, 8)
    assert not verdict.whole


@pytest.mark.parametrize("elsewhere", [{"known": [checkpoint(4), checkpoint(10)]}, {"seen": {10: head_of(LOG)}}])
def test_a_log_is_whole_where_a_checkpoint_from_elsewhere_covers_its_end(elsewhere):
    verdict = verify(export(), **elsewhere)

    assert (verdict.last, verdict.signed, verdict.outside, verdict.whole) == (10, 10, 10, True)


@pytest.mark.parametrize("left", [1, 4, 8, 10])
def test_a_files_own_checkpoints_make_it_whole_nowhere(left):
    """Whoever cuts the tail off cuts its checkpoints off as well; he may also change what none is left for."""
    forged = [*LOG[: left - 1], audit.encode(replace(audit.decode(LOG[left - 1]), reason="nothing happened"))]
    cut = export(list(enumerate(LOG[:left], 1)), checkpoints=[at for at in (1, 4, 8, 10) if at <= left])
    verifier = Verifier(ROOT)

    assert not verify(export(list(enumerate(forged, 1)), checkpoints=())).whole
    assert not verifier.verify(cut).whole
    assert verifier.furthest is None
    assert not verify(cut, known=[checkpoint(left - 1)] if left > 1 else ()).whole


def test_a_log_without_records_is_whole_nowhere():
    assert not verify(export([], checkpoints=())).whole


def test_hidden_records_are_followed_by_their_digests():
    rows = [(1, LOG[0]), (2, audit.hidden([audit.digest(each) for each in LOG[1:5]])), *enumerate(LOG[5:], 6)]

    verdict = verify(export(rows))

    assert (verdict.last, verdict.shown, verdict.signed) == (10, 6, 8)


def test_a_log_whose_beginning_is_gone_by_retention_begins_at_a_checkpoint():
    lines = export(list(enumerate(LOG[4:], 5)), start=checkpoint(4))
    verdict = verify(lines, known=[checkpoint(4), checkpoint(10)])

    assert (verdict.first, verdict.last, verdict.signed, verdict.whole) == (5, 10, 10, True)
    assert not verify(lines, seen={4: head_of(LOG[:4])}).whole


def test_a_beginning_for_which_only_the_file_vouches_is_refused():
    lines = export(list(enumerate(LOG[4:], 5)), start=checkpoint(4))

    assert broken(lines).startswith("record 5: the log begins here, and only the file itself says so")
    assert broken(lines, known=[checkpoint(10)]).startswith("record 5: the log begins here")


def test_a_beginning_that_no_checkpoint_names_is_refused():
    lines = export(list(enumerate(LOG[2:], 3)), start=checkpoint(2))

    assert broken(lines) == "record 3: the log begins where no checkpoint of the relay is"


@pytest.mark.parametrize("record", [1, 4, 8])
def test_an_edited_record_is_found_also_where_its_words_are_edited_along(record):
    forged = replace(audit.decode(LOG[record - 1]), reason="nothing happened")
    octets = audit.encode(forged)

    found = broken(changed(export(), record, record=octets.hex(), said=auditlog.readable(forged)))

    assert found.startswith(f"record {4 if record <= 4 else 8}: the relay's checkpoint says otherwise")


def test_words_that_are_not_what_the_record_says_are_found():
    lines = export()
    said = json.loads(lines[line_of(lines, 3)])["said"]

    found = broken(changed(lines, 3, said={**said, "reason": "nothing happened"}))

    assert found == "record 3: what the line says in words is not what its record says"


def test_an_edit_after_the_last_checkpoint_does_not_agree_with_the_end():
    octets = audit.encode(replace(audit.decode(LOG[9]), reason="nothing happened"))
    lines = changed(export(), 10, record=octets.hex(), said=auditlog.readable(audit.decode(octets)))

    assert broken(lines) == "record 10: the end of the file is for other records"


def test_a_gap_is_found():
    lines = export()
    del lines[line_of(lines, 5)]

    assert broken(lines) == "record 5: missing or out of order: the next one here is 6"


def test_a_reorder_is_found():
    lines = export()
    at = line_of(lines, 5)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]

    assert broken(lines) == "record 5: missing or out of order: the next one here is 6"


def test_two_records_that_changed_places_and_numbers_are_found():
    lines = export()
    for one, other in ((5, 6), (6, 5)):
        octets = LOG[other - 1]
        lines = changed(lines, one, record=octets.hex(), said=auditlog.readable(audit.decode(octets)))

    assert broken(lines).startswith("record 8: the relay's checkpoint says otherwise")


def test_an_inserted_record_is_found():
    lines = export()
    rest = lines[line_of(lines, 5) :]
    moved = [json.dumps({**json.loads(line), "number": at}) for at, line in enumerate(rest[:-1], 6)]

    assert broken([*lines[: line_of(lines, 5)], auditlog.row(5, OTHER), *moved, rest[-1]]).startswith("record 8: ")


@pytest.mark.parametrize("left", [0, 3, 8, 10])
def test_a_file_that_was_cut_off_is_found(left):
    lines = export()
    cut = lines[: line_of(lines, left) + 1] if left else lines[:3]

    assert broken(cut) == f"record {left + 1}: missing: the file was cut off here"


def test_a_log_that_ends_before_what_the_relay_has_signed_is_found():
    assert broken(export(list(enumerate(LOG[:6], 1)))) == "record 7: missing: the relay had signed for 8 records"


def test_a_log_that_ends_before_what_was_seen_elsewhere_is_found_even_without_its_checkpoints():
    shorter = export(list(enumerate(LOG[:6], 1)), checkpoints=(4,))
    assert verify(shorter).last == 6

    assert broken(shorter, known=[checkpoint(8)]) == "record 7: missing: the relay had signed for 8 records"
    assert broken(shorter, seen={9: head_of(LOG[:9])}) == "record 7: missing: the relay had signed for 9 records"


def test_a_relay_that_signed_another_log_elsewhere_is_found():
    other = [*LOG[:3], OTHER, *LOG[4:]]

    assert broken(export(), known=[checkpoint(4, other)]) == "record 4: the relay has signed two different logs"


def test_a_checkpoint_that_the_relay_did_not_sign_is_found():
    lines = export(checkpoints=(4, checkpoint(8, seed=b"x" * 32)))

    assert broken(lines).startswith("record 8: its checkpoint is not signed by the relay")


@pytest.mark.parametrize("number", [1, 2, 99])
def test_the_number_of_a_key_makes_no_checkpoint_pass(number):
    """It is not signed: whoever changes it must neither hide a checkpoint nor what it says."""
    good, bad = replace_key(checkpoint(8), number), checkpoint(8, [*LOG[:7], OTHER], key_id=number, seed=b"x" * 32)

    assert verify(export(checkpoints=(4, good))).signed == 8
    assert broken(export(checkpoints=(4, bad))).startswith("record 8: its checkpoint is not signed by the relay")
    assert broken(export(), known=[bad]).startswith("record 8: its checkpoint is not signed by the relay")


def replace_key(one: Checkpoint, number: int) -> Checkpoint:
    return Checkpoint(one.records, one.head, one.at_ms, number, one.signature)


def test_a_checkpoint_under_a_key_that_is_not_known_is_refused():
    assert "by a key of the relay that is not known here" in broken(export(descriptors=()))
    other = described(key_id=2, stamp_seed=b"x" * 32)

    assert verify(export(checkpoints=(checkpoint(8, key_id=2, seed=b"x" * 32),), descriptors=[other])).signed == 8


def test_a_key_that_is_known_from_elsewhere_counts():
    assert verify(export(descriptors=()), descriptors=[described()]).signed == 8


def test_a_key_that_the_root_did_not_sign_is_refused():
    forged = described(root_seed=b"x" * 32)

    assert broken(export(descriptors=[forged])) == "a key in it is not signed by the relay's root"


def test_nothing_is_signed_where_there_is_no_checkpoint():
    verdict = verify(export(checkpoints=()))

    assert (verdict.signed, verdict.signed_ms) == (0, 0)


def test_another_relays_log_is_refused():
    assert broken(export(relay=b"x" * 32)) == "it is another relay's log"


@pytest.mark.parametrize(
    "line", ["", "[]", "nonsense", '{"number": "1", "record": ""}', '{"number": 1}', '{"number": 1, "record": "zz"}']
)
def test_a_line_that_is_none_is_refused(line):
    lines = export()

    assert broken([*lines[:3], line, *lines[3:]]).startswith("line 4: ")


def test_a_file_that_is_something_else_is_refused():
    assert broken(['{"hello": 1}']) == "this is no export of an audit log"
    assert broken([]).startswith("line 1: ")
    assert broken([auditlog.row(1, LOG[0])]) == "this is no export of an audit log"
    assert broken([*export(), "{}"]).endswith("something follows the end")
    first = json.loads(export()[0])
    assert broken([json.dumps({**first, "head": "11" * 32})]) == "record 1: the log does not begin at its beginning"


@pytest.mark.parametrize("value", [7, {"records": 1}, {"records": "x", "head": "", "signature": ""}])
def test_a_checkpoint_that_is_none_is_refused(value):
    lines = export()

    assert broken([lines[0], json.dumps({"checkpoint": value}), *lines[1:]]).startswith("line 2: ")


def test_what_was_carried_outside_is_read_and_other_relays_are_left_out():
    one = checkpoint(8)
    said = {"records": 8, "head": one.head.hex(), "at_ms": NOW_MS, "key_id": 1, "signature": one.signature.hex()}
    lines = [json.dumps({"relay": relay.hex(), **said}) for relay in (ROOT, bytes(32))]

    assert auditlog.carried(lines, ROOT) == ([one], [])


def test_lines_that_a_power_cut_tore_are_told_and_those_after_them_count():
    one = checkpoint(8)
    whole = json.dumps({"relay": ROOT.hex(), "records": 8, "head": one.head.hex(), "at_ms": NOW_MS, "key_id": 1,
                        "signature": one.signature.hex()})  # fmt: skip
    lines = [whole[:20], "\0\0", whole, "", f'{{"relay": "{ROOT.hex()}"}}', "[]", whole]

    assert auditlog.carried(lines, ROOT) == ([one, one], [1, 2, 4, 5, 6])


def test_a_record_in_words_names_who_what_and_what_came_of_it():
    denied = replace(audit.decode(LOG[0]), code=Code.CONFLICT, state=0)
    future = replace(denied, code=299, role=0)

    assert auditlog.readable(audit.decode(LOG[0]))["outcome"] == "done"
    assert [auditlog.readable(denied)[name] for name in ("verb", "outcome", "code", "role")] == [
        "grant-role", "denied", "CONFLICT", "organisation-admin",
    ]  # fmt: skip
    assert (auditlog.readable(future)["code"], auditlog.readable(future)["role"]) == (299, None)
    assert auditlog.outcome(Record(NOW_MS, 0, Kind.GET_AUDIT)) == "asked"


def test_the_relay_that_an_export_is_of_is_in_its_first_line():
    assert auditlog.relay_of(export()[0]) == ROOT
    assert json.loads(export()[0])["head"] == FIRST_HASH.hex()
