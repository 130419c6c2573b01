"""relay profile: what you say of yourself, and what of you others are shown."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final

from relayclient.cli import badge, desk, online, terminal
from relayclient.cli.columns import table, word, words
from relayclient.cli.desk import Desk
from relayclient.cli.group import Verb
from relayproto import visibility
from relayproto.commands import GetDevices, PutProfile
from relayproto.limits import ABOUT_CHARS_MAX
from relayproto.standing import Field, Viewer, Visibility
from relayproto.texts import presentable

DESCRIPTION: Final = """\
Your organisation attests your name, title, unit and address; one line more is your own, and nobody attests it. What
others are shown is decided at the relay, by the platform, your units and yourself: the strictest counts. Who verifies
or administers your unit sees all of it.
"""
EPILOG: Final = """\
examples:
  relay profile show
  relay profile set --about 'on leave until Monday'
  relay profile hide address:officers unit:officers     from people of other organisations
  relay profile hide about                              from everybody
  relay profile hide address:officers=show              no longer
"""
_CELL: Final = "FIELD[:VIEWER][=show|hide]"


# --- show -------------------------------------------------------------------------------------
def _add_show(parser: ArgumentParser) -> None:
    del parser  # It takes nothing.


def _show(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        own = at.device.identity.account
        await at.ask(GetDevices(own))
        await at.client.settle(online.SETTLE_S)
        found, about = at.device.badge(own, at.client.now_ms()), at.device.contact(own).about
        _, hidden = at.device.administration.own_profile()
        if arguments.json:
            terminal.say_json({"about": about, "hidden": _hidden(hidden), **badge.fields(found)})
            return
        terminal.say(badge.line(found))
        terminal.say(terminal.harmless(f"You say of yourself: {about}") if about else "You say nothing of yourself.")
        _tell(hidden)

    desk.run(arguments, work)
    return 0


def _hidden(hidden: bytes) -> list[dict[str, str]]:
    return [
        {"field": word(field), "from": word(viewer)}
        for field in Field
        for viewer in Viewer
        if hidden[visibility.cell(field, viewer)]
    ]


def _tell(hidden: bytes) -> None:
    if any(hidden):
        table(("YOU HIDE", "FROM"), [(each["field"], each["from"]) for each in _hidden(hidden)])
    else:
        terminal.say("You hide nothing beyond what your organisation and the platform do.")


# --- set, hide --------------------------------------------------------------------------------
def _line(text: str) -> str:
    text = text.strip()
    if text and not presentable(text):
        raise ArgumentTypeError(f"what you say of yourself is one line of at most {ABOUT_CHARS_MAX} characters")
    return text


def _add_set(parser: ArgumentParser) -> None:
    parser.add_argument("--about", metavar="TEXT", type=_line, required=True,
                        help="the line about you; '' takes it away")  # fmt: skip


def _set(arguments: Namespace) -> int:
    async def work(at: Desk) -> None:
        _, hidden = at.device.administration.own_profile()
        await _put(at, arguments.about, hidden)

    desk.run(arguments, work)
    _said(arguments, about=arguments.about)
    return 0


def _cells(text: str) -> list[tuple[int, Visibility]]:
    """Return the places in a table, and the visibility, that a word for cells means."""
    try:
        left, _, said = text.lower().partition("=")
        field, _, viewer = left.partition(":")
        viewers = [words(Viewer).index(viewer)] if viewer else list(Viewer)
        shown = Visibility(words(Visibility).index(said or "hide"))
        return [
            (visibility.cell(Field(words(Field).index(field)), Viewer(each)), shown) for each in viewers
        ]  # fmt: skip
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is not {_CELL}, with {', '.join(words(Field))} and {', '.join(words(Viewer))}"
        ) from None


def _add_hide(parser: ArgumentParser) -> None:
    parser.add_argument("cells", metavar=_CELL, nargs="*", type=_cells, help="what to hide, and from whom")
    parser.add_argument("--reset", action="store_true", help="forget all that was said before")


def _hide(arguments: Namespace) -> int:
    async def work(at: Desk) -> bytes:
        about, before = at.device.administration.own_profile()
        hidden = bytearray(visibility.NOTHING_HIDDEN if arguments.reset else before)
        for cells in arguments.cells:
            for place, shown in cells:
                hidden[place] = shown
        await _put(at, about, bytes(hidden))
        return bytes(hidden)

    hidden = desk.run(arguments, work)
    if arguments.json:
        _said(arguments, hidden=_hidden(hidden))
    else:
        _tell(hidden)
    return 0


async def _put(at: Desk, about: str, hidden: bytes) -> None:
    await at.ask(PutProfile(about, hidden))


def _said(arguments: Namespace, **fields: object) -> None:
    if arguments.json:
        terminal.say_json(fields)
    else:
        terminal.say("It is so from now on.")


VERBS: Final = (
    Verb("show", "what is attested of you, what you say and what you hide", _add_show, _show),
    Verb("set", "say a line of yourself", _add_set, _set),
    Verb("hide", "hide something of you from somebody, or no longer", _add_hide, _hide),
)
