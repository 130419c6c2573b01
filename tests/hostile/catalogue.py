"""All kinds of hostile peers by name."""

from typing import Final

from hostile.kinds import Kind
from hostile.of_members import MEMBERS
from hostile.of_strangers import STRANGERS

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in (*STRANGERS, *MEMBERS)}
