import sys
from pathlib import Path

import pytest

from relayd import code_sender
from relayd.code_sender import CodeSender

QUESTION = {"question": "code", "contact": "alice@mail.example", "code": "01234567"}


async def test_the_command_has_contact_and_code_on_its_standard_input_and_nowhere_else(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f"import os, sys; open({str(told)!r}, 'w').write(repr((sys.stdin.read(), sys.argv[1:], dict(os.environ))))"

    answer = await CodeSender((sys.executable, "-c", script)).answer(QUESTION)

    assert answer == {"sent": True}
    assert told.read_text().startswith("('alice@mail.example\\n01234567\\n', [], ")
    assert told.read_text().count("01234567") == 1


async def test_a_command_that_fails_or_takes_too_long_has_not_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = await CodeSender((sys.executable, "-c", "raise SystemExit(3)")).answer(QUESTION)
    monkeypatch.setattr(code_sender, "COMMAND_TIMEOUT_S", 0.2)
    late = await CodeSender((sys.executable, "-c", "import time; time.sleep(60)")).answer(QUESTION)

    assert failed == {"error": "the command ended with 3"}
    assert late == {"error": "the command took longer than 0.2 s"}


@pytest.mark.parametrize(
    "changes",
    [
        {"question": "checkpoint"}, {"contact": "alice"}, {"contact": "-t@mail.example"},
        {"contact": "a@b.example\nCc: c"}, {"contact": "a@b.example\n"}, {"contact": f"{'a' * 250}@b.example"},
        {"code": "1234567"}, {"code": "12345678\n"}, {"code": 12345678}, {"more": 1},
    ],
)  # fmt: skip
async def test_what_is_no_code_to_send_is_given_to_no_command(tmp_path: Path, changes: dict[str, object]) -> None:
    ran = tmp_path / "ran"
    script = f"open({str(ran)!r}, 'w')"

    answer = await CodeSender((sys.executable, "-c", script)).answer({**QUESTION, **changes})

    assert answer == {"error": "not a code to send"}
    assert not ran.exists()
