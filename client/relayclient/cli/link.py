"""relay link: several devices of one account - a person's two, or those of an office."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Final

from relayclient import linking
from relayclient.administration import denial
from relayclient.cli import desk, home, online, terminal, wording
from relayclient.cli.columns import table
from relayclient.cli.desk import Desk
from relayclient.cli.group import Verb
from relayclient.clock import RelayClock
from relayclient.entropy import system_entropy
from relayclient.errors import ConnectionHeld, LinkUnfinished, NotAgreed, NotJoined, NotYet, NumbersDiffer, RelayAway
from relayclient.linking import Answer
from relayproto.codes import Code
from relayproto.commands import GetDevices, PutDevices
from relayproto.identity import DeviceList
from relayproto.replies import Refused

DESCRIPTION: Final = """\
One account on several devices: a person's two, or one for everybody who answers for an office. Each has keys of its
own and gets every message. The new device makes its keys and prints a code; the old one lets it in and prints another,
sealed to it; the new one finishes. What was written before stays where it is.
"""
EPILOG: Final = """\
  new device     relay link new        prints a code and 20 digits
  old device     relay link add        takes the code, shows the digits and asks; prints an answer and other digits
  new device     relay link finish     takes the answer, shows its digits and asks

Compare the digits, both times: whoever could put his own code in the place of yours would get your account, and whoever
could put his own answer there would have you write in his. Codes are read from standard input, never from the command
line. In a script --yes --digits "..." stands for the question, with the digits that the other device gave.

Every device of an account holds its key. One that was lost: relay link remove NUMBER, at once. It gets nothing more
then, but whoever has it and the relay on his side could let devices in: for a stolen one, make a new account.
"""
_TRIES: Final = 4
"""A version that an earlier call left without an answer, one that another device put meanwhile, and ours."""


# --- the new device ---------------------------------------------------------------------------
def _add_new(parser: ArgumentParser) -> None:
    parser.add_argument("--protect", action="store_true", help="ask for a passphrase for this device's store")


def _new(arguments: Namespace) -> int:
    passphrase = home.passphrase_from(arguments.passphrase_file)
    if arguments.protect and passphrase is None:
        passphrase = home.new_passphrase()
    code = linking.begin(arguments.home, passphrase=passphrase, entropy=system_entropy)
    if arguments.json:
        terminal.say_json({"code": code, "digits": linking.digits(code)})
    else:
        terminal.say(code)
        terminal.note(f"Digits to compare: {linking.digits(code)}")
        terminal.note("On a device of yours: relay link add. Then here: relay link finish.")
    return 0


def _add_nothing(parser: ArgumentParser) -> None:
    del parser


def _add_compared(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask; only with --digits")
    parser.add_argument("--digits", metavar="DIGITS", help="the digits that the other device shows")


def _agree(arguments: Namespace, shown: str, what: str) -> None:
    """Have the digits compared. Raises NotAgreed, and NumbersDiffer where others were given."""
    given = arguments.digits
    if given is not None and "".join(given.split()) != shown.replace(" ", ""):
        raise NumbersDiffer
    if given is None and arguments.yes:
        raise NotAgreed("here --yes needs --digits, which the other device shows")
    desk.agree(what, arguments)


def _finish(arguments: Namespace) -> int:
    answer = terminal.ask_line("Answer of the other device: ", linking.CODE_CHARS_MAX)

    def agree(shown: str, address: str) -> None:
        _agree(
            arguments, shown,
            f"The other device has to show these digits: {shown}\nYou will be {terminal.harmless(address)} here.",
        )  # fmt: skip

    passphrase = home.passphrase_from(arguments.passphrase_file)
    home.unlocked(
        passphrase,
        lambda given: linking.finish(
            arguments.home, answer, RelayClock().now_ms(), agree, passphrase=given, entropy=system_entropy
        ),
    )
    ready, why = False, ""
    try:
        ready = desk.run(arguments, _settled)
    except (RelayAway, ConnectionHeld) as error:
        why = error.detail or str(error)
    with home.open_device(arguments) as device:
        identity = device.identity
    if arguments.json:
        terminal.say_json(
            {"address": identity.address, "account": identity.account.hex(), "device": identity.device, "ready": ready}
        )  # fmt: skip
    else:
        terminal.say(f"You are {terminal.harmless(identity.address)}, on device {identity.device}.")
    if not ready:
        raise LinkUnfinished(why)
    return 0


async def _settled(at: Desk) -> bool:
    """Let the relay show the list that this device is in, and take its prekeys; say whether that is done."""
    await at.client.settle(online.ANSWER_TIMEOUT_S)
    return at.device.linking.ready()


# --- the old device ---------------------------------------------------------------------------
def _let_in(arguments: Namespace) -> int:
    code = terminal.ask_line("Code of the new device: ", linking.CODE_CHARS_MAX)
    shown = linking.digits(code)
    _agree(
        arguments, shown, f"The new device has to show these digits: {shown}\nIt will read and write everything as you."
    )

    async def work(at: Desk) -> Answer:
        await _put(at, lambda now_ms: at.device.linking.grow(code, now_ms))
        return at.device.linking.answer(code)

    answer = desk.run(arguments, work)
    if arguments.json:
        terminal.say_json({"answer": answer.code, "digits": answer.digits})
    else:
        terminal.say(answer.code)
        terminal.note(f"Digits to compare: {answer.digits}")
        terminal.note("Give the answer to the new device, which alone can open it: relay link finish.")
    return 0


def _add_remove(parser: ArgumentParser) -> None:
    parser.add_argument("device", metavar="NUMBER", type=int, help="its number, as relay link list shows it")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _remove(arguments: Namespace) -> int:
    number = arguments.device
    desk.agree(f"Device {number} gets nothing more, and what waits for it is lost.", arguments)

    async def work(at: Desk) -> None:
        await _put(at, lambda now_ms: at.device.linking.shrink(number, now_ms))

    desk.run(arguments, work)
    if arguments.json:
        terminal.say_json({"removed": number})
    else:
        terminal.say(f"Device {number} is removed.")
    return 0


async def _put(at: Desk, following: Callable[[int], PutDevices | None]) -> None:
    """Put the next version of the own list until nothing is left to be put. Raises Denied in words."""
    for _ in range(_TRIES):
        command = following(at.client.now_ms())
        if command is None:
            return
        reply = await at.client.ask(command)
        if isinstance(reply, Refused) and reply.code == Code.STALE_LIST:
            await at.ask(GetDevices(at.device.identity.account))
        elif isinstance(reply, Refused):
            raise type(denial(reply.code))(reply.code, reply.retry_after_ms, wording.of(reply.code))
    raise NotYet("other devices of yours change the list at this moment")


def _list(arguments: Namespace) -> int:
    try:
        with home.open_device(arguments) as device:
            own, listed = device.identity.device, device.linking.devices()
    except NotJoined:
        raise NotJoined(f"{arguments.home}; relay link finish comes first") from None
    _show(listed, own, as_json=arguments.json)
    return 0


def _show(listed: DeviceList, own: int, *, as_json: bool) -> None:
    if as_json:
        for entry in listed.devices:
            terminal.say_json({"device": entry.device, "added_ms": entry.added_ms, "this": entry.device == own})
        return
    rows = [(entry.device, terminal.when(entry.added_ms), "this one" if entry.device == own else "")
            for entry in listed.devices]  # fmt: skip
    table(("DEVICE", "SINCE", ""), rows)


VERBS: Final = (
    Verb("new", "on the new device: make its keys and print its code", _add_new, _new),
    Verb("add", "on a device of yours: let the new one in, and print the answer", _add_compared, _let_in),
    Verb("finish", "on the new device: take the answer in", _add_compared, _finish),
    Verb("list", "the devices of this account", _add_nothing, _list),
    Verb("remove", "remove a device, at once", _add_remove, _remove),
)
