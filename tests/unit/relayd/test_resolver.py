import dns.rcode
import dns.resolver
import pytest

from relayd import resolver
from relayd.config import Endpoint
from relayd.resolver import Resolver
from support.zone import Zone, zone

KEY = b"relayd-key=" + b"ab" * 32
RECORDS = {"_relayd.gad.example": [b"v=spf1 -all", KEY], "_relayd.none.example": []}


def asking(served: Zone) -> Resolver:
    return Resolver(Endpoint("127.0.0.1", served.port))


async def test_the_texts_at_the_one_name_are_the_answer() -> None:
    async with zone(RECORDS) as served:
        answer = await asking(served).answer({"domain": "gad.example"})

    assert sorted(answer["texts"]) == [KEY.decode(), "v=spf1 -all"]
    assert served.asked == [("_relayd.gad.example", "TXT")]


@pytest.mark.parametrize("domain", ["none.example", "other.example"])
async def test_a_domain_without_the_record_has_no_texts(domain: str) -> None:
    async with zone(RECORDS) as served:
        assert await asking(served).answer({"domain": domain}) == {"texts": []}


async def test_an_answer_to_another_question_is_passed_over() -> None:
    async with zone(RECORDS, other=b"relayd-key=forged") as served:
        answer = await asking(served).answer({"domain": "gad.example"})

    assert KEY.decode() in answer["texts"]
    assert "relayd-key=forged" not in answer["texts"]


async def test_a_failing_name_server_is_an_error_and_not_an_empty_answer() -> None:
    async with zone(RECORDS, rcode=dns.rcode.SERVFAIL) as served:
        assert await asking(served).answer({"domain": "gad.example"}) == {"error": "no answer: NoNameservers"}


async def test_a_silent_name_server_is_not_waited_for_long(monkeypatch) -> None:
    monkeypatch.setattr(resolver, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(resolver, "ATTEMPT_S", 0.1)
    async with zone(RECORDS, silent=True) as served:
        answer = await asking(served).answer({"domain": "gad.example"})

    assert answer == {"error": "no answer: LifetimeTimeout"}
    assert len(served.asked) > 1, "a lost packet is asked for again"


async def test_what_comes_back_is_bounded() -> None:
    long, many = b"x" * 1_025, [b"text %d" % number for number in range(17)]
    async with zone({"_relayd.long.example": [long, KEY], "_relayd.many.example": many}) as served:
        answers = [await asking(served).answer({"domain": f"{name}.example"}) for name in ("long", "many")]

    assert answers[0] == {"texts": [KEY.decode()]}
    assert len(answers[1]["texts"]) == 16


async def test_a_long_text_is_put_together_and_any_byte_is_a_character() -> None:
    text = bytes(range(256)) * 2
    async with zone({"_relayd.gad.example": [text]}) as served:
        answer = await asking(served).answer({"domain": "gad.example"})

    assert answer == {"texts": [text.decode("latin-1")]}


@pytest.mark.parametrize(
    "question",
    [
        {}, {"domain": 7}, {"domain": ""}, {"domain": "a" * 254}, {"domain": "a" * 64 + ".example"},
        {"domain": "a..example"}, {"domain": "gad.example", "type": "A"}, {"domain": "x\udc00.example"},
    ],
)  # fmt: skip
async def test_what_is_no_domain_is_not_asked_for(question: dict) -> None:
    async with zone(RECORDS) as served:
        answer = await asking(served).answer(question)

    assert answer == {"error": "not a domain"}
    assert served.asked == []


async def test_without_a_server_those_of_the_machine_are_asked(monkeypatch) -> None:
    async with zone(RECORDS) as served:

        def read(self, path: str) -> None:
            assert path == "/etc/resolv.conf"
            self.nameservers, self.port = ["127.0.0.1"], served.port

        monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", read)

        assert await Resolver(None).answer({"domain": "none.example"}) == {"texts": []}
