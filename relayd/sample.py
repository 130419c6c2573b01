"""A leaf of the relay: a configuration file to start from.

The structs of ``relayd.config`` enter, the text of a TOML file leaves. The rule of this file: it says nothing of its
own, every word and value comes from the structs, so the sample cannot differ from what is read.
"""

import textwrap
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import inspect

from relayd.config import Config

_WIDTH: Final = 100

_HEAD: Final = """\
# Configuration of relayd, made from the program's own description: relayd check-config --sample
# Every setting has its default here and may be left out; one that is not known is an error.
# No secret is a setting: keys are files of the state directory or systemd credentials.
"""


def _comment(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="# ", subsequent_indent="# ") + "\n"


def _value(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    # What is left are booleans, integers, texts and lists of texts, which TOML writes as JSON does.
    return msgspec.json.encode(value).decode()


def _description(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata) and "description" in (kind.extra_json_schema or {}):
        return str((kind.extra_json_schema or {})["description"])
    raise LookupError("a setting without a description")


def sample(values: Mapping[str, object] | None = None) -> str:
    """Return the file with the defaults, or with ``values`` (``section.setting`` -> value) in their place."""
    values = values or {}
    parts = [_HEAD]
    for section in msgspec.structs.fields(Config):
        parts.append("\n" + _comment((section.type.__doc__ or "").strip()) + f"[{section.encode_name}]\n")
        described = inspect.type_info(section.type)
        assert isinstance(described, inspect.StructType)  # noqa: S101 - every field of Config is a section
        for setting in described.fields:
            path = f"{section.encode_name}.{setting.encode_name}"
            default = setting.default_factory() if setting.default is msgspec.NODEFAULT else setting.default
            parts.append(
                _comment(_description(setting.type)) + f"{setting.name} = {_value(values.get(path, default))}\n"
            )
    return "".join(parts)
