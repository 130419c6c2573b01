"""relayd with bugs that speak of people: ``leaky_relay.py COMMAND ...`` is relayd's own command line.

Looking an address up raises what has the address in it, and blocking what has the account; a minute of the log's
limits has two seconds.
"""

from relayd import logs
from relayd.main import main
from relayd.services.directory import Directory
from relayd.services.safety import Safety


async def lookup(_self, _seat, command, _now):
    known: dict[str, str] = {}
    try:
        return known[command.address]
    except KeyError as error:
        raise RuntimeError(f"{command.address} is not known: {command!r}") from error


async def block(_self, _seat, command):
    raise ValueError(command.account, command.account.hex())


if __name__ == "__main__":
    Directory.lookup = lookup
    Safety.block = block
    logs._MINUTE_S = 2.0
    raise SystemExit(main())
