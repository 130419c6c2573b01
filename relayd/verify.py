"""The command line's room: whether a database is whole, in numbers.

A state directory, a copy of one or a database alone enters; a ``Report`` leaves. The rules of this file: nothing is
changed, whether a relay runs meanwhile or not; and where there is no master key, what is sealed is not called good.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relayd import keyring
from relayd.domain.refusals import Fatal
from relayd.entropy import system_entropy
from relayd.exits import CannotGoOn, Exit
from relayd.keyring import BadKeys
from relayd.store import database, daykeys, restored, whole
from relayd.store.vault import Nonces, Vault
from relayd.store.whole import Finding
from relayproto.primitives import Entropy


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; ``notes`` are no damage, but the operator should know them."""

    file: str
    version: int
    high_water_ms: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Say whether no rule is broken."""
        return not any(finding.wrong for finding in self.findings)

    def text(self) -> str:
        """Return it as people read it."""
        width = max(len(f"{finding.looked_at:,}") for finding in self.findings)
        lines = [f"{self.file}, version {self.version}"]
        for finding in self.findings:
            said = f"WRONG {finding.wrong:,}, first {finding.first}" if finding.wrong else "good"
            lines.append(f"  {finding.looked_at:>{width},}  {finding.rule}: {said}")
        broken = sum(1 for finding in self.findings if finding.wrong)
        said = f"not whole: {broken} of {len(self.findings)} rules are broken. {_NEXT_STEP}" if broken else "whole."
        return "\n".join([*lines, *self.notes, f"The database is {said}\n"])


_NEXT_STEP: Final = (
    "Stop the relay, copy the whole state directory away as it is, and go on from the last backup: relayd restore."
)


def verify(path: Path, entropy: Entropy = system_entropy) -> Report:
    """Look at a database, and at day-keys, high-water and keys/ beside it where they are; CannotGoOn without one."""
    if not path.is_file():
        raise CannotGoOn(f"{path}: there is no database", Exit.NO_INPUT)
    report = _opened(path, entropy)
    if not report.whole and whole.somebody_has_it_open(path):
        # A relay may have started after we saw that there was none, and then we have read while it wrote.
        report = _opened(path, entropy)
    return report


def _opened(path: Path, entropy: Entropy) -> Report:
    try:
        return _looked_at(path, entropy)
    except sqlite3.DatabaseError as error:
        return Report(str(path), 0, 0, (Finding("it can be read as a database", 1, 1, str(error)),), ())


def _looked_at(path: Path, entropy: Entropy) -> Report:
    notes: list[str] = []
    with whole.one_moment(path) as db:
        version = database.version_of(db)
        known = database.migrations()[-1][0]
        findings = [whole.pages(db)]
        if not 1 <= version <= known:
            what = "nothing of a relay is in it" if version == 0 else "only a program of that version can look at it"
            unknown = f"version {version}, and this program knows {known}: {what}"
            findings.append(Finding("it is a relay's database of a version that this program knows", 1, 1, unknown))
            return Report(str(path), version, 0, tuple(findings), tuple(notes))
        if version < known:
            # No rule looks at what a later version added: an older database has to keep all of them.
            notes.append(f"It is of an older release: the relay brings it to version {known} as it starts.")
        findings += [*whole.rules(db), whole.documented(db), whole.audited(db)]
        high_water_ms = whole.relay_time_ms(db)
        if restored.Mark(path.parent).read() > high_water_ms:
            notes.append("It is an older copy of itself: at its next start the relay gives new epochs.")
        findings += _of_seals(db, path.parent, high_water_ms, notes, entropy)
    return Report(str(path), version, high_water_ms, tuple(findings), tuple(notes))


def _of_seals(
    db: sqlite3.Connection, directory: Path, now_ms: int, notes: list[str], entropy: Entropy
) -> Iterator[Finding]:
    """Yield what comes of the day keys and of what they seal, as far as there are keys to look with."""
    kept = directory / daykeys.FILE_NAME
    try:
        days = daykeys.days_in(kept.read_bytes()) if kept.exists() else frozenset[int]()
    except Fatal as error:
        yield Finding("the day keys can be read", 1, 1, str(error))
        return
    yield whole.keys(db, days, now_ms)
    try:
        master_key = keyring.master_key(directory)
    except BadKeys:
        notes.append("There is no master key here: nothing that is sealed was opened.")
        return
    try:
        ciphers = daykeys.DayKeys(directory, master_key, entropy)
    except Fatal as error:
        yield Finding("the day keys can be read", len(days), len(days), str(error))
        return
    yield Finding("the day keys can be read", len(days), 0)
    yield whole.sealed(db, ciphers, Vault(ciphers, Nonces(entropy)), now_ms)
