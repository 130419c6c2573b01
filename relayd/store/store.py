"""The store room: its one door.

Works of connections and services enter on the event loop; replies, entries and holes leave after their commit was
synced. The rules of this file: nothing is told before that; what a verb raises has changed nothing; and when the
store can no longer be trusted it says so once and takes nothing more.
"""

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from msgspec.structs import replace

from relayd.clock import Clock
from relayd.config import LifetimesSection, LimitsSection, StoreSection
from relayd.domain.answers import BundlesTaken, DevicesChanged, Login
from relayd.domain.entry import Page
from relayd.domain.mailbox import Quota
from relayd.domain.refusals import Fatal, Fault
from relayd.domain.seat import Seat
from relayd.incidents import report
from relayd.logs import get_logger
from relayd.metrics import Counters
from relayd.store import (
    accounts,
    acts,
    audit,
    blocks,
    claims,
    expiry,
    figures,
    logins,
    lookups,
    pages,
    policies,
    prekeys,
    questions,
    reports,
    staging,
    watch,
)
from relayd.store.authority import View
from relayd.store.commit import Commit
from relayd.store.database import checkpoint, unmoved
from relayd.store.disk import Disk
from relayd.store.engine import Engine
from relayd.store.entrance import EntranceVerbs
from relayd.store.failures import Failure, classify
from relayd.store.intake import Intake
from relayd.store.local import LocalVerbs
from relayd.store.lookups import Asking
from relayd.store.opening import Opened, Rules, open_all
from relayd.store.questions import Asked
from relayd.store.reading import AT_ONCE, Reading
from relayd.store.stamps import Tracing
from relayd.store.telling import Ears
from relayd.store.watch import Watch
from relayd.store.works import Acknowledgement, Settle, Submission, Verb
from relayd.store.writer import Writer, probe
from relayproto.administration import CreateOrganisation, Question
from relayproto.administration_replies import Acted, AdministrationReply, Checkpoint
from relayproto.codes import Code, Lane
from relayproto.commands import Ack, Act, GetBundles, Hello, SignedPrekey, Submit
from relayproto.identity import DeviceList
from relayproto.ids import AccountId, Address, DeviceId
from relayproto.people import GetPeople
from relayproto.primitives import Entropy
from relayproto.replies import Account, Devices, PrekeysLeft
from relayproto.rosters import Claim, Claimed, GetRoster, PutRoster, Rostered
from relayproto.verification import Organisation

T = TypeVar("T")

_log = get_logger("store")


class Store(LocalVerbs, EntranceVerbs):
    """Everything that the relay keeps.

    All methods belong to the event loop's thread. Verbs raise Refusal for an expected no, Fault where the disk or
    the database fails for now; after Fatal (see ``fatal``), or once it is closing,
    every verb raises Fault(UNAVAILABLE).
    """

    __slots__ = ("_clock", "_counters", "_disk", "_engine", "_long", "_opened", "_short", "_watch")

    def __init__(self, opened: Opened, engine: Engine, clock: Clock, disk: Disk, counters: Counters) -> None:
        self._opened = opened
        self._engine = engine
        self._clock = clock
        self._disk = disk
        self._counters = counters
        self._watch = Watch()
        self._short = Reading(opened.reader, engine.distrust, AT_ONCE)
        self._long = Reading(opened.desk, engine.distrust)

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        settings: StoreSection,
        limits: LimitsSection,
        lifetimes: LifetimesSection,
        master_key: bytes,
        stamp_seed: bytes,
        relay_id: int,
        moderators: tuple[bytes, ...],
        retention_days: int,
        audit_days: int,
        statistics_days: int,
        root_key: bytes = b"",
        clock: Clock,
        entropy: Entropy,
        counters: Counters,
        ears: Ears,
    ) -> Self:
        """Open the store in ``directory``, or begin it there; Fatal where it cannot be read or trusted.

        ``ears`` hear what was committed. ``root_key`` is the offline root's public key; without it the platform has no
        document.
        """
        disk = Disk(directory, settings, counters)
        opened = await open_all(
            directory,
            master_key=master_key,
            tracing=Tracing(relay_id, stamp_seed, moderators, retention_days),
            rules=Rules(settings, _quota(limits), lifetimes, audit_days, statistics_days, root_key),
            entropy=entropy,
            clock=clock,
            disk=disk,
        )
        _found(opened, counters)
        engine = Engine(
            _intake(limits),
            opened.writer,
            Writer(opened.tools),
            disk=disk,
            path=opened.path,
            log_pages=settings.wal_autocheckpoint_pages,
            clock=clock,
            counters=counters,
            ears=ears,
            incident=partial(report, counters=counters, entropy=entropy),
        )
        disk.look()
        return cls(opened, engine, clock, disk, counters)

    @property
    def high_water_ms(self) -> int:
        """The latest relay time that was found in the store; relay time must never be less."""
        return self._opened.high_water_ms

    @property
    def fatal(self) -> asyncio.Future[Fatal]:
        """Set when the store can no longer be trusted: the relay has to stop."""
        return self._engine.fatal

    async def close(self) -> None:
        """Finish what was taken in, move the log into the file and close. A failure to do so is no loss."""
        try:
            await self._engine.stop()
            if not self.fatal.done():
                await self._opened.writer.run(self._opened.tools.counting.finish)
                await self._opened.writer.run(partial(self._opened.mark.follow, at_once=True))
                await self._opened.writer.run(checkpoint)
        except (sqlite3.Error, OSError) as error:
            _log.warning("no checkpoint at the end", error=repr(error))
            if classify(error) is Failure.FATAL:
                self._engine.distrust(error)
        finally:
            # Whatever went wrong: a thread that is left would keep the process from ending.
            await self._opened.reader.close()
            await self._opened.desk.close()
            with unmoved(self._opened.path) if self.fatal.done() else contextlib.nullcontext():
                await self._opened.writer.close()

    @property
    def full(self) -> bool:
        """Whether no submission is taken: there is no room, or the store is closing."""
        return self._engine.intake.full

    @property
    def room(self) -> int:
        """How many submissions one device may have under way now."""
        return self._engine.intake.room

    async def space(self) -> None:
        """Wait until the intake has room."""
        await self._engine.intake.space()

    def submit(self, seat: Seat, command: Submit, body: bytes, settle: Settle) -> None:
        """Take a submission, where there is ``room``, at which the caller has looked in the same turn.

        ``body`` is the command's own or what its handle named, empty where there is none. ``settle`` is called once,
        on the loop, after the commit.
        """
        self._engine.submit(Submission(seat, command, body, settle))

    def hurry(self) -> None:
        """Begin the commit that somebody who says little waits for, if it can begin now; not from within ``submit``."""
        self._engine.hurry()

    def acknowledge(self, seat: Seat, ack: Ack) -> None:
        """Take an acknowledgement that was checked against what was delivered."""
        if self._engine.taking:
            self._engine.intake.acknowledge(Acknowledgement(seat, ack))

    async def _act(self, act: Callable[[Commit], T]) -> T:
        if not self._engine.taking:
            raise Fault(Code.UNAVAILABLE, 0)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._engine.intake.act(Verb(act, future))
        try:
            return await future
        finally:
            del future  # what it raised has this frame in its traceback: a circle, which only the collector would find

    async def _read(self, read: Callable[[sqlite3.Connection], T], *, long: bool = False) -> T:
        """Answer a question by what is committed; what may take ``long`` is on a thread that no message waits for."""
        return await (self._long if long else self._short).ask(read)

    async def login(self, hello: Hello, static_key: bytes) -> Login:
        """Let a device in. Raises Refusal(AUTHENTICATION), or RemoteProtocolError(BAD_ACK) for floors never given."""
        return await self._act(lambda commit: logins.login(commit, hello, static_key))

    async def page(self, mailbox: int, lane: Lane, after: int, messages: int, octets: int) -> Page:
        """Return what follows number ``after`` in a lane: at most so many entries and bytes, at least one entry."""
        wanted = pages.Wanted(mailbox, lane, after, messages, octets)
        now_ms, vault = self._clock.now_ms(), self._opened.tools.vault
        return await self._short.read(lambda db: pages.read(db, vault, wanted, now_ms))

    async def put_prekeys(self, seat: Seat, offered: tuple[SignedPrekey, ...]) -> PrekeysLeft:
        """Take verified prekeys in. Raises Refusal(LIMIT)."""
        return await self._act(lambda commit: prekeys.deposit(commit, seat, offered))

    async def bundles(self, seat: Seat, command: GetBundles) -> BundlesTaken:
        """Hand out bundles of an account's devices, or of all. Raises Refusal(NOT_AVAILABLE)."""
        return await self._act(lambda commit: prekeys.bundles(commit, seat, command))

    async def put_devices(self, seat: Seat, devices: DeviceList, listed: bytes, signature: bytes) -> DevicesChanged:
        """Replace the account's list by a newer version. Raises Refusal: BAD_SIGNATURE, STALE_LIST."""
        return await self._act(lambda commit: accounts.put_devices(commit, seat, devices, listed, signature))

    async def account_of(self, address: Address, asker: AccountId) -> Account:
        """Return the account that an address names. Raises Refusal(NOT_AVAILABLE), also where it blocks the asker."""
        asking = self._asking(asker, b"")
        return await self._read(lambda db: lookups.account_of(db, asking, address))

    async def devices_of(self, account: AccountId, asker: AccountId, pass_: bytes = b"") -> Devices:
        """Return an account's newest device list. Raises Refusal(NOT_AVAILABLE), also where it blocks the asker."""
        asking = self._asking(asker, pass_)
        return await self._read(lambda db: lookups.devices_of(db, asking, account))

    async def mailboxes_of(self, account: AccountId, asker: AccountId, pass_: bytes = b"") -> dict[DeviceId, int]:
        """Return device -> mailbox of an account, for what passes by.

        Raises Refusal(NOT_AVAILABLE), also where it blocks the asker or may not be written to.
        """
        asking = self._asking(asker, pass_)
        return await self._read(lambda db: lookups.mailboxes_of(db, asking, account))

    def _asking(self, asker: AccountId, pass_: bytes) -> Asking:
        tools = self._opened.tools
        return Asking(asker, pass_, tools.marks, tools.contacts.passes, self._clock.now_ms())

    async def check_in(self, relay: bytes, key_id: int) -> bool:
        """Sign how far the audit log has come; say whether it has come further since the last time."""
        return await self._act(lambda commit: audit.check_in(commit, relay, key_id))

    async def to_carry(self, maximum: int) -> list[Checkpoint]:
        """Return the oldest checkpoints that are not outside yet, at most so many."""
        return await self._read(lambda db: audit.to_carry(db, maximum), long=True)

    async def carried(self, records: int) -> None:
        """Note that the checkpoint for so many records is outside."""
        await self._act(lambda commit: audit.carried(commit, records))

    async def put_policy(self, seat: Seat, row: bytes, said_ms: int = 0) -> None:
        """Keep what the seat's account has tightened for itself, unless it said something else after ``said_ms``."""
        await self._act(lambda commit: policies.put_own(commit, seat, row, said_ms))

    async def put_profile(self, seat: Seat, about: str, hidden: bytes, said_ms: int = 0) -> None:
        """Keep what the seat's account says of itself and hides, unless it said something else after ``said_ms``."""
        await self._act(lambda commit: policies.put_profile(commit, seat, about, hidden, said_ms))

    async def domain_to_prove(self, seat: Seat, command: Act) -> CreateOrganisation | None:
        """Return whose mail domain has to be looked up before an act is performed, or None."""
        return await self._read(lambda db: acts.domain_to_prove(self._view(db), seat.account, command), long=True)

    async def act(self, seat: Seat, command: Act, *, relay: bytes, proven: frozenset[str]) -> Acted | Code:
        """Perform an act, or write down that it was denied and return the code. Raises Refusal(AUTHENTICATION)."""
        return await self._act(lambda commit: acts.perform(commit, seat, command, relay, proven))

    async def answer(self, seat: Seat, question: Asked) -> AdministrationReply:
        """Answer an officer's question. Raises Denied."""
        marks = self._opened.tools.marks
        if isinstance(question, GetPeople | GetRoster):
            return await self._listed(questions.Listed(question), seat.account)
        answer = await self._read(
            lambda db: questions.answer(self._view(db), seat.account, question, marks), long=True
        )  # fmt: skip
        if isinstance(answer, Organisation):
            return replace(answer, signature=self._opened.tools.stamper.sign_record(answer.record))
        return answer

    async def _listed(self, listed: questions.Listed, account: AccountId) -> AdministrationReply:
        """Look until the answer is whole; between two looks others who ask have their turn."""
        marks = self._opened.tools.marks
        while True:
            told = await self._read(lambda db: listed.look(self._view(db), account, marks), long=True)
            if told is not None:
                return told

    async def put_roster(self, seat: Seat, command: PutRoster) -> Rostered | Code:
        """Take a part of a roster in; who may not is written down, and gets the code. Raises Refusal."""
        return await self._act(lambda commit: staging.put(commit, seat, command))

    async def claim(self, seat: Seat, command: Claim) -> Claimed:
        """Keep what the seat's account claims to be. Raises Refusal: NOT_PERMITTED, LIMIT, CONFLICT."""
        return await self._act(lambda commit: claims.make(commit, seat, command))

    async def deny_question(self, seat: Seat, question: Question | PutRoster, code: Code) -> None:
        """Write down that a question was denied. Raises Refusal(AUTHENTICATION)."""
        await self._act(lambda commit: acts.deny_question(commit, seat, question, code))

    def _view(self, db: sqlite3.Connection) -> View:
        return View(db, self._clock.now_ms())

    async def block(self, seat: Seat, account: AccountId, *, blocked: bool) -> None:
        """Block an account for the seat's, or no longer. Raises Refusal(LIMIT)."""
        await self._act(lambda commit: blocks.block(commit, seat, account, blocked=blocked))

    async def report(self, seat: Seat, sealed: bytes) -> None:
        """Keep a report for the moderators. Raises Refusal(LIMIT), Fault(DISK)."""
        await self._act(lambda commit: reports.keep(commit, seat, sealed))

    async def sweep(self) -> int:
        """Expire a bounded number of rows and return how many there were; dead keys go as well."""
        self._disk.look()
        removed = await self._act(partial(expiry.sweep, keys=self._opened.keys, mark=self._opened.mark))
        if self._disk.tight:
            # What was deleted is room inside the file; only a checkpoint gives it, and the log's, back to the disk.
            await self._engine.checkpoint()
        return removed

    async def status(self) -> list[tuple[str, int]]:
        """Return the store's figures by name."""
        return [*await self._read(lambda db: figures.read(db, self._opened.path), long=True), *self._disk.figures()]

    async def observe(self, *, census: bool) -> None:
        """Look at the store for the counters; ``census``: count accounts and mailboxes as well. Raises Fault."""
        counters, path, now_ms = self._counters, self._opened.path, self._clock.now_ms()
        seen = await self._read(lambda db: self._watch.look(db, path, now_ms), long=True)
        counters.oldest_ms = Counter(seen.oldest_ms)
        counters.overdue = seen.overdue
        counters.store_bytes, counters.log_bytes = seen.store_bytes, seen.log_bytes
        counters.free_bytes = seen.free_bytes
        if census:
            found = await self._read(watch.census, long=True)
            counters.accounts, counters.devices = found.accounts, found.devices
            counters.mailboxes_full = found.mailboxes_full

    def count_intake(self) -> None:
        """Tell the counters what waits for the next commit."""
        self._counters.intake_works = self._engine.intake.works
        self._counters.intake_bytes = self._engine.intake.octets

    async def probe(self) -> None:
        """Return when a commit has gone through."""
        await self._act(probe)


def _intake(limits: LimitsSection) -> Intake:
    later = asyncio.get_running_loop().call_later
    return Intake(messages_max=limits.intake_messages_max, octets_max=limits.intake_bytes_max, later=later)


def _quota(limits: LimitsSection) -> Quota:
    return Quota(messages=limits.mailbox_messages, octets=limits.mailbox_bytes, reopen_percent=limits.reopen_percent)


def _found(opened: Opened, counters: Counters) -> None:
    """Tell what was found at the start."""
    counters.envelopes_queued, counters.queued_bytes, counters.outcomes_queued = opened.queued
    if opened.restored:
        counters.restores += 1
        _log.warning("the database is an older copy of itself: every mailbox and every ledger has a new epoch")
