"""The store room: its one door.

Works of connections and services enter on the event loop; replies, entries and holes leave after their commit was
synced. The rules of this file: nothing is told before that; while one commit runs everything collects for the next,
without timers; and when the store can no longer be trusted it says so once and takes nothing more.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Container
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from relayd.clock import Clock
from relayd.config import LimitsSection, StoreSection
from relayd.domain.answers import BundlesTaken, DevicesChanged, Enrolment, Login
from relayd.domain.entry import Entry, Page
from relayd.domain.mailbox import Quota
from relayd.domain.refusals import Fatal, Fault
from relayd.domain.seat import Seat
from relayd.metrics import Counters
from relayd.store import accounts, database, expiry, figures, logins, pages, prekeys, telling
from relayd.store.commit import Commit, Done, Numbers, Tools
from relayd.store.daykeys import DayKeys
from relayd.store.failures import Failure, classify
from relayd.store.intake import Intake
from relayd.store.residents import Residents
from relayd.store.stamps import Stamper, Tracing
from relayd.store.vault import Nonces, Vault
from relayd.store.works import Acknowledgement, Settle, Submission, Verb, Works
from relayd.store.writer import Writer
from relayproto.codes import Code, Lane
from relayproto.commands import Ack, Enrol, Hello, SignedPrekey, Submit
from relayproto.identity import DeviceList
from relayproto.ids import AccountId, Address, DeviceId
from relayproto.notices import Gap
from relayproto.primitives import Entropy
from relayproto.replies import Account, Devices, NotTaken, PrekeysLeft

T = TypeVar("T")
