"""The command line: what goes to a person's terminal, and what goes to a script.

Texts that others wrote enter; characters that cannot command a terminal leave.
The rule of this file: a received text never moves the cursor, never hides another line and never turns its direction;
what a script reads (JSON, raw) is the text itself, byte for byte.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from relayclient.errors import FileUnusable, FileUnwritable, NotUtf8

_COMMANDING: Final = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff"
    "\\ufff9-\\ufffb]"
)
"""C0 but tab and line feed, DEL, C1, and the characters that turn the direction of a line."""
_SPANS: Final = ((3_600, "hour"), (60, "minute"), (1, "second"))
"""Seconds of each, and its name; a time below two of one is told in the next smaller."""
_PICTURES: Final = 0x2400
_C0_END: Final = 0x20
_DEL: Final = 0x7F


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < _C0_END:
        return chr(_PICTURES + code)
    return "\u2421" if code == _DEL else f"<U+{code:04X}>"


def harmless(text: str) -> str:
    """Return the text with each character that commands a terminal replaced by one that shows it."""
    return _COMMANDING.sub(_shown, text)


def commands_a_terminal(text: str) -> bool:
    """Tell whether the text holds a character that commands a terminal."""
    return _COMMANDING.search(text) is not None


def indented(text: str, by: str, columns: int | None = None) -> str:
    """Return a harmless text whose further lines begin with ``by``, so that none can pose as a line of ours.

    With the ``columns`` of a terminal a line that is too long for it is broken here: where the terminal breaks it, what
    follows many spaces begins at the margin.
    """
    lines = harmless(text).split("\n")
    if columns is not None:
        lines = [piece for line in lines for piece in _pieces(line.expandtabs(), max(1, columns - len(by)))]
    return ("\n" + by).join(lines)


def columns() -> int | None:
    """Return how many columns the terminal of standard output has, None where it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _pieces(line: str, columns: int) -> Iterator[str]:
    begin = used = 0
    for at, each in enumerate(line):
        cells = _cells(each)
        if used + cells > columns and at > begin:
            yield line[begin:at]
            begin, used = at, 0
        used += cells
    yield line[begin:]


def _cells(each: str) -> int:
    """Return how many columns a character takes (UAX 11); marks and joiners stand on the one before."""
    if unicodedata.category(each) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(each) in "WF" else 1


def when(at_ms: int) -> str:
    """Return a time in the reader's own zone, which is named, to the second: 2026-03-01 09:30:00 CET."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def lasting(ms: int) -> str:
    """Return how long that is, rounded up, as people say it: 40 seconds, 3 minutes, 2 hours."""
    seconds = -(-ms // 1000)
    count, unit = next(((size, name) for size, name in _SPANS if seconds >= 2 * size), _SPANS[-1])
    said = -(-seconds // count)
    return f"{said} {unit}{'' if said == 1 else 's'}"


@contextlib.contextmanager
def written() -> Iterator[None]:
    """Give standard output up where it cannot be written, other than for a reader that has gone; FileUnwritable."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up()
        raise FileUnwritable(f"standard output or standard error: {error.strerror}") from None


def give_up() -> None:
    """Let nothing more be written to standard output: Python would flush it once more at its end, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(line: str) -> None:
    """Write a line for a person to stdout, at once: whoever reads a pipe does not wait for a full buffer."""
    with written():
        print(line, flush=True)


def note(line: str) -> None:
    """Write progress or a hint for a person to stderr."""
    with written():
        print(line, file=sys.stderr, flush=True)


def progress(line: str, end: str = "\n") -> None:
    """Write what is going on to stderr, only where a person watches."""
    if sys.stderr.isatty():
        print(line, end=end, file=sys.stderr, flush=True)


def say_json(fields: Mapping[str, object], to: TextIO | None = None) -> None:
    """Write one JSON object as a line; what commands a terminal is escaped, which a JSON reader undoes."""
    line = json.dumps(fields, ensure_ascii=False, separators=(", ", ": "))
    with written():
        print(_COMMANDING.sub(lambda match: f"\\u{ord(match[0]):04x}", line), file=to or sys.stdout, flush=True)


def say_raw(octets: bytes) -> None:
    """Write bytes to stdout as they are."""
    with written():
        sys.stdout.flush()
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()


def speak_utf8() -> None:
    """Make stdout and stderr UTF-8 whatever the locale says; a lone surrogate is shown, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def read_file(path: Path) -> bytes:
    """Return a file's bytes. Raises FileUnusable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror}") from None


def write_file(path: Path, octets: bytes) -> None:
    """Write a file that only its owner may read, in place of one that is there. Raises FileUnwritable."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(octets)
    except OSError as error:
        raise FileUnwritable(f"{path}: {error.strerror}") from None


def decoded(octets: bytes, source: str) -> str:
    """Return the text that the bytes are. Raises NotUtf8, which names the first byte that is wrong."""
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8(f"{source}, byte {error.start + 1:,}") from None


def read_text() -> str:
    """Return what comes on standard input, to its end."""
    return decoded(sys.stdin.buffer.read(), "standard input")


def ask_line(prompt: str, octets_max: int) -> str:
    """Return the first line of standard input, asked for where a person is there; more than the maximum is cut."""
    if sys.stdin.isatty():
        print(prompt, end="", file=sys.stderr, flush=True)
    return decoded(sys.stdin.buffer.readline(octets_max), "standard input").strip()
