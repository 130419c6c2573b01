"""Writes what is committed beside this: Grafana's JSON and Prometheus' rules (``python -m dashboards.write``)."""

from pathlib import Path
from typing import Any

import yaml

from dashboards import boards, rules
from dashboards.panels import built

HERE = Path(__file__).parent
_HEAD = "# Made by python -m dashboards.write from dashboards/rules.py; a test compares.\n"


def as_yaml(tree: dict[str, Any]) -> str:
    """Return YAML as people read it."""
    return yaml.safe_dump(tree, sort_keys=False, width=4_096, allow_unicode=True)


def files() -> dict[Path, str]:
    """Return path -> text of everything that is generated."""
    found = {
        HERE / "grafana" / f"{board.uid.removeprefix('relayd-')}.json": built(board, boards.BOARDS)
        for board in boards.BOARDS
    }
    found[HERE / "prometheus" / "relayd.rules.yml"] = _HEAD + as_yaml(rules.groups())
    return found


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
