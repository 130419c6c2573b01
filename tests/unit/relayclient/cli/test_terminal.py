"""terminal.py: what goes to a person's terminal, and what goes to a script."""

import json
import os
import stat

import pytest

from relayclient.cli import terminal
from relayclient.errors import FileUnwritable


@pytest.mark.parametrize(
    ("received", "shown"),
    [
        ("\x1b[2Jgone", "\u241b[2Jgone"),
        ("a\rb", "a\u240db"),
        ("bell\x07", "bell\u2407"),
        ("\x7f", "\u2421"),
        ("\x9b31m", "<U+009B>31m"),
        ("abc\u202edcba", "abc<U+202E>dcba"),
        ("\u2066x\u2069", "<U+2066>x<U+2069>"),
        ("tab\tline\nअधिकारी ✓", "tab\tline\nअधिकारी ✓"),
        ("\u200d\u200c joiners that Indian scripts need", "\u200d\u200c joiners that Indian scripts need"),
    ],
)
def test_what_commands_a_terminal_is_shown_and_not_done(received, shown):
    assert terminal.harmless(received) == shown
    assert terminal.commands_a_terminal(received) == (received != shown)


def test_a_second_line_of_a_text_cannot_pose_as_a_line_of_ours():
    assert terminal.indented("one\ntwo\x1b", "  ") == "one\n  two\u241b"


def test_what_is_too_long_for_a_terminal_is_broken_behind_the_gutter():
    forged = "hello" + " " * 76 + "2026-03-01 09:30:00 UTC  00000000  minister@office.example (verified): pay"

    lines = terminal.indented(forged, "    ", 80).split("\n")

    assert len(lines) > 1
    assert all(line.startswith("    ") for line in lines[1:])
    assert max(map(len, lines)) <= 80
    assert "".join([lines[0], *(line[4:] for line in lines[1:])]) == forged


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("abcdef", ["abcd", "  ef"]),
        ("\u5b98\u54e1\u5b98", ["\u5b98\u54e1", "  \u5b98"]),
        ("a\u0301b\u0301c\u0301d\u0301e", ["a\u0301b\u0301c\u0301d\u0301", "  e"]),
        ("", [""]),
        ("a\tb", ["a   ", "      ", "  b"]),
    ],
)
def test_a_line_is_broken_by_the_columns_that_its_characters_take(text, pieces):
    assert terminal.indented(text, "  ", 6).split("\n") == pieces


def test_a_file_has_no_columns(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    elsewhere = terminal.columns()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "72")

    assert (elsewhere, terminal.columns()) == (None, 72)


def test_json_carries_the_text_itself_and_no_terminal_command(capsys):
    text = 'a "quote", \x1b[2J, \x9b, \u202e, ✓ and \n'

    terminal.say_json({"text": text})

    line = capsys.readouterr().out
    assert json.loads(line) == {"text": text}
    assert not terminal.commands_a_terminal(line)
    assert "✓" in line


def test_raw_is_byte_for_byte(capfdbinary):
    terminal.say_raw(b"\x1b[2J\r\n\xe2\x9c\x93")

    assert capfdbinary.readouterr().out == b"\x1b[2J\r\n\xe2\x9c\x93"


def test_a_time_is_in_the_zone_of_whoever_reads(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    __import__("time").tzset()

    shown = terminal.when(1_772_337_600_000)

    assert shown == "2026-03-01 09:30:00 IST"
    monkeypatch.undo()
    __import__("time").tzset()


def test_progress_is_for_a_person_who_watches(capsys, monkeypatch):
    terminal.progress("sending")
    assert capsys.readouterr().err == ""

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    terminal.progress("sending")

    assert capsys.readouterr().err == "sending\n"


def test_output_is_utf8_whatever_the_locale_says(capsys, monkeypatch):
    said = []

    class Stream:
        def reconfigure(self, **options):
            said.append(options)

    monkeypatch.setattr("sys.stdout", Stream())
    monkeypatch.setattr("sys.stderr", object())

    terminal.speak_utf8()

    assert said == [{"encoding": "utf-8", "errors": "backslashreplace"}]


def test_a_file_is_written_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        terminal.write_file(tmp_path / "file", b"bytes")
    finally:
        os.umask(before)

    assert (tmp_path / "file").read_bytes() == b"bytes"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    with pytest.raises(FileUnwritable):
        terminal.write_file(tmp_path / "none" / "file", b"bytes")


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (1, "1 second"), (1_000, "1 second"), (1_001, "2 seconds"), (119_000, "119 seconds"), (120_000, "2 minutes"),
        (120_001, "3 minutes"), (7_199_000, "120 minutes"), (7_200_000, "2 hours"), (86_400_000, "24 hours"),
    ],
)  # fmt: skip
def test_how_long_it_takes_is_said_in_words(ms, said):
    assert terminal.lasting(ms) == said
