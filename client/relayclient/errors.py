"""What a person can be told: one class a problem, whose docstring is the sentence and whose code is the exit status.

Raised by ``Device`` and what is built on it; the command line prints ``str(error)`` and exits with its ``exit_status``
(sysexits.h). The rule of this file: a sentence says what is wrong and what to do next, and holds no secret.
"""

from typing import ClassVar


class ClientError(Exception):
    """Something went wrong."""

    exit_status: ClassVar[int] = 70

    def __init__(self, detail: str = "") -> None:
        """Keep a detail that belongs to the sentence: a path, an address, a number."""
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        """Return the sentence for a person."""
        return (type(self).__doc__ or "").strip() + (f" ({self.detail})" if self.detail else "")


class NotJoined(ClientError):  # noqa: N818 - errors are named as what they tell; this holds for the whole file
    """This home holds no device yet: join with an invitation link first."""

    exit_status = 78


class AlreadyJoined(ClientError):  # noqa: N818
    """This home holds a device already: choose another home to join again."""

    exit_status = 73


class HomeNotPrivate(ClientError):  # noqa: N818
    """Others may read the device's folder or file: make them private (chmod go-rwx) and check who had access."""

    exit_status = 77


class HomeUnusable(ClientError):  # noqa: N818
    """The device's folder cannot be made or opened."""

    exit_status = 73


class PassphraseNeeded(ClientError):  # noqa: N818
    """The device's store is locked: give its passphrase with --passphrase-file, or type it at a terminal."""

    exit_status = 77


class WrongPassphrase(ClientError):  # noqa: N818
    """That is not the passphrase of this store: try again, with the one that was chosen at join."""

    exit_status = 77


class StoreDamaged(ClientError):  # noqa: N818
    """The device's store cannot be read: something in it is damaged, or was changed from outside."""

    exit_status = 74


class StoreNewer(ClientError):  # noqa: N818
    """The device's store was made by a newer version of this program: update the program."""

    exit_status = 78


class Cloned(ClientError):  # noqa: N818
    """This store is an old copy: the relay has taken messages that it does not know. Join again as a new device."""

    exit_status = 78


class BadAddress(ClientError):  # noqa: N818
    """That is not an address: write it as name@office.example."""

    exit_status = 65


class TextTooLong(ClientError):  # noqa: N818
    """The text is too long for one message: split it."""

    exit_status = 65


class TextEmpty(ClientError):  # noqa: N818
    """There is no text to send."""

    exit_status = 65


class BadLifetime(ClientError):  # noqa: N818
    """A message of this class cannot live for so long."""

    exit_status = 65


class ToYourself(ClientError):  # noqa: N818
    """That is your own account: a message needs another one."""

    exit_status = 65


class UnknownContact(ClientError):  # noqa: N818
    """This device knows no such account: look its address up first."""

    exit_status = 65


class RelayUntrusted(ClientError):  # noqa: N818
    """The relay showed keys that its root did not sign: do not go on; ask the operator."""

    exit_status = 77


class RelayAway(ClientError):  # noqa: N818
    """The relay cannot be reached: try again when it is back, or check the network."""

    exit_status = 69


class RelayRefused(ClientError):  # noqa: N818
    """The relay said no."""

    exit_status = 69


class Superseded(ClientError):  # noqa: N818
    """This device connected from somewhere else, and the newest connection wins: run only one copy of this home."""

    exit_status = 75


class DeviceRemoved(ClientError):  # noqa: N818
    """The relay does not let this device in: it was removed, or a restore lost it; a new invitation lets it in."""

    exit_status = 78


class ConnectionHeld(ClientError):  # noqa: N818
    """Another process of this home holds the connection: stop that one (relay listen?) or wait until it has ended."""

    exit_status = 75


class StillQueued(ClientError):  # noqa: N818
    """The message is queued and will go with the next relay send or relay listen."""

    exit_status = 75


class NotYet(ClientError):  # noqa: N818
    """That did not happen within the time given: look again with relay status, or wait longer with --timeout."""

    exit_status = 75


class SendingFailed(ClientError):  # noqa: N818
    """The message did not arrive and will not."""

    exit_status = 65


class AddressUnknown(ClientError):  # noqa: N818
    """No such address takes messages from you: check how it is written, or invite that person."""

    exit_status = 65


class AddressChanged(ClientError):  # noqa: N818
    """That address names another account now: compare numbers in person, then relay verify --accept ADDRESS."""

    exit_status = 77


class TicketWrong(ClientError):  # noqa: N818
    """The invitation was used already or is too old: ask for a new one."""

    exit_status = 65


class LinkOnCommandLine(ClientError):  # noqa: N818
    """Type relay join alone and give the link when it is asked for: others can read a command line."""

    exit_status = 64


class NoModerators(ClientError):  # noqa: N818
    """This relay has no moderators, so nobody could open a report: ask its operator, or show the message yourself."""

    exit_status = 69


class NotConfirmed(ClientError):  # noqa: N818
    """Nothing was reported: say yes when you are asked, or give --yes."""

    exit_status = 64


class ReportRefused(ClientError):  # noqa: N818
    """The relay did not take the report: ask its operator."""

    exit_status = 69


class ReportWaits(ClientError):  # noqa: N818
    """The report is sealed, and goes with the next relay send or relay listen."""

    exit_status = 75


class BlockRefused(ClientError):  # noqa: N818
    """You see nothing of that account here, but the relay does not refuse it for you: ask its operator."""

    exit_status = 69


class NotYetTold(ClientError):  # noqa: N818
    """It holds on this device already; the relay is told with the next relay send or relay listen."""

    exit_status = 75


class NotUtf8(ClientError):  # noqa: N818
    """The text is not UTF-8: convert it first, for example with iconv."""

    exit_status = 65


class FileUnusable(ClientError):  # noqa: N818
    """That file cannot be read."""

    exit_status = 66


class FileUnwritable(ClientError):  # noqa: N818
    """That cannot be written: look at the folder, who may write there, and the room on its disk."""

    exit_status = 73


class UnknownMessage(ClientError):  # noqa: N818
    """This device has no such message: look at relay inbox or relay status for their ids."""

    exit_status = 65


class NumbersDiffer(ClientError):  # noqa: N818
    """These are not the digits of the other side: compare them again, and trust nothing until they are equal."""

    exit_status = 77


class BadChange(ClientError):  # noqa: N818
    """That cannot be asked of the relay so: a name, a reason, a time or a number in it is too long or out of range."""

    exit_status = 65


class Denied(ClientError):  # noqa: N818
    """The relay did not do that, and nothing has changed."""

    exit_status = 65

    def __init__(self, code: int = 0, retry_after_ms: int = 0, detail: str = "") -> None:
        """Keep the relay's code, and in how many milliseconds it may be tried again (0: it does not say)."""
        super().__init__(detail or (f"code {code}" if code else ""))
        self.code = code
        self.retry_after_ms = retry_after_ms


class NoRight(Denied):
    """The relay does not do that for you, and nothing has changed."""

    exit_status = 77


class DeniedForNow(Denied):
    """The relay cannot do that at this moment, and nothing has changed."""

    exit_status = 75


class ActUnclear(ClientError):  # noqa: N818
    """The answer was lost and the act has come through: it was done, or denied. Look at how things are, then go on."""

    exit_status = 75


class ActLost(ClientError):  # noqa: N818
    """The relay has not answered: the act may have been done. Look at how things are before you ask for it again."""

    exit_status = 75


class NotAgreed(ClientError):  # noqa: N818
    """Nothing was changed: say yes when you are asked, or give --yes."""

    exit_status = 64


class UnitUnknown(ClientError):  # noqa: N818
    """There is no such unit, or more than one: look at relay unit list."""

    exit_status = 65


class NoProposal(ClientError):  # noqa: N818
    """There is no such proposal: look at relay proposal list, with --unit where it is another unit's."""

    exit_status = 65


class KeyFileExists(ClientError):  # noqa: N818
    """There is a file of that name already: a root key never replaces anything. Choose another name."""

    exit_status = 73


class KeyFileNotPrivate(ClientError):  # noqa: N818
    """Others may read the root key: make it private (chmod go-rwx), and rotate it if somebody has had access."""

    exit_status = 77


class KeyFileBad(ClientError):  # noqa: N818
    """That file holds no organisation's root key: relay org key new makes one."""

    exit_status = 65


class StatementBad(ClientError):  # noqa: N818
    """That file is not a statement of a root key for this: relay org key sign makes one."""

    exit_status = 65


class LogBroken(ClientError):  # noqa: N818
    """This is not the audit log that the relay wrote, or not all of it: keep the file, and ask who has had it."""

    exit_status = 65


class LogUnwitnessed(ClientError):  # noqa: N818
    """The log is in order, but its end may be missing: hold it against checkpoints that were carried outside."""

    exit_status = 77


class BadDocument(ClientError):  # noqa: N818
    """The document is not as it has to be, and nothing has changed."""

    exit_status = 65


class CodeWrong(ClientError):  # noqa: N818
    """That is not the code: copy it again, whole, from the other device."""

    exit_status = 65


class NotBegun(ClientError):  # noqa: N818
    """No new device was begun in this home: relay link new does that."""

    exit_status = 78


class DevicesFull(ClientError):  # noqa: N818
    """The account has as many devices as it can have: remove one first, with relay link remove."""

    exit_status = 65


class LastDevice(ClientError):  # noqa: N818
    """That is this very device: remove it from another one of yours."""

    exit_status = 65


class UnknownDevice(ClientError):  # noqa: N818
    """Your account has no such device: look at relay link list."""

    exit_status = 65


class LinkUnfinished(ClientError):  # noqa: N818
    """This device is in the list, and what others need to write to it goes with the next relay listen."""

    exit_status = 75


class NothingToSign(ClientError):  # noqa: N818
    """Say what to sign: --domain DOMAIN, --document FILE, or --successor FILE with --unit NUMBER."""

    exit_status = 64
