from relayproto import limits
from relayproto.codes import Class, Lane
from relayproto.commands import SignedPrekey
from relayproto.identity import DeviceEntry
from relayproto.message import encode
from relayproto.notices import Deliver
from relayproto.replies import Bundle, Bundles


def test_the_largest_legal_deliver_fits_one_record() -> None:
    deliver = Deliver(
        Lane.OUTCOME, limits.UINT_MAX, bytes(32), (1 << 32) - 1, Class.BROADCAST, limits.UINT_MAX,
        bytes(limits.COMMITMENT_BYTES), bytes(limits.STAMP_BYTES_MAX), bytes(limits.WRAP_BYTES_MAX),
        bytes(limits.BODY_BYTES_MAX),
    )  # fmt: skip

    rest = len(encode(deliver)) - limits.BODY_BYTES_MAX - limits.WRAP_BYTES_MAX

    assert rest <= 1024
    assert len(encode(deliver)) <= limits.FRAME_BYTES_MAX


def test_the_bundles_of_the_largest_account_fit_one_record() -> None:
    signed = SignedPrekey(1, (1 << 32) - 1, bytes(32), bytes(64))
    kem = SignedPrekey(4, (1 << 32) - 1, bytes(limits.KEM_PUBLIC_BYTES), bytes(64))
    bundles = (Bundle((1 << 32) - 1, signed, signed, kem),) * limits.DEVICES_MAX

    frame = encode(Bundles(bytes(limits.DEVICE_LIST_BYTES_MAX), bytes(64), bundles))

    assert len(frame) <= limits.FRAME_BYTES_MAX
    assert len(DeviceEntry.__struct_fields__) == 4


def test_every_class_has_a_lane_and_lifetimes_that_agree() -> None:
    for class_ in Class:
        assert limits.LANE_OF[class_] in {Lane.NORMAL, Lane.URGENT}
        assert 0 < limits.LIFETIME_S_DEFAULT[class_] <= limits.LIFETIME_S_MAX[class_]


def test_nothing_can_come_again_after_it_is_forgotten() -> None:
    longest = max(limits.LIFETIME_S_MAX.values()) + limits.OUTCOME_LIFETIME_S

    assert longest <= limits.DEDUPE_DAYS * 86_400
