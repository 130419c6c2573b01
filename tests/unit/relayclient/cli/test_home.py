"""home.py: the passphrase and the device of a home."""

import pytest

from relayclient.cli import home
from relayclient.errors import FileUnusable, PassphraseNeeded, WrongPassphrase


def test_no_file_is_no_passphrase():
    assert home.passphrase_from(None) is None


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path, content):
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(FileUnusable, match=r"passphrase: (No such file|not UTF-8)"):
        home.passphrase_from(path)


def test_the_end_of_a_line_is_not_part_of_a_passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_bytes(b" correct horse \r\nmore")

    assert home.passphrase_from(path) == " correct horse "


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)

    with pytest.raises(PassphraseNeeded):
        home.ask_passphrase("Passphrase: ")


def test_a_new_passphrase_is_asked_for_twice(monkeypatch):
    answers = ["one", "one", "one", "other"]
    monkeypatch.setattr(home, "ask_passphrase", lambda prompt: answers.pop(0))

    assert home.new_passphrase() == "one"
    with pytest.raises(WrongPassphrase):
        home.new_passphrase()


def test_a_passphrase_is_asked_for_only_where_no_file_gave_one(monkeypatch):
    def use(passphrase):
        if passphrase != "right":
            raise PassphraseNeeded
        return "open"

    monkeypatch.setattr(home, "ask_passphrase", lambda prompt: "right")

    assert home.unlocked(None, use) == "open"
    with pytest.raises(PassphraseNeeded):
        home.unlocked("from the file", use)
