"""The store room: the writer - what turns works into one synced transaction, on its thread.

Works enter; ``Done`` leaves once they are committed, or the failure after everything was rolled back. The rules of
this file: acknowledgements first, since they make room and concern what was committed before; each verb is undone
alone where it fails; nothing in memory outlives a rollback.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from relayd.domain.refusals import Fault, Refusal
from relayd.store import removals, submissions
from relayd.store.commit import Commit, Done, Tally, Tools
from relayd.store.failures import Failure, classify
from relayd.store.works import Acknowledgement, Verb, Works
from relayproto.errors import RemoteProtocolError

_EXPECTED: Final = (Refusal, Fault, RemoteProtocolError)
"""What verbs raise before their first change."""


class Writer:
    """Runs commits, one after the other."""

    __slots__ = ("_tools",)

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def run(self, db: sqlite3.Connection, works: Works, now_ms: int, *, disk_tight: bool) -> Done:
        """Commit the works and return what is left to do. Whatever is raised, nothing of them was committed."""
        self._tools.residents.trim()
        commit = Commit(db, self._tools, now_ms, disk_tight=disk_tight)
        db.execute("BEGIN IMMEDIATE")
        try:
            _acknowledge(commit, works.acknowledgements)
            submissions.take(commit, works.submissions)
            commit.write()
            for verb in works.verbs:
                commit.done.answers.append(self._act(commit, verb))
            db.execute("UPDATE relay_time SET high_water_ms = ? WHERE high_water_ms < ?", (now_ms, now_ms))
            self._tools.counting.write(db, now_ms)
            db.execute("COMMIT")
        except BaseException:
            self._forget()
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self._tools.counting.committed(commit.done.tally.targets, now_ms)
        return commit.done

    def _forget(self) -> None:
        self._tools.residents.clear()
        self._tools.contacts.forget()
        self._tools.stamper.forget()
        self._tools.counting.failed()

    def _act(self, commit: Commit, verb: Verb) -> Any:
        """Run a verb and return its result, or what it raised after undoing it."""
        done, db = commit.done, commit.db
        told, gaps, served, tally = len(done.told), len(done.gaps), len(done.served), done.tally
        revoked = len(done.revoked)
        done.tally = Tally()
        db.execute("SAVEPOINT verb")
        try:
            answer = verb.act(commit)
            commit.write()
            tally.add(done.tally)
        except Exception as error:
            if classify(error) is not Failure.BUG:
                raise
            answer = error
            db.execute("ROLLBACK TO verb")
            commit.undo(told=told, gaps=gaps, served=served, revoked=revoked)
            if isinstance(error, _EXPECTED):
                # Whoever is refused has changed nothing: a stranger must not be able to empty what commits live on. And
                # its traceback leads to all works of this commit, and they to it: the collector would find them late.
                error.__traceback__ = None
            else:
                self._tools.residents.clear()
        done.tally = tally
        db.execute("RELEASE verb")
        return answer


def _acknowledge(commit: Commit, works: Sequence[Acknowledgement]) -> None:
    for work in works:
        if commit.current(work.seat) is None:
            continue
        row = work.seat.row
        mailbox = commit.mailbox(row)
        if mailbox is not None and work.ack.epoch == mailbox.epoch:
            removals.acknowledge(commit, row, mailbox, work.ack, since_ms=work.seat.since_ms)
            mailbox.refused = 0


def probe(_: Commit) -> None:
    """Do nothing: the commit itself is what is asked for."""
