"""The domain room: what a mailbox holds, as it is handed to whoever delivers it.

The store makes entries and pages after their commit; the pump reads them. The rule of this file: an entry names its
place (mailbox, lane, sequence) and its end (expiry), so that nobody has to look into the notice for them.
"""

from relayproto.codes import Lane
from relayproto.notices import Deliver, Gap, Outcome
from relayproto.value import Value


class Entry(Value, frozen=True):
    """A committed envelope or outcome.

    ``expires_ms`` is relay time; ``cost`` is the bytes of credit that it takes, 0 for an outcome.
    """

    mailbox: int
    lane: Lane
    sequence: int
    expires_ms: int
    cost: int
    notice: Deliver | Outcome


class Page(Value, frozen=True):
    """A stretch of one lane, ascending; ``more`` says whether the lane goes on behind it.

    Every number of the stretch is an entry, lies in a gap, or has expired and is explained when that is committed.
    """

    items: tuple[Entry | Gap, ...]
    more: bool
