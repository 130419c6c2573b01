from itertools import product

import pytest

from relayproto.errors import LocalProtocolError
from relayproto.states import TRANSITIONS, State, Step, after, diagram
from support.tree import ROOT


def test_every_state_but_the_last_can_end_in_every_way() -> None:
    ends = {Step.GOAWAY, Step.FAULT, Step.TIMEOUT, Step.END}

    for state, step in product(set(State) - {State.CLOSED}, ends):
        assert after(state, step) is State.CLOSED


def test_nothing_leads_out_of_closed() -> None:
    assert all(state is not State.CLOSED for state, _ in TRANSITIONS)


def test_frames_flow_only_after_welcome_or_without_anybody_to_greet() -> None:
    into_open = {pair for pair, to in TRANSITIONS.items() if to is State.OPEN}

    assert into_open == {(State.GREETED, Step.WELCOMED), (State.HANDSHAKE, Step.NOBODY_TO_GREET)}


def test_a_step_that_the_table_does_not_have_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="can't happen to a connection that is open"):
        after(State.OPEN, Step.WELCOMED)


def test_the_spec_shows_the_table_as_it_is() -> None:
    page = (ROOT / "proto" / "spec" / "20-handshake.md").read_text(encoding="utf-8")

    assert f"```mermaid\n{diagram()}```" in page


def test_the_diagram_has_a_line_for_each_transition() -> None:
    lines = diagram().splitlines()

    assert lines[0] == "stateDiagram-v2"
    assert "    greeted --> open: WELCOME said" in lines
    assert len(lines) == 1 + len(TRANSITIONS)
