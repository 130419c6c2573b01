"""relay status: what became of what was sent from here. Works offline."""

from argparse import ArgumentParser, Namespace
from typing import Final

from relayclient.cli import home, terminal
from relayclient.cli.inbox import ALL
from relayclient.device import Device, Outgoing
from relayclient.errors import UnknownMessage
from relayproto.codes import Code

DESCRIPTION: Final = """\
Show how far a message has come and when: queued, accepted (on the relay's disk), delivered (on a device of the
recipient), read; or how it ended: refused, expired, undecryptable, purged. Without MESSAGE: the last ones. Works
offline, with what this device has heard so far.
"""
EPILOG: Final = """\
examples:
  relay status                   the last 20 messages
  relay status 3f9a              one message and its history
  relay status 3f9a --json
"""


def add(parser: ArgumentParser) -> None:
    """Say what the verb takes."""
    parser.add_argument("message", metavar="MESSAGE", nargs="?", help="the id of a message, or its beginning")
    parser.add_argument("--limit", type=int, metavar="N", default=20, help="show at most N (default: 20)")


def run(arguments: Namespace) -> int:
    """Print one message's history, or the list."""
    with home.open_device(arguments) as device:
        if arguments.message is None:
            for message in reversed(device.outbox(max(0, min(arguments.limit, ALL)))):
                _line(message, as_json=arguments.json)
        else:
            _history(device, named(device.outbox(ALL), arguments.message), as_json=arguments.json)
    return 0


def named(messages: list[Outgoing], prefix: str) -> Outgoing:
    """Return the one sent message whose id begins so. Raises UnknownMessage for none and for more than one."""
    found = [message for message in messages if prefix and message.message.hex().startswith(prefix.lower())]
    if len(found) != 1:
        raise UnknownMessage(prefix if not found else f"{len(found)} begin with {prefix}")
    return found[0]


def code_name(code: int | None) -> str | None:
    """Return the name of a refusal's code, or its number where this program is too old to know it."""
    if code is None:
        return None
    return Code(code).name if code in set(Code) else str(code)


def _fields(message: Outgoing) -> dict[str, object]:
    return {
        "message": message.message.hex(),
        "to": message.address or (message.peer.hex() if message.peer else None),
        "class": message.class_.name.lower(),
        "queued_ms": message.queued_ms,
        "state": message.state,
        "code": code_name(message.code),
    }


def _line(message: Outgoing, *, as_json: bool) -> None:
    if as_json:
        terminal.say_json(_fields(message))
        return
    fields = _fields(message)
    code = f" ({fields['code']})" if fields["code"] else ""
    terminal.say(f"{terminal.when(message.queued_ms)}  {fields['message']}  {fields['to']}  {message.state}{code}")


def _history(device: Device, message: Outgoing, *, as_json: bool) -> None:
    history = device.history(message.message)
    if as_json:
        steps = [{"state": state, "at_ms": at_ms} for state, at_ms in history]
        terminal.say_json({**_fields(message), "history": steps})
        return
    _line(message, as_json=False)
    for state, at_ms in history:
        terminal.say(f"  {state:<13} {terminal.when(at_ms)}")
