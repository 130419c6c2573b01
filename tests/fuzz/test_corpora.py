"""Each target on every example in the tree, without atheris: what was found once is tried in every run."""

import json

import pytest

from fuzz import of_frames
from fuzz.catalogue import CORPORA, TARGETS, corpus
from fuzz.mutator import mutated
from fuzz.rules import Broken, Target, only, target
from relayproto import frame
from relayproto.codes import Kind
from relayproto.errors import Malformed
from support.generate_corpora import SEEDS, generate


def test_each_target_has_its_examples_and_no_example_is_without_a_target() -> None:
    assert {path.stem for path in CORPORA.iterdir()} == TARGETS.keys() == SEEDS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_the_examples_are_those_that_the_vectors_give(name: str) -> None:
    kept = (CORPORA / f"{name}.json").read_text(encoding="utf-8")

    assert generate(name) == kept, "make vectors writes them again"


@pytest.mark.parametrize("name", TARGETS)
def test_every_example_of_the_tree_keeps_the_rules(name: str) -> None:
    for octets in corpus(name):
        TARGETS[name].one(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_an_example_is_not_longer_than_its_target_takes(name: str) -> None:
    assert all(len(octets) <= TARGETS[name].octets_max for octets in corpus(name))


def a_target_that_raises(error: Exception) -> Target:
    def one(octets: bytes) -> None:
        with only(Malformed):
            raise error

    return target(one, 10)


def test_an_error_that_is_named_ends_a_target_and_any_other_leaves_it() -> None:
    a_target_that_raises(Malformed("no frame")).one(b"")

    with pytest.raises(KeyError):
        a_target_that_raises(KeyError("kind")).one(b"")


def test_an_error_that_could_fill_a_log_is_found() -> None:
    with pytest.raises(Broken, match="an error of 400 characters"):
        a_target_that_raises(Malformed("x" * 400)).one(b"")


def test_a_mutation_is_msgpack_still_and_the_same_for_the_same_seed() -> None:
    octets = bytes.fromhex(json.loads((CORPORA / "message.json").read_text(encoding="utf-8"))["seeds"]["SUBMIT"])

    several = [mutated(octets, 2_000, seed, lambda same, _: same) for seed in range(1, 60)]

    assert several == [mutated(octets, 2_000, seed, lambda same, _: same) for seed in range(1, 60)]
    assert len(set(several)) > 20
    assert all(len(each) <= 2_000 for each in several)


def test_many_small_values_are_shown_in_proportion_by_their_names_and_no_further(monkeypatch) -> None:
    """Found by fuzzing: seventeen cells of a day, four octets each, four days."""
    days = [[20_701, [[2, 1, 6, 1_204]] * 17]] * 4
    octets = frame.encode(Kind.STATISTICS, 3, [days, None])

    of_frames.a_message(octets)

    monkeypatch.setattr(of_frames, "NAMES_CHARS_MAX", 0)
    with pytest.raises(Broken, match="out of proportion"):
        of_frames.a_message(octets)
