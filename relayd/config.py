"""A leaf of the relay: what the operator may set.

A TOML file enters; a frozen ``Config`` leaves, or ``BadConfig`` with the exact path of what is wrong. The rules of
this file: an unknown setting is an error, no secret is a setting, and every setting says here what it means -
``relayd check-config --sample`` and systemd/relayd.toml are made from this text.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from relayd.exits import Exit, Expected
from relayproto.codes import Class
from relayproto.limits import LIFETIME_S_MAX

MIB: Final = 1 << 20
_DOMAIN_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+\Z"
_SOCKET_PATH_BYTES_MAX: Final = 107
"""What sockaddr_un holds (unix(7))."""


class BadConfig(Expected):
    """The configuration cannot be used; the text says where and why, in one line."""

    status = Exit.CONFIG


class Endpoint(NamedTuple):
    """A host and a port; the host of an IPv6 address has no brackets here."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return HOST:PORT, as it is typed."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint(text: str) -> Endpoint:
    """Read HOST:PORT, where an IPv6 address stands in brackets; ValueError for anything else."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:  # noqa: PLR2004 - the largest port there is
        raise ValueError(f"{text!r} is not HOST:PORT, for example relay.example:7443")
    return Endpoint(match[1] or match[2], int(match[3]))


class RelaySection(Struct, frozen=True, forbid_unknown_fields=True):
    """What the relay is called and where it keeps everything."""

    endpoint: Annotated[str, Meta(description="HOST:PORT that invitations name; devices must be able to reach it.")] = (
        "127.0.0.1:7443"
    )
    state: Annotated[
        str, Meta(description="Directory of the store and the keys. A relative path counts from this file's directory.")
    ] = "/var/lib/relayd"


class ListenSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the relay listens. Sockets that systemd hands over take the place of devices and operations."""

    devices: Annotated[str, Meta(description="HOST:PORT for devices.")] = "127.0.0.1:7443"
    operations: Annotated[
        str, Meta(description="HOST:PORT for /metrics, /healthz and /readyz. Never open it to the outside.")
    ] = "127.0.0.1:9443"
    operator: Annotated[
        str,
        Meta(
            description="Unix socket of the local operator (relayd invite, relayd status). "
            "A relative path counts from the state directory."
        ),
    ] = "operator.sock"


class StoreSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The SQLite file."""

    file: Annotated[str, Meta(min_length=1, description="Its name, in the state directory.")] = "relay.db"
    wal_autocheckpoint_pages: Annotated[
        int,
        Meta(ge=100, le=1_000_000, description="Pages of write-ahead log before they are copied into the file: "
             "more is faster, and takes longer at a restart after a crash."),
    ] = 16_000  # fmt: skip
    disk_warn_percent: Annotated[int, Meta(ge=1, le=100, description="The log warns when the disk is this full.")] = 85
    disk_refuse_percent: Annotated[
        int,
        Meta(ge=1, le=100, description="Submissions are refused when the disk is this full, until it is 2 per cent "
             "emptier; acknowledgements, expiry and deletion go on."),
    ] = 92  # fmt: skip
    ballast_bytes: Annotated[
        int,
        Meta(ge=0, description="Size of a file that only takes room, and is deleted when the disk runs full so that "
             "deleting goes on; 0: none."),
    ] = 64 * MIB  # fmt: skip
    check_timeout_s: Annotated[
        float, Meta(ge=0, description="How long the file is looked at for damage at a start, at most; 0: not at all.")
    ] = 10.0


class LimitsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What is refused, so that nobody can take everything. Refused is never dropped: devices wait and repeat."""

    mailbox_messages: Annotated[int, Meta(ge=1, description="Envelopes waiting for one device.")] = 5_000
    mailbox_bytes: Annotated[int, Meta(ge=1 << 16, description="Bytes waiting for one device.")] = 32 * MIB
    reopen_percent: Annotated[
        int, Meta(ge=1, le=100, description="A mailbox that was full takes envelopes again below this share.")
    ] = 80
    device_rate_per_s: Annotated[
        int, Meta(ge=1, description="Submissions of one account's devices together, sustained.")
    ] = 200
    device_burst: Annotated[int, Meta(ge=1, description="Submissions of one account's devices, at once.")] = 1_000
    pair_rate_per_s: Annotated[
        int, Meta(ge=1, description="Submissions of one account to another, sustained; a person writes less than 1.")
    ] = 50
    pair_burst: Annotated[int, Meta(ge=1, description="Submissions of one account to another at once.")] = 500
    reports_per_hour: Annotated[int, Meta(ge=1, description="Reports to the moderators from one account.")] = 10
    connections_max: Annotated[int, Meta(ge=1, description="Connections at a time.")] = 50_000
    half_open_max: Annotated[
        int,
        Meta(ge=1, description="Connections at a time that have not shown who they are; above it the oldest of the "
             "address that has most of them gives way."),
    ] = 1_000  # fmt: skip
    address_rate_per_s: Annotated[
        int, Meta(ge=1, description="New connections from one IP address, sustained; an office may share one.")
    ] = 50
    address_burst: Annotated[int, Meta(ge=1, description="New connections from one IP address at once.")] = 500
    address_connections_max: Annotated[
        int, Meta(ge=1, description="Connections at a time from one IP address, or from one /64 of IPv6.")
    ] = 1_000
    intake_messages_max: Annotated[
        int,
        Meta(ge=1, description="Works taken in and not yet on disk; above it the relay stops reading. One device has "
             "at most an eighth of the room that is left."),
    ] = 4_096  # fmt: skip
    intake_bytes_max: Annotated[int, Meta(ge=1 << 16, description="The same in bytes.")] = 32 * MIB
    outbox_bytes_max: Annotated[
        int, Meta(ge=1 << 16, description="Bytes waiting to be written to one device before the rest waits on disk.")
    ] = MIB
    write_timeout_s: Annotated[
        float, Meta(gt=0, description="A device that reads nothing for so long is disconnected.")
    ] = 20.0
    drain_timeout_s: Annotated[
        float, Meta(gt=0, description="At a stop, how long what is being written may take. systemd waits 45 s.")
    ] = 20.0


class ProtocolSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What devices may speak."""

    allow_plain_xk: Annotated[
        bool,
        Meta(description="Also take the handshake without ML-KEM. For checking against other implementations only."),
    ] = False


class TracingSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Origin stamps and reports. Who may open them is no setting: their keys are signed by the offline root."""

    retention_days: Annotated[
        int,
        Meta(ge=1, le=3_660, description="How long a stamp can be opened and a report is kept. After that: no longer "
             "traceable."),
    ] = 180  # fmt: skip


def _longest(class_: Class, what: str) -> Meta:
    return Meta(ge=1, le=LIFETIME_S_MAX[class_], description=f"{what} At most {LIFETIME_S_MAX[class_]}.")


class AuditSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The audit log: who changed what in organisations, and what was denied."""

    retention_days: Annotated[
        int, Meta(ge=180, le=3650, description="How long its records are kept; the law of many places asks for 180.")
    ] = 400


class StatisticsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Counters by day, organisation, class, size and what became of it: no accounts, and none below ten is told."""

    retention_days: Annotated[int, Meta(ge=30, le=3_660, description="How long they are kept.")] = 400


class OutsideSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Units that may reach outside, where the relay may not. A relative path counts from the state directory."""

    carrier: Annotated[
        str,
        Meta(
            description="Unix socket of the unit that carries the hourly checkpoints of the audit log outside (relayd "
            "carry); empty: none does, and whoever controls this machine can cut the log short unseen."
        ),
    ] = ""
    resolver: Annotated[
        str,
        Meta(
            description="Unix socket of the unit that looks up mail domains (relayd resolve); empty: no organisation "
            "can be let in, since none can prove its domain."
        ),
    ] = ""


class RegistrationSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Accounts for people who were not invited: who shows a code that was sent to his mail address gets one."""

    mode: Annotated[
        Literal["closed", "rostered", "organisations", "open"],
        Meta(
            description="closed: nobody registers; rostered: whose mail address is on a roster in force; "
            "organisations: also with any mail address of an organisation's proven domain; open: anybody with a mail "
            "address."
        ),
    ] = "closed"
    domains: Annotated[
        tuple[Annotated[str, Meta(max_length=253, pattern=_DOMAIN_PATTERN)], ...],
        Meta(description="In mode open, the domains under which people choose a name; organisations' are theirs."),
    ] = ()
    codes_per_hour: Annotated[
        int,
        Meta(ge=1, le=100_000, description="Codes that are made for everybody together. It bounds how many accounts a "
             "flood can make, and how much mail is sent in this relay's name."),
    ] = 600  # fmt: skip
    unit: Annotated[
        str,
        Meta(
            description="Unix socket of the unit that sends codes (relayd code-sender); needed unless mode is closed. "
            "A relative path counts from the state directory."
        ),
    ] = ""


class LifetimesSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How long an envelope may wait, in seconds. The protocol's own limits can be shortened, not lengthened."""

    call_s: Annotated[int, _longest(Class.CALL, "A ringing call.")] = LIFETIME_S_MAX[Class.CALL]
    otp_s: Annotated[int, _longest(Class.OTP, "A one-time code.")] = LIFETIME_S_MAX[Class.OTP]
    alert_s: Annotated[int, _longest(Class.ALERT, "An alert.")] = LIFETIME_S_MAX[Class.ALERT]
    chat_s: Annotated[int, _longest(Class.CHAT, "A message between people.")] = LIFETIME_S_MAX[Class.CHAT]
    receipt_s: Annotated[int, _longest(Class.RECEIPT, "A read receipt.")] = LIFETIME_S_MAX[Class.RECEIPT]
    notice_s: Annotated[int, _longest(Class.NOTICE, "A notice.")] = LIFETIME_S_MAX[Class.NOTICE]
    broadcast_s: Annotated[int, _longest(Class.BROADCAST, "A broadcast.")] = LIFETIME_S_MAX[Class.BROADCAST]

    def longest_s(self, class_: Class) -> int:
        """Return the longest lifetime of a class here, seconds."""
        lifetime_s: int = getattr(self, f"{class_.name.lower()}_s")
        return lifetime_s


class LogsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged, on standard output. There is no event for a message at any level."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error.")
    ] = "info"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that an operator may set."""

    relay: RelaySection = RelaySection()
    listen: ListenSection = ListenSection()
    store: StoreSection = StoreSection()
    limits: LimitsSection = LimitsSection()
    protocol: ProtocolSection = ProtocolSection()
    lifetimes: LifetimesSection = LifetimesSection()
    tracing: TracingSection = TracingSection()
    audit: AuditSection = AuditSection()
    statistics: StatisticsSection = StatisticsSection()
    outside: OutsideSection = OutsideSection()
    registration: RegistrationSection = RegistrationSection()
    logs: LogsSection = LogsSection()

    @property
    def state_directory(self) -> Path:
        """Where the store and the keys are; absolute once the configuration was loaded."""
        return Path(self.relay.state)

    @property
    def operator_socket(self) -> Path:
        """Where the local operator's socket is."""
        return self.state_directory / self.listen.operator

    @property
    def carrier_socket(self) -> Path | None:
        """Where the unit is that carries checkpoints outside; None for none."""
        return self.state_directory / self.outside.carrier if self.outside.carrier else None

    @property
    def code_socket(self) -> Path | None:
        """Where the unit is that sends codes; None for none."""
        return self.state_directory / self.registration.unit if self.registration.unit else None

    @property
    def resolver_socket(self) -> Path | None:
        """Where the unit is that looks up domains; None for none."""
        return self.state_directory / self.outside.resolver if self.outside.resolver else None


def _check(config: Config) -> None:
    """Check what types cannot say."""
    for path, text in (
        ("relay.endpoint", config.relay.endpoint),
        ("listen.devices", config.listen.devices),
        ("listen.operations", config.listen.operations),
    ):
        try:
            endpoint(text)
        except ValueError as error:
            raise BadConfig(f"{path}: {error}") from None
    if config.store.file != Path(config.store.file).name:
        raise BadConfig("store.file: a file name in the state directory, not a path")
    if config.store.disk_warn_percent > config.store.disk_refuse_percent:
        raise BadConfig("store.disk_warn_percent: more than store.disk_refuse_percent, so nobody would be warned")
    if config.registration.mode != "closed" and config.code_socket is None:
        raise BadConfig("registration.unit: nobody sends codes, so nobody could register; name a unit, or close it")
    for path, socket in (
        ("listen.operator", config.operator_socket),
        ("outside.carrier", config.carrier_socket),
        ("outside.resolver", config.resolver_socket),
        ("registration.unit", config.code_socket),
    ):
        if socket is not None and len(bytes(socket)) > _SOCKET_PATH_BYTES_MAX:
            raise BadConfig(f"{path}: the path of a Unix socket has at most {_SOCKET_PATH_BYTES_MAX} bytes")


def parse(text: str, directory: Path) -> Config:
    """Return the configuration that a TOML text makes; its relative paths count from ``directory``."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"not TOML: {error}") from None
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise BadConfig(_said_plainly(str(error))) from None
    state = str((directory / config.relay.state).absolute())
    config = msgspec.structs.replace(config, relay=msgspec.structs.replace(config.relay, state=state))
    _check(config)
    return config


def _choices(path: str) -> tuple[str, ...]:
    """Return what a setting can be whose values are a few words."""
    kind: object = Config
    for name in path.split("."):
        kind = get_type_hints(kind)[name]
    return get_args(kind)


def _said_plainly(message: str) -> str:
    """Turn msgspec's ``... - at `$.limits.x``` into ``limits.x: ...``."""
    what, _, path = message.partition(" - at `$.")
    path = path.removesuffix("`")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
    if what.startswith("Invalid enum value"):
        return f"{path}: {what[:1].lower()}{what[1:]}; one of {', '.join(_choices(path))}"
    if unknown is None:
        return f"{path}: {what[:1].lower()}{what[1:]}"
    return (
        f"{path + '.' if path else ''}{unknown[1]}: there is no such setting; relayd check-config --sample has them all"
    )


def load(path: Path) -> Config:
    """Return the configuration of a file; BadConfig where it cannot be read or used."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        reason = f"{reason}; relayd init makes one" if isinstance(error, FileNotFoundError) else reason
        raise BadConfig(f"{path}: {reason}") from None
    try:
        return parse(text, path.parent)
    except BadConfig as error:
        raise BadConfig(f"{path}: {error}") from None
