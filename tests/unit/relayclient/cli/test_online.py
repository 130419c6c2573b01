"""online.py: what the verbs that need the relay share."""

import asyncio
import os
import signal

import pytest

from relayclient.cli import online
from relayclient.errors import RelayAway
from relayproto.commands import Hello, Lookup
from relayproto.replies import Refused
from support.devices import joined, started


def test_a_verb_gives_its_result():
    async def verb():
        return 7

    assert online.run(verb()) == 7


def test_a_signal_ends_a_verb_after_it_has_tidied_up():
    tidied = []

    async def verb():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(10)
        finally:
            tidied.append(True)

    with pytest.raises(KeyboardInterrupt):
        online.run(verb())
    assert tidied == [True]


async def test_a_question_is_answered_over_a_connection_of_its_own(tmp_path):
    relay = await started()
    with await joined(relay, tmp_path, "alice") as device:
        answer = await online.ask(device, tmp_path / "alice", Lookup("nobody@office.example"))

    assert isinstance(answer, Refused)
    await relay.stop()


async def test_a_relay_that_says_nothing_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(online, "ANSWER_TIMEOUT_S", 0.2)
    relay = await started()
    with await joined(relay, tmp_path, "alice") as device:
        relay.script[Lookup] = lambda peer, command, request: None
        with pytest.raises(RelayAway, match="no answer in time"):
            await online.ask(device, tmp_path / "alice", Lookup("nobody@office.example"))

    await relay.stop()


async def test_a_connection_that_fails_is_told_by_its_cause(tmp_path):
    relay = await started()
    with await joined(relay, tmp_path, "alice") as device:
        relay.script[Hello] = lambda peer, hello, request: peer.transport.abort()
        with pytest.raises(RelayAway, match="broke"):
            await online.ask(device, tmp_path / "alice", Lookup("nobody@office.example"))

    await relay.stop()
