import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayproto.codes import GoawayCode
from relayproto.errors import CryptoFailure, LocalProtocolError, RemoteProtocolError
from relayproto.limits import BULK_BUCKET, FRAME_BYTES_MAX, RECORD_BUCKETS, REKEY_AFTER_S, REKEY_BYTES, REKEY_RECORDS
from relayproto.noise import CipherState
from relayproto.noise.suites import CHACHAPOLY
from relayproto.record import Opener, RecordBuffer, Sealer, bucket, pack, prefixed, unpack

KEY = bytes(range(32))


def sealer(*, now: float = 0.0) -> Sealer:
    return Sealer(CipherState(CHACHAPOLY, KEY), now)


def opener() -> Opener:
    return Opener(CipherState(CHACHAPOLY, KEY))


@pytest.mark.parametrize(
    ("length", "size"), [(0, 256), (1, 256), (256, 256), (257, 1024), (1025, 4096), (4097, 16384), (16384, 16384)]
)
def test_a_plaintext_gets_the_smallest_bucket_that_holds_it(length, size):
    assert bucket(length, bulk=False) == bucket(length, bulk=True) == size


def test_only_a_bulk_connection_has_the_largest_bucket():
    assert bucket(16385, bulk=True) == BULK_BUCKET
    for length, bulk in ((16385, False), (BULK_BUCKET + 1, True)):
        with pytest.raises(LocalProtocolError):
            bucket(length, bulk=bulk)


def test_frames_that_are_ready_share_a_record():
    [plaintext] = pack([b"one", b"two"])

    assert plaintext == b"\x00\x03one\x00\x03two".ljust(256, b"\x00")
    assert list(unpack(plaintext)) == [b"one", b"two"]


def test_nothing_to_say_makes_no_record():
    assert pack([]) == []


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_record_may_end_with_its_last_frame_or_one_octet_later(left):
    frame = b"f" * (254 - left)

    [plaintext] = pack([frame])

    assert len(plaintext) == 256
    assert list(unpack(plaintext)) == [frame]


@given(
    st.lists(st.integers(1, FRAME_BYTES_MAX) | st.integers(1, 300), max_size=60),
    st.booleans(),
)
def test_every_list_of_frames_comes_back_in_order_from_records_of_allowed_sizes(lengths, bulk):
    frames = [bytes((number % 255 + 1,)) * length for number, length in enumerate(lengths)]

    plaintexts = pack(frames, bulk=bulk)

    assert [frame for plaintext in plaintexts for frame in unpack(plaintext)] == frames
    assert {len(plaintext) for plaintext in plaintexts} <= {*RECORD_BUCKETS, BULK_BUCKET if bulk else 256}
    filled = [sum(2 + len(frame) for frame in unpack(plaintext)) for plaintext in plaintexts]
    room = BULK_BUCKET if bulk else RECORD_BUCKETS[-1]
    for size, following in zip(filled, plaintexts[1:], strict=False):
        assert size + 2 + len(next(unpack(following))) > room


@pytest.mark.parametrize(("frame", "bulk"), [(b"", False), (bytes(16383), False), (bytes(BULK_BUCKET - 1), True)])
def test_a_frame_that_fits_no_record_is_our_own_mistake(frame, bulk):
    with pytest.raises(LocalProtocolError):
        pack([frame], bulk=bulk)


@given(st.binary(max_size=600))
def test_any_plaintext_is_frames_or_one_error(plaintext):
    try:
        frames = list(unpack(plaintext))
    except RemoteProtocolError:
        frames = []

    assert sum(2 + len(frame) for frame in frames) <= len(plaintext)
    assert all(frames)


def test_what_follows_the_length_0_is_padding():
    assert list(unpack(b"\x00\x01a\x00\x00\x00\x01b")) == [b"a"]


def test_a_frame_that_is_longer_than_its_record_is_refused():
    with pytest.raises(RemoteProtocolError) as refused:
        list(unpack(b"\x00\x01a\x00\x02b"))

    assert refused.value.code is GoawayCode.BAD_RECORD


@given(st.lists(st.sampled_from(RECORD_BUCKETS[:2]), min_size=1, max_size=8), st.data())
def test_records_come_out_whole_however_the_octets_are_cut(sizes, data):
    records = [bytes((number + 1,)) * (size + 16) for number, size in enumerate(sizes)]
    octets = b"".join(prefixed(record) for record in records)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
    buffer = RecordBuffer()
    taken = []

    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        buffer.feed(octets[start:end])
        while (record := buffer.next_record()) is not None:
            taken.append(record)

    assert taken == records


def test_octets_may_come_one_by_one():
    buffer = RecordBuffer()
    taken = []

    for octet in prefixed(b"r" * 272):
        buffer.feed(bytes((octet,)))
        taken.append(buffer.next_record())

    assert taken == [None] * 273 + [b"r" * 272]


@pytest.mark.parametrize("length", [0, 1, 16, 255, 256, 271, 273, 1024, 16384, 65519, 65535])
def test_a_length_that_no_record_has_is_refused_at_its_second_octet(length):
    buffer = RecordBuffer()
    buffer.feed(length.to_bytes(2, "big")[:1])
    assert buffer.next_record() is None
    buffer.feed(length.to_bytes(2, "big")[1:])

    with pytest.raises(RemoteProtocolError) as refused:
        buffer.next_record()

    assert refused.value.code is GoawayCode.BAD_RECORD


def test_a_bulk_connection_takes_the_largest_record_too():
    buffer = RecordBuffer()
    buffer.feed(prefixed(bytes(65535)) + prefixed(bytes(272)))

    assert buffer.next_record(bulk=True) == bytes(65535)
    assert buffer.next_record(bulk=True) == bytes(272)
    assert buffer.next_record(bulk=True) is None


def test_preface_handshake_message_and_record_are_taken_from_one_feed():
    buffer = RecordBuffer()
    buffer.feed(b"RLY1preface." + prefixed(b"message") + prefixed(bytes(272))[:-1])

    assert buffer.take(12) == b"RLY1preface."
    assert buffer.next_message(7) == b"message"
    assert buffer.next_record() is None
    assert buffer.take(275) is None
    buffer.feed(b"\x00")
    assert buffer.next_record() == bytes(272)
    assert buffer.next_message(7) is None


def test_an_incomplete_handshake_message_waits():
    buffer = RecordBuffer()
    buffer.feed(prefixed(b"message")[:-1])

    assert buffer.next_message(7) is None
    assert buffer.take(1) == b"\x00"


@pytest.mark.parametrize("length", [0, 8])
def test_a_handshake_message_of_a_length_that_none_has_is_refused(length):
    buffer = RecordBuffer()
    buffer.feed(length.to_bytes(2, "big"))

    with pytest.raises(RemoteProtocolError) as refused:
        buffer.next_message(7)

    assert refused.value.code is GoawayCode.BAD_HANDSHAKE


def test_a_sealed_record_opens_on_the_other_side_only_in_its_place():
    sending, receiving = sealer(), opener()
    first, second = sending.seal(bytes(256)), sending.seal(bytes(256))

    assert first[:2] == (272).to_bytes(2, "big")
    with pytest.raises(CryptoFailure):
        receiving.open(second[2:])
    assert receiving.open(first[2:]) == receiving.open(second[2:]) == bytes(256)


def test_both_sides_take_the_next_key_together():
    sending, receiving = sealer(), opener()
    sending.rekey(1.0)
    record = sending.seal(bytes(256))

    with pytest.raises(CryptoFailure):
        receiving.open(record[2:])
    receiving.rekey()

    assert receiving.open(record[2:]) == bytes(256)


def test_a_key_is_worn_by_records_by_octets_and_by_time():
    by_records, by_octets, by_time = sealer(), sealer(), sealer(now=100.0)
    assert not by_time.due(100.0 + REKEY_AFTER_S - 1)
    by_records._records = REKEY_RECORDS - 1
    by_octets._octets = REKEY_BYTES - 256
    assert not by_records.due(0.0)
    assert not by_octets.due(0.0)

    by_records.seal(bytes(256))
    by_octets.seal(bytes(256))

    assert by_records.due(0.0)
    assert by_octets.due(0.0)
    assert by_time.due(100.0 + REKEY_AFTER_S)


def test_a_new_key_is_not_worn():
    sending = sealer()
    sending._records = REKEY_RECORDS
    sending._octets = REKEY_BYTES

    sending.rekey(REKEY_AFTER_S)

    assert not sending.due(REKEY_AFTER_S + 1)
