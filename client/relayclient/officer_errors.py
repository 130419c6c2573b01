"""What an officer who attests can be told; the rules are those of ``errors``: a sentence each, and an exit status."""

from relayclient.errors import ClientError


class WarrantUnfit(ClientError):  # noqa: N818
    """The warrant does not let this device attest: ask for another (relay warrant ask)."""

    exit_status = 77


class SheetUnreadable(ClientError):  # noqa: N818
    """That file is no list of people: a CSV file whose first line names the columns address, name and title."""

    exit_status = 65


class LinesFaulty(ClientError):  # noqa: N818
    """Some lines were left out: correct them and import the file again; the others stay as they are."""

    exit_status = 65


class SomeUnattested(ClientError):  # noqa: N818
    """Some were not attested: the reason stands beside each."""

    exit_status = 65


class NoUnit(ClientError):  # noqa: N818
    """You belong to no unit here: name one, or say that you are of one (relay claim make)."""

    exit_status = 65


class RosterLost(ClientError):  # noqa: N818
    """The relay lost the list on the way, or has no room for it: import the file again a little later."""

    exit_status = 75


class ClaimUnknown(ClientError):  # noqa: N818
    """Nobody of that name claims to be of the unit: look at relay claim list."""

    exit_status = 65
