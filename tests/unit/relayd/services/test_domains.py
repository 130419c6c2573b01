from typing import Any

import pytest

from relayd.domain.refusals import Fault
from relayd.services.domains import Domains
from relayproto.codes import Code

KEY = bytes(range(32))
NAMED = f"relayd-key={KEY.hex()}"


class Unit:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("texts", [[NAMED], ["v=spf1 -all", NAMED], [f"relayd-key={'00' * 32}", NAMED, NAMED]])
async def test_a_domain_is_proven_by_one_of_its_texts(texts: list[str]) -> None:
    unit = Unit({"texts": texts})

    assert await Domains(unit).proven("gad.example", KEY)
    assert unit.asked == [{"domain": "gad.example"}]


@pytest.mark.parametrize(
    "answer",
    [
        {"texts": []}, {"texts": [f"relayd-key={'00' * 32}"]}, {"texts": [NAMED + " "]}, {"texts": [NAMED[:-2]]},
        {"texts": [KEY.hex()]}, {"texts": [NAMED.upper()]}, {"texts": [7, None, [NAMED]]}, {"texts": NAMED},
        {"texts": {NAMED: 1}}, {"error": "no answer: LifetimeTimeout"}, {}, {"texts": ["रिले"]},
        Fault(Code.UNAVAILABLE, 1),
    ],
)  # fmt: skip
async def test_whatever_is_not_a_clear_yes_is_a_no(answer: Any) -> None:
    assert not await Domains(Unit(answer)).proven("gad.example", KEY)
