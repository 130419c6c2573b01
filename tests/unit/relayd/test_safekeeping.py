import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from relayd import main, safekeeping
from relayd.domain.lookalikes import skeleton
from relayd.exits import Exit
from relayd.safekeeping import KEEP
from relayd.store import database
from support.organisations import registry


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory of a relay that has run, and a key for its backups beside it."""
    assert main.main(["init", "--state", str(tmp_path / "state")]) == Exit.OK
    config = tmp_path / "state" / "relayd.toml"
    text = config.read_text("utf-8").replace("disk_refuse_percent = 92", "disk_refuse_percent = 100")
    config.write_text(text, "utf-8")
    database.connect(tmp_path / "state" / "relay.db", autocheckpoint_pages=100).close()
    assert main.main(["backup-key", str(tmp_path / "key")]) == Exit.OK
    return tmp_path / "state"


def run(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command and return (exit status, standard output, standard error)."""
    capsys.readouterr()
    status = main.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def backup(capsys, state: Path, *more: str) -> tuple[int, str, str]:
    where = ("--to", state.parent / "shelf", "--recipient", state.parent / "key.pub")
    return run(capsys, "backup", "--state", state, *where, *more)


def test_a_backup_is_made_checked_and_restored(state: Path, capsys) -> None:
    made = backup(capsys, state)
    name = made[1].partition(":")[0]
    shelf = ("restore", "--from", state.parent / "shelf")
    unopened = run(capsys, *shelf, "--check")
    opened = run(capsys, *shelf, "--check", "--key", state.parent / "key")
    back = run(capsys, *shelf, "--key", state.parent / "key", "--state", state.parent / "new")

    assert [each[0] for each in (made, unopened, opened, back)] == [Exit.OK] * 4
    assert [each[2] for each in (made, unopened, opened, back)] == [""] * 4
    assert "chunks were new" in made[1]
    assert "Not in it, and needed to bring the relay back: a copy of " in made[1]
    assert f"{name}: unchanged; not opened, there was no --key" in unopened[1]
    assert f"{name}: opened and whole" in opened[1]
    assert f"{name} is in {state.parent}/new: 0 mailboxes have new epochs." in back[1]
    assert "Before it starts: put the relay's keys back" in back[1]
    assert "relayd init" not in back[1]
    assert (state.parent / "new" / "relayd.toml").read_bytes() == (state / "relayd.toml").read_bytes()


def test_with_its_keys_there_the_next_step_is_another(state: Path, capsys) -> None:
    backup(capsys, state)
    for path in state.glob("relay.db*"):
        path.unlink()

    status, out, _ = run(
        capsys, "restore", "--from", state.parent / "shelf", "--key", state.parent / "key", "--state", state
    )

    assert status == Exit.OK
    assert out.endswith(f"Next: relayd verify --state {state}\n")


def test_everything_is_told_as_json_too(state: Path, capsys) -> None:
    made = json.loads(backup(capsys, state, "--json")[1])
    shelf = ("restore", "--from", state.parent / "shelf", "--key", state.parent / "key", "--json")
    checked = json.loads(run(capsys, *shelf, "--check")[1])
    back = json.loads(run(capsys, *shelf, "--state", state.parent / "new")[1])
    verified = json.loads(run(capsys, "verify", "--state", state, "--json")[1])

    assert made["kept"] == 1
    assert made["new_octets"] > made["octets"] > 0
    assert [(one["backup"], one["opened"]) for one in checked] == [(made["name"], True)]
    assert (back["backup"], back["devices"]) == (made["name"], 0)
    assert back["root"] == checked[0]["root"]
    assert "stamp.key" in back["lacking"]
    assert verified["whole"] is True
    assert {"rule", "looked_at", "wrong", "first"} == set(verified["findings"][0])


def test_verify_has_a_status_for_what_is_not_whole(state: Path, capsys) -> None:
    good = run(capsys, "verify", "--state", state)
    with (state / "relay.db").open("r+b") as file:
        file.write(b"nonsense" * 100)
    bad = run(capsys, "verify", "--state", state)

    assert good[0] == Exit.OK
    assert good[1].endswith("The database is whole.\n")
    assert bad[0] == Exit.NOT_WHOLE == 1
    assert "The database is not whole" in bad[1]


def test_a_copy_of_a_database_alone_is_verified(state: Path, capsys) -> None:
    (state.parent / "copy").mkdir()
    shutil.copy(state / "relay.db", state.parent / "copy")

    status, out, _ = run(capsys, "verify", "--state", state.parent / "copy")

    assert status == Exit.OK
    assert "There is no master key here" in out


def test_a_restore_without_a_key_is_refused(state: Path, capsys) -> None:
    backup(capsys, state)

    status, out, err = run(capsys, "restore", "--from", state.parent / "shelf", "--state", state.parent / "new")

    assert (status, out) == (Exit.CONFIG, "")
    assert err == "relayd: name the secret key with --key; without it no backup opens\n"


def test_the_secret_half_is_no_recipient(state: Path, capsys) -> None:
    status, _, err = run(
        capsys, "backup", "--state", state, "--to", state.parent / "shelf", "--recipient", state.parent / "key"
    )

    assert status == Exit.CONFIG
    assert "this is the secret half" in err
    assert not (state.parent / "shelf").exists()


@pytest.mark.parametrize("keep", ["0", "-1", "many", "1001"])
def test_how_many_are_kept_has_bounds(state: Path, capsys, keep: str) -> None:
    with pytest.raises(SystemExit) as caught:
        backup(capsys, state, "--keep", keep)

    assert caught.value.code == 2
    assert KEEP == 14


def test_a_person_is_told_how_far_it_is(state: Path, capsys, monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    backup(capsys, state)

    said = terminal.getvalue()
    assert "copying, 100 %" in said
    assert "sealing, 100 %" in said
    assert said.endswith("\r\x1b[K")


@pytest.mark.parametrize("command", ["backup", "backup-key", "restore", "verify"])
def test_each_command_has_help_with_examples(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main([command, "--help"])

    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert f"examples:\n  relayd {command}" in out


def test_chosen_names_are_read_from_the_database_beside_a_relay(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "relayd.toml").write_text('[relay]\nstate = "."\n')
    assert run(capsys, "chosen", "--state", tmp_path, "gad.example")[0] == Exit.NO_INPUT
    monkeypatch.setattr(safekeeping, "CHOSEN_MAX", 2)
    with registry(tmp_path) as desk:
        for name in ("eve", "chief", "bob"):
            desk.person(f"{name}@gad.example")
        desk.person("carol@other.example")
        desk.db.execute("UPDATE account SET chosen = 'other.example' WHERE address LIKE 'carol%'")
        desk.db.execute("UPDATE account SET chosen = ? WHERE address LIKE '%@gad.example'", (skeleton("gad.example"),))
        whole = run(capsys, "chosen", "--state", tmp_path, "GAD.example")
        as_json = run(capsys, "chosen", "--state", tmp_path, "gad.example", "--json")
        desk.db.execute("UPDATE account SET suspended = 1 WHERE address LIKE '%@gad.example'")
        none = run(capsys, "chosen", "--state", tmp_path, "gad.example")

    assert whole == (Exit.OK, "bob@gad.example\nchief@gad.example\n", "and more\n")
    assert json.loads(as_json[1]) == {
        "domain": "gad.example", "addresses": ["bob@gad.example", "chief@gad.example"], "more": True,
    }  # fmt: skip
    assert none == (Exit.OK, "", "nobody chose a name under gad.example himself\n")
