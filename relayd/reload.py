"""A leaf of the relay: what of the configuration can change while it runs.

The configuration in force and a new one enter; which settings differ leaves, by whether they count at once. The rule
of this file: what is not on the list needs a restart, and a restart refuses no connection and loses nothing, so the
list is short.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from relayd.config import Config

AT_ONCE: Final = frozenset({"logs.level", "limits.drain_timeout_s"})
"""What is read anew each time that it is needed; everything else is built into the rooms when they are made."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of settings that differ, sorted: those that count now, and those that count after a restart."""

    now: tuple[str, ...]
    at_restart: tuple[str, ...]

    def __str__(self) -> str:
        """Return what an operator should know, in one line."""
        if not (self.now or self.at_restart):
            return "the configuration is the same"
        said = [f"in force: {', '.join(self.now)}"] if self.now else []
        if self.at_restart:
            said.append(f"in force after a restart: {', '.join(self.at_restart)}")
        return "; ".join(said)


def changes(old: Config, new: Config) -> Changes:
    """Return which settings of two configurations differ."""
    differing = [
        f"{section.encode_name}.{setting.encode_name}"
        for section in msgspec.structs.fields(Config)
        for setting in msgspec.structs.fields(section.type)
        if getattr(getattr(old, section.name), setting.name) != getattr(getattr(new, section.name), setting.name)
    ]
    return Changes(
        tuple(sorted(name for name in differing if name in AT_ONCE)),
        tuple(sorted(name for name in differing if name not in AT_ONCE)),
    )


def merged(old: Config, new: Config) -> Config:
    """Return the configuration that is in force after a reload: ``old`` with what of ``new`` counts at once."""
    result = old
    for name in AT_ONCE:
        section, _, setting = name.partition(".")
        value = getattr(getattr(new, section), setting)
        replaced = msgspec.structs.replace(getattr(result, section), **{setting: value})
        result = msgspec.structs.replace(result, **{section: replaced})
    return result
