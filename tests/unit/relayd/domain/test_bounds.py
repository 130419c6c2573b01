from relayd.domain import bounds
from relayd.domain.bounds import Bounds
from relayproto import document
from relayproto.codes import Class
from relayproto.document import FIRST_PREVIOUS
from relayproto.limits import BODY_BYTES_MAX, LIFETIME_S_MAX
from relayproto.schema import Document, Lifetimes, Limits


def of(**fields) -> Document:
    return Document(schema=1, unit=7, version=1, previous=FIRST_PREVIOUS, issued_ms=0, **fields)


def test_what_a_document_does_not_say_is_the_protocols_own() -> None:
    octets = bounds.octets_of(of(lifetimes=Lifetimes(chat_s=60), limits=Limits(targets=3)))

    assert bounds.least([octets]) == Bounds({**LIFETIME_S_MAX, Class.CHAT: 60}, BODY_BYTES_MAX, 3)


def test_a_document_that_says_nothing_of_them_costs_nothing() -> None:
    assert bounds.octets_of(of()) is None
    assert bounds.octets_of(of(limits=Limits(), lifetimes=Lifetimes())) is None
    assert bounds.least([]) is None


def test_of_several_the_least_counts_each_for_itself() -> None:
    one = bounds.octets_of(of(lifetimes=Lifetimes(chat_s=60, otp_s=30), limits=Limits(body_bytes=7_000)))
    other = bounds.octets_of(of(lifetimes=Lifetimes(chat_s=90, otp_s=20), limits=Limits(targets=9)))

    held = bounds.least([one, other])

    assert (held.longest_s[Class.CHAT], held.longest_s[Class.OTP]) == (60, 20)
    assert (held.body_bytes, held.targets) == (7_000, 9)


def test_every_lifetime_of_a_document_is_kept_under_its_class() -> None:
    for number, class_ in enumerate(Class, start=1):
        said = Lifetimes(**{f"{class_.name.lower()}_s": number})

        held = bounds.least([bounds.octets_of(of(lifetimes=said))])

        assert held.longest_s == {**LIFETIME_S_MAX, class_: number}
        assert document.leaves(of(lifetimes=said)) == {f"lifetimes.{class_.name.lower()}_s": number}
