from relayd.domain.refusals import Fatal, Fault, Refusal
from relayproto.codes import Code


def test_a_refusal_names_its_code_and_when_to_try_again() -> None:
    refusal = Refusal(Code.RATE, 250)

    assert (refusal.code, refusal.retry_after_ms, str(refusal)) == (Code.RATE, 250, "RATE")


def test_a_refusal_that_waiting_does_not_help_says_no_time() -> None:
    assert Refusal(Code.BAD_TICKET).retry_after_ms == 0


def test_a_fault_names_its_code_and_when_to_try_again() -> None:
    fault = Fault(Code.DISK, 30_000)

    assert (fault.code, fault.retry_after_ms, str(fault)) == (Code.DISK, 30_000, "DISK")


def test_the_families_are_apart() -> None:
    assert not issubclass(Fault, Refusal)
    assert not issubclass(Fatal, Fault | Refusal)
