"""Man pages and completion, made from the parsers and the settings themselves.

The two parsers and the structs of the configuration enter; compressed pages and completion scripts of a tree leave.
The rule of this file: it says nothing that the program does not say itself.
"""

import gzip
import os
from pathlib import Path
from typing import Final

import msgspec
import shtab
from argparse_manpage.manpage import Manpage
from msgspec import inspect
from tools import Release, run

from relayclient.cli.main import parser as relay_parser
from relayd.config import Config
from relayd.main import parser as relayd_parser

_PROGRAMS: Final = (
    ("relayd", relayd_parser, 8, "messaging relay that stores and forwards what it cannot read", "Administration"),
    ("relay", relay_parser, 1, "send and receive end-to-end encrypted messages through a relay", "User Commands"),
)
_COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/{}",
    "zsh": "usr/share/zsh/vendor-completions/_{}",
    "fish": "usr/share/fish/vendor_completions.d/{}.fish",
}


def compressed(text: str) -> bytes:
    """Return a text as gzip, without a time in it."""
    return gzip.compress(text.encode(), 9, mtime=0)


def write(release: Release, tree: Path) -> None:
    """Write everything into ``tree``."""
    os.environ.update(COLUMNS="80", SOURCE_DATE_EPOCH=str(release.date))  # both libraries ask the environment
    pages = tree / "usr" / "share" / "man"
    for name, parser, section, description, title in _PROGRAMS:
        made = parser()
        data = {
            "version": release.version, "project_name": "relayd", "manual_section": section, "manual_title": title,
            "description": description,
        }  # fmt: skip
        page = str(Manpage(made, _data=data, format="single-commands-section"))
        release.put(pages / f"man{section}" / f"{name}.{section}.gz", compressed(page))
        for shell, place in _COMPLETIONS.items():
            release.put(tree / place.format(name), _complete(parser, shell).encode())
    release.put(pages / "man5" / "relayd.toml.5.gz", compressed(settings_page(release)))


def _complete(parser: object, shell: str) -> str:
    return str(shtab.complete(parser(), shell)).rstrip() + "\n"  # type: ignore[operator]


def _plain(text: str) -> str:
    """Return a text as roff prints it."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def settings_page(release: Release) -> str:
    """Return relayd.toml(5): each section, each setting with its meaning and its default."""
    day = run("date", "--utc", "--date", f"@{release.date}", "+%Y-%m-%d").strip()
    lines = [
        f'.TH RELAYD.TOML "5" "{day}" "relayd {release.version}" "File Formats"',
        ".SH NAME", "relayd.toml \\- what the operator of a relay may set",
        ".SH SYNOPSIS", ".I /etc/relayd/relayd.toml",
        ".SH DESCRIPTION",
        _plain("Every setting has a default and may be left out; one that is not known is an error. No secret is a "
               "setting: keys are files of the state directory or systemd credentials."),
        ".B relayd check\\-config", "says what is wrong with a file;",
        ".B relayd check\\-config \\-\\-sample", "prints one.",
    ]  # fmt: skip
    for section in msgspec.structs.fields(Config):
        lines += [f".SH [{section.encode_name}]", _plain((section.type.__doc__ or "").strip())]
        described = inspect.type_info(section.type)
        assert isinstance(described, inspect.StructType)  # noqa: S101 - every field of Config is a section
        for setting in described.fields:
            assert isinstance(setting.type, inspect.Metadata)  # noqa: S101 - sample.py refuses one without a description
            default = setting.default_factory() if setting.default is msgspec.NODEFAULT else setting.default
            value = repr(default) if isinstance(default, float) else msgspec.json.encode(default).decode()
            text = str((setting.type.extra_json_schema or {})["description"])
            lines += [".TP", f".B {_plain(setting.name)} = {_plain(value)}", _plain(text)]
    lines += [".SH SEE ALSO", ".BR relayd (8)"]
    return "\n".join(lines) + "\n"
