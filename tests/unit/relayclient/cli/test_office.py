"""relay office."""

import pytest

from relayproto.administration import AssignOffice
from support.registrar import Registrar


@pytest.mark.parametrize(("verb", "answers"), [("assign", True), ("release", False)])
def test_somebody_answers_for_an_office_or_no_longer(office, verb, answers):
    office.join("alice", "bob", "counter")
    works = Registrar().install(office.relay)
    counter, bob = (office.relay.addresses[f"{name}@office.example"] for name in ("counter", "bob"))

    ran = office.run("alice", "office", verb, "2", "counter@office.example", "bob@office.example")

    assert works.changes == [AssignOffice(2, counter, bob, answers)]
    assert ran.out.startswith("bob@office.example answers for counter@office.example")
    assert ("no longer" in ran.out) is not answers
