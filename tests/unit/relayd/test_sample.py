from pathlib import Path

import msgspec
import pytest

from relayd import config
from relayd.config import Config
from relayd.sample import sample


def test_the_sample_is_all_defaults() -> None:
    assert config.parse(sample(), Path("/")) == Config()


def test_values_take_the_place_of_defaults() -> None:
    text = sample(
        {"relay.endpoint": "relay.example:7443", "limits.connections_max": 9, "protocol.allow_plain_xk": True}
    )

    read = config.parse(text, Path("/"))

    assert read.relay.endpoint == "relay.example:7443"
    assert read.limits.connections_max == 9
    assert read.protocol.allow_plain_xk


def test_every_setting_is_there_below_its_own_words() -> None:
    lines = sample().splitlines()

    for section in msgspec.structs.fields(Config):
        head = lines.index(f"[{section.name}]")
        assert lines[head - 1].startswith("# ")
        below = lines[head : lines.index("", head) if "" in lines[head:] else None]
        for setting in msgspec.structs.fields(section.type):
            [at] = [number for number, line in enumerate(below) if line.startswith(f"{setting.name} = ")]
            assert below[at - 1].startswith("# ")


def test_a_setting_without_words_is_our_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute(msgspec.Struct, frozen=True):
        """Says nothing of its field."""

        field: int = 1

    class Silent(msgspec.Struct, frozen=True):
        """Holds one section."""

        mute: Mute = Mute()

    monkeypatch.setattr("relayd.sample.Config", Silent)

    with pytest.raises(LookupError):
        sample()
