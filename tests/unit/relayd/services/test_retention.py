import sqlite3
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from relayd import keyring, observe
from relayd.backups import making, shelf
from relayd.config import AuditSection, Config, LifetimesSection, StatisticsSection, StoreSection, TracingSection
from relayd.services.retention import BACKUPS, STATE, clocks, in_force, whole_map
from relayd.store import copies, daykeys, disk, restored
from relayd.store.database import connect
from relayproto.limits import KEPT_TEXT_CHARS_MAX
from relayproto.statistics import Retention
from support.reading import read

DAY_S = 86_400
WITHOUT_END = {"account", "relay_time", "organisation", "document", "former_key"}
"""Tables with a time in them that no clock ends; the map says why."""


@pytest.fixture
def db(tmp_path):
    opened = connect(tmp_path / "relay.db", autocheckpoint_pages=1_000)
    yield opened
    opened.close()


def schema(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return (table, column) of all that the store can hold."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {(table, column) for table in tables for _, column, *_ in db.execute(f"PRAGMA table_info({table})")}


def mapped() -> set[tuple[str, str]]:
    return {(name, column) for name, table in whole_map().tables.items() for column in table.columns}


def test_every_column_is_in_the_map_and_the_map_has_no_other(db) -> None:
    assert schema(db) - mapped() == set(), "what a column is for and what ends it belongs into retention.toml"
    assert mapped() - schema(db) == set()


def test_a_column_that_is_not_in_the_map_is_found(db) -> None:
    db.execute("ALTER TABLE envelope ADD COLUMN sender INTEGER")
    db.execute("CREATE TABLE diary (account INTEGER)")

    assert schema(db) - mapped() == {("envelope", "sender"), ("diary", "account")}


def test_the_map_names_what_the_relay_writes_beside_its_tables() -> None:
    database = StoreSection().file

    assert whole_map().files.keys() == {
        database, f"{database}-wal", f"{database}-shm", copies.before_upgrade(Path(database), 0).name[:-1] + "*",
        daykeys.FILE_NAME, restored.FILE_NAME, observe.STAMP, making.SCRATCH, restored.UNFINISHED, disk.BALLAST,
        f"{keyring.KEYS}/{keyring.STAMP}", f"{keyring.KEYS}/{keyring.MASTER}", f"{keyring.KEYS}/relay-*.key",
        f"{keyring.KEYS}/descriptor-*", keyring.ROOT_PUBLIC, keyring.OFFLINE_ROOT, making.CONFIG, "relayd.lock",
        Config().listen.operator,
    }  # fmt: skip
    assert (keyring.relay_key(1), keyring.described(1)) == ("relay-1.key", "descriptor-1")
    assert whole_map().backups.keys() == {f"{shelf.name_of(0)[:7]}*", "chunks/*", shelf.DAY_KEYS, "lock"}


def test_every_clock_is_one_that_there_is_and_none_is_unused() -> None:
    things = [*whole_map().tables.values(), *whole_map().files.values(), *whole_map().backups.values()]

    assert {each.clock for each in things} - {None} == clocks(Config()).keys()


def test_what_has_a_time_in_it_has_an_end_or_says_why_not(db) -> None:
    dated = {table for table, column in schema(db) if column.endswith("_ms") or column in {"day", "hour"}}

    without = {name for name in dated if whole_map().tables[name].clock is None}

    assert without == WITHOUT_END
    assert all(whole_map().tables[name].ends.startswith("with the relay: ") for name in without)


def test_the_retention_in_force_is_that_of_the_settings() -> None:
    config = Config(
        lifetimes=LifetimesSection(**{f"{name}_s": 60 for name in ("call", "otp", "alert", "chat", "receipt")}
                                   | {"notice_s": 9 * DAY_S, "broadcast_s": 60}),
        tracing=TracingSection(retention_days=2), audit=AuditSection(retention_days=200),
        statistics=StatisticsSection(retention_days=31),
    )  # fmt: skip

    kept = {(row.place, row.column): row.kept_s for row in in_force(config)}

    assert {
        ("envelope", "sealed"): 9 * DAY_S, (STATE, "day-keys"): 10 * DAY_S, ("hour_key", "sealed"): 2 * DAY_S,
        ("report", "sealed"): 3 * DAY_S, ("audit", "record"): 200 * DAY_S, ("statistic", "count"): 32 * DAY_S,
        ("account", "address"): None, (BACKUPS, "chunks/*"): None,
    }.items() <= kept.items()  # fmt: skip


def test_outcomes_are_kept_for_their_week_however_short_lifetimes_are() -> None:
    names = [field.name for field in msgspec.structs.fields(LifetimesSection)]
    config = Config(lifetimes=LifetimesSection(**dict.fromkeys(names, 60)))

    assert clocks(config)["queue"] == 7 * DAY_S


def test_every_row_says_all_of_it_and_can_be_told() -> None:
    rows = in_force(Config())
    for row in rows:
        texts = row.fields()[:5]
        assert all(text.strip() and len(text) <= KEPT_TEXT_CHARS_MAX for text in texts), row
        assert read(Retention, [[list(row.fields())], False]).rows == (row,)
    assert len({(row.place, row.column) for row in rows}) == len(rows)


def test_what_is_no_part_of_the_map_is_refused() -> None:
    text = (files("relayd.services") / "retention.toml").read_text(encoding="utf-8")

    assert text.startswith("# The data map")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"tables": {}, "files": {"a": {"concerns": "x"}}, "backups": {}}, type(whole_map()))
