"""A leaf of the relay: every event of its log, once, with what it means and what to do.

The rules of this file: an event that is not here is logged nowhere, and what is here is logged somewhere, with this
level and these values (tests/arch/test_events.py); docs/operating/logs.md is made from it.
"""

from typing import Final, NamedTuple

LINES_A_MINUTE: Final = 60
"""Of one event, unless it says otherwise. Above that its lines are counted, and the count is told."""
_FROM_OUTSIDE: Final = 6
"""Of what anybody can cause who reaches the port: enough to see it, and the figures are in the metrics."""
_DEBUG: Final = 6_000
"""Whoever sets the level to debug wants to see each."""
NOTHING: Final = "Nothing."


class Event(NamedTuple):
    """One event: its name, the room that tells it, its level and values, what it means and what to do."""

    name: str
    room: str
    level: str
    values: tuple[str, ...]
    means: str
    do: str
    a_minute: int = LINES_A_MINUTE


EVENTS: Final[tuple[Event, ...]] = (
    # app
    Event("ready", "app", "info", ("devices", "operations", "version"),
          "The relay serves; where it listens, and its version.", NOTHING),
    Event("draining", "app", "info", ("connections",),
          "It was told to stop, and sends its connections away.", NOTHING),
    Event("stopped", "app", "info", ("status",),
          "It has ended, with this exit status.", "Other than 0: [exit statuses](service.md)."),
    Event("reloaded", "app", "warning", ("now", "at_restart"),
          "The configuration was read again: which settings count now, and which after a restart.",
          "Restart for the latter: no connection is refused."),
    Event("the configuration is bad, the one in force stays", "app", "error", ("reason",),
          "A reload found a mistake; nothing has changed.", "Put the file right, `relayd check-config`, reload again."),
    Event("there is no configuration file to read again", "app", "warning", (),
          "SIGHUP reached a relay that was started without a file.", "Restart it with `--config`."),
    Event("the limit of open files allows fewer connections than limits.connections_max", "app", "warning",
          ("connections_max", "wanted"), "So many are let in instead.",
          "Raise `LimitNOFILE=` of the unit, or lower the setting."),
    Event("the key of the offline root is still here; move it to a machine without a network", "app", "warning", (),
          "Whoever gets into this machine can make relay keys.", "Move `offline-root.key` away."),
    Event("the relay key ends soon; the offline root must sign a new one", "app", "warning", ("days",),
          "After so many days no device connects any more.", "[Runbook](runbooks.md): RelaydKeyEnds."),
    Event("the store cannot be trusted", "app", "critical", ("reason",),
          "The relay stops with status 74 and is not started again.",
          "[When things go wrong](when-things-go-wrong.md)."),
    Event("the clock jumped ahead; nothing expires by it until relayd confirm-clock", "app", "error", ("ahead_ms",),
          "The wall clock was turned by more than five minutes, or was more than 35 days beyond the relay's own time "
          "when it started and the kernel does not call it synchronised.",
          "If it is right: `relayd confirm-clock`. Else put it right."),
    Event("the clock is behind the relay's time, which goes on from where it was; put the clock right", "app", "error",
          ("behind_ms",), "The wall clock is more than five minutes behind what it was.", "Put it right; see NTP."),
    # relay
    Event("incident", "relay", "error", ("incident", "where", "exc_info"),
          "A bug was met: a number, in which part, and the traceback without values. The peer heard INTERNAL.",
          "Report it with this line. Everything else goes on."),
    # net
    Event("a connection was refused", "net", "info", ("limit",),
          "It was closed before anything was read: too many in all, half-open, or from one address, or no descriptor.",
          "Many: [runbook](runbooks.md), and the dashboard of connections.", _FROM_OUTSIDE),
    Event("nobody can be accepted for now", "net", "warning", ("error",),
          "The machine has no memory, or no descriptor at all, for another connection, or the socket is wrong: see "
          "`error`. It is tried again each second.",
          "See what takes it; raise `LimitNOFILE=` where it is descriptors."),
    Event("a handshake failed", "net", "info", ("reason", "detail"),
          "Somebody connected who is no device of this relay: no protocol of ours, a wrong key, silence, or a device "
          "that was removed. `rate`: a device that was sent away, and came back before its time.",
          "Single ones are scanners. Many at once: IPAddressDeny= of the socket.", _FROM_OUTSIDE),
    Event("a device broke the protocol", "net", "info", ("code", "detail"),
          "A device that is known sent what the protocol does not allow, and was sent away (spec 20 §7).",
          "Many: a client of another version, or somebody who tries.", _FROM_OUTSIDE),
    Event("connection ended", "net", "debug", ("code", "by_peer", "detail"),
          "Any connection's end, with its GOAWAY code.", NOTHING, _DEBUG),
    # operator
    Event("operator refused", "operator", "warning", ("uid",),
          "A user of this machine other than root and the relay's own opened the operator's socket.",
          "Find out who has this number, and why.", _FROM_OUTSIDE),
    Event("operator frame", "operator", "warning", ("detail",),
          "What came on the operator's socket is no frame.", "A `relayd` of another version, or a script's mistake.",
          _FROM_OUTSIDE),
    Event("the clock was confirmed", "operator", "warning", ("ahead_ms",),
          "`relayd confirm-clock` was run; what is over by the wall clock expires.", NOTHING),
    Event("the level of the log was set", "operator", "warning", ("to",),
          "`relayd loglevel` was run; it counts until a restart or reload.", NOTHING),
    Event("devices are sent away", "operator", "warning", ("connections",),
          "`relayd drain` was run.", "`relayd drain --undo`, or a restart, lets them in."),
    Event("devices are let in again", "operator", "warning", (), "`relayd drain --undo` was run.", NOTHING),
    Event("an invariant is broken", "operator", "error", ("rule", "wrong", "first"),
          "`relayd selfcheck` found the store not whole: which rule, how often, where first.",
          "`relayd backup`, then `relayd verify`; report it."),
    Event("the glass was broken", "administration", "critical", ("account", "ttl_s", "record"),
          "`relayd break-glass` made an account a platform operator; who and why is in this audit record.",
          "If you do not know of it, somebody else is root here."),
    # audit, domains, unit
    Event("a checkpoint waits", "audit", "warning", ("code", "waiting"),
          "Checkpoints of the audit log could not be signed or carried outside.", "See the unit that carries them."),
    Event("the carrier refused a checkpoint", "audit", "warning", ("reason",),
          "The unit that carries checkpoints outside could not.", "See its log; it is tried again."),
    Event("a domain is not proven", "domains", "warning", ("domain", "reason"),
          "The zone has no record that names the root key; the act that needed it is refused.",
          "The organisation puts the record into its zone: [organisations](organisations.md)."),
    Event("a domain could not be looked up", "domains", "warning", ("domain", "reason"),
          "The unit that looks up mail domains got no answer; the act that needed it is refused.",
          "See its log and DNS."),
    Event("no domain can be looked up: the resolver unit is away; see outside.resolver", "domains", "warning", (),
          "The unit that looks up mail domains does not answer.", "Start it, or put the setting right."),
    Event("a code could not be sent", "registration", "warning", ("reason",),
          "The unit that sends codes is away, or its command failed; who asked for it waits in vain.",
          "Start it, or see its log and its command's: registration.md."),
    Event("a question that is no JSON object", "unit", "warning", (),
          "Something else than the relay talks to a unit.", "See who may open its socket.", _FROM_OUTSIDE),
    # delivery, observe
    Event("sweep failed", "delivery", "warning", ("code",),
          "What has expired could not be removed for now; it is not delivered either.", "See `commits fail for now`."),
    Event("the store cannot be looked at for now", "observe", "debug", ("error",),
          "The graphs of the store stand still meanwhile.", NOTHING),
    # lifecycle
    Event("no file descriptor is left, new connections are closed; raise the limit of open files", "lifecycle", "error",
          (), "Nobody new gets in.", "Raise `LimitNOFILE=`; see what holds files open."),
    # store
    Event("commits fail for now", "store", "warning", ("failure", "error"),
          "Transactions fail: the disk is full, or something holds the database. Nothing accepted is lost.",
          "[Runbook](runbooks.md): RelaydCommitsFail."),
    Event("commits go through again", "store", "info", (), "It is over.", NOTHING),
    Event("the store can't be trusted any more", "store", "critical", ("error",),
          "A sync failed, or something does not open; nothing is written any more.",
          "[When things go wrong](when-things-go-wrong.md)."),
    Event("no checkpoint at the end", "store", "warning", ("error",),
          "The log was not moved into the file at the stop; the next start reads it.", NOTHING),
    Event("the disk is filling", "store", "warning", ("percent", "refusing_from"),
          "So full is the disk; from there on submissions are refused.", "Make room."),
    Event("submissions are refused, the disk is nearly full; make room on it", "store", "error", ("percent",),
          "Devices keep what they have and try again. Acknowledgements and expiry go on.", "Make room; no restart."),
    Event("submissions are taken in again, the disk has room", "store", "info", ("percent",), "It is over.", NOTHING),
    Event("the disk is full; the ballast was released so that acknowledgements go on", "store", "error", (),
          "A write failed; the file `ballast` was deleted.", "Make room; no restart."),
    Event("the file is too large to be checked as a whole at a start", "store", "info", ("timeout_s",),
          "The check for damage ended after this time.", "`relayd verify` at a quiet hour."),
    Event("the store is upgraded; its copy of before is kept", "store", "warning", ("version", "copy"),
          "The schema is newer now; where the copy lies.", "Delete the copy when all is well."),
    Event("the database is an older copy of itself: every mailbox and every ledger has a new epoch", "store", "warning",
          (), "It was restored, or put back from a copy.", "[After a restore](backup.md)."),
    # log
    Event("lines were left out", "log", "warning", ("of", "count"),
          "In the minute before, an event had so many lines more than are let through.",
          "Many of an event from outside: somebody tries."),
)  # fmt: skip
