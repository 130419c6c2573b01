import msgspec

from relayd import reload
from relayd.config import Config, LimitsSection, LogsSection


def test_the_same_configuration_changes_nothing() -> None:
    found = reload.changes(Config(), Config())

    assert (found.now, found.at_restart) == ((), ())
    assert str(found) == "the configuration is the same"


def test_changes_are_told_by_when_they_count() -> None:
    new = Config(logs=LogsSection(level="debug"), limits=LimitsSection(drain_timeout_s=5.0, pair_burst=7))

    found = reload.changes(Config(), new)

    assert found.now == ("limits.drain_timeout_s", "logs.level")
    assert found.at_restart == ("limits.pair_burst",)
    assert str(found) == ("in force: limits.drain_timeout_s, logs.level; in force after a restart: limits.pair_burst")


def test_only_what_counts_at_once_is_taken_over() -> None:
    new = Config(logs=LogsSection(level="debug"), limits=LimitsSection(drain_timeout_s=5.0, pair_burst=7))

    merged = reload.merged(Config(), new)

    assert merged == Config(logs=LogsSection(level="debug"), limits=LimitsSection(drain_timeout_s=5.0))
    assert reload.changes(merged, new).at_restart == ("limits.pair_burst",)


def test_what_counts_at_once_are_settings() -> None:
    settings = {
        f"{section.encode_name}.{setting.encode_name}"
        for section in msgspec.structs.fields(Config)
        for setting in msgspec.structs.fields(section.type)
    }

    assert settings >= reload.AT_ONCE
