"""The frozen frames of every kind: a change here is a change of the protocol."""

import json

import pytest

from relayproto import frame, message
from relayproto.administration import CHANGES
from relayproto.codes import Kind
from relayproto.commands import COMMANDS
from relayproto.errors import Malformed
from relayproto.notices import EITHER, NOTICES
from relayproto.replies import REPLIES
from support.generate_frames import PATH, generate
from support.samples import SAMPLES

VECTORS = json.loads(PATH.read_text(encoding="utf-8"))
MESSAGES = COMMANDS | CHANGES | REPLIES | NOTICES | EITHER


def read(octets: bytes) -> tuple[int, message.Message]:
    decoded = frame.decode(octets)
    return decoded.request, message.read(MESSAGES[decoded.kind], decoded.octets)


def test_the_committed_file_is_what_the_code_makes() -> None:
    assert PATH.read_text(encoding="utf-8") == generate()


def test_every_kind_has_a_vector() -> None:
    assert {vector["kind"] for vector in VECTORS["frames"]} == set(Kind.__members__)


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: vector["kind"])
def test_a_frozen_frame_is_read_and_said_again(vector: dict) -> None:
    said = SAMPLES[Kind[vector["kind"]]]

    assert read(bytes.fromhex(vector["frame"])) == (vector["request"], said)
    assert message.encode(said, vector["request"]).hex() == vector["frame"]


@pytest.mark.parametrize("vector", VECTORS["malformed"], ids=lambda vector: vector["why"])
def test_a_frozen_malformed_frame_is_refused(vector: dict) -> None:
    with pytest.raises(Malformed):
        read(bytes.fromhex(vector["frame"]))
