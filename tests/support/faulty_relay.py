"""The real relay on a disk that fails: ``python -m support.faulty_relay PLAN serve ...``.

PLAN is a JSON file: the file whose being there makes the disk fail, which write or sync does, and where to write how
many syncs were tried after one had failed.
"""

import json
import sys
from pathlib import Path

from relayd.main import main as relayd_main
from support.failing_disk import FailingDisk, failing_disk


class Waiting(FailingDisk):
    """A disk that is sound until a file is there."""

    def __init__(self, armed: Path, **how: int) -> None:
        super().__init__()
        self._armed, self._how = armed, how

    def _look(self) -> None:
        if self._how and self._armed.exists():
            self.arm(**self._how)
            self._how = {}

    def no_room(self) -> bool:
        self._look()
        return super().no_room()

    def no_sync(self) -> bool:
        self._look()
        return super().no_sync()


def main() -> int:
    """Run relayd on such a disk, and note what was tried after it failed."""
    plan = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    disk = Waiting(Path(plan["armed"]), **plan["how"])
    with failing_disk(disk):
        status = relayd_main(sys.argv[2:])
    Path(plan["noted"]).write_text(json.dumps({"failed": disk.failed, "after": disk.syncs_after}), "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
