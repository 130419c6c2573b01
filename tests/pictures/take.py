"""Draws every dashboard into docs/operating/pictures: a relay, a load, a Prometheus, Grafana's components, Chromium."""

import asyncio
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dashboards import rules
from dashboards.boards import BOARDS
from dashboards.panels import Board, Heat
from support.live_relay import DIALLED
from support.office import load
from support.processes import RelayProcess
from support.prometheus import Prometheus, a_prometheus

HERE = Path(__file__).parent
PICTURES = HERE.parents[1] / "docs" / "operating" / "pictures"
LOADED_S = 120
STEP_S = 2
WIDTH = 1_280
HEIGHTS = {"Number": 4, "Graph": 8}


def series(prometheus: Prometheus, legend: str, expr: str, end: float) -> list[dict[str, Any]]:
    """Return what Prometheus says, as the page takes it."""
    asked = expr.replace("$__rate_interval", "15s").replace("$instance", ".+")
    result = prometheus.ask("query_range", query=asked, start=end - LOADED_S, end=end, step=STEP_S)["result"]
    found = []
    for each in result:
        name = legend
        for label, value in each["metric"].items():
            name = name.replace(f"{{{{{label}}}}}", value)
        points = [[at, float(value)] for at, value in each["values"] if math.isfinite(float(value))]
        if points:
            found.append({"legend": name, "points": points})
    return found


def asked(prometheus: Prometheus, board: Board, end: float) -> dict[str, Any]:
    """Return a dashboard with its data; what is nothing all the time is left out of crowded panels."""
    rows = []
    for title, panels in board.rows:
        drawn = []
        for panel in panels:
            if isinstance(panel, Heat):
                continue
            found = [line for query in panel.queries for line in series(prometheus, query.legend, query.expr, end)]
            if len(found) > len(panel.queries) + 3:
                found = [line for line in found if any(value for _, value in line["points"])] or found[:1]
            kind = type(panel).__name__
            drawn.append({
                "kind": kind, "title": panel.title, "unit": panel.unit, "width": panel.width, "series": found,
                "height": HEIGHTS[kind], "worse": getattr(panel, "worse", None), "idle": getattr(panel, "idle", "-"),
                "signed": getattr(panel, "signed", False),
            })  # fmt: skip
        rows.append({"title": title, "panels": drawn})
    return {"title": board.title, "from": end - LOADED_S, "to": end, "rows": rows}


def tall(board: dict[str, Any]) -> int:
    """Return how high the picture has to be."""
    height = 90
    for row in board["rows"]:
        left = lines = most = 0
        for panel in row["panels"]:
            if left + panel["width"] > 24:
                lines, left, most = lines + most, 0, 0
            left, most = left + panel["width"], max(most, panel["height"] * 36 + 10)
        height += lines + most + 40
    return height


def drawn(board: dict[str, Any], name: str, place: Path) -> None:
    """Build the page and take its picture."""
    (place / "data.json").write_text(json.dumps(board), "utf-8")
    subprocess.run(["npx", "vite", "build", "--base=./", "--logLevel=error"], cwd=place, check=True, timeout=300)
    subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--allow-file-access-from-files", "--virtual-time-budget=20000", f"--window-size={WIDTH},{tall(board)}",
            f"--screenshot={PICTURES / name}.png", (place / "dist" / "index.html").as_uri(),
        ],
        check=True, timeout=300, capture_output=True,
    )  # fmt: skip


async def loaded(relay: RelayProcess) -> None:
    """Let people write for a while."""
    task = asyncio.create_task(load(relay))
    await asyncio.sleep(LOADED_S)
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    while DIALLED:
        DIALLED.pop().abort()


def main() -> None:
    """Draw all of them. An argument is a directory where ``npm install`` has run already."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        place = Path(sys.argv[1]) if sys.argv[1:] else Path(made) / "page"
        place.mkdir(exist_ok=True)
        for name in ("package.json", "index.html", "main.jsx"):
            shutil.copy(HERE / name, place)
        if not (place / "node_modules").exists():
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--legacy-peer-deps"], cwd=place, check=True)
        relay = RelayProcess(Path(made) / "relay")
        (relay.state / "backup.json").write_text(
            json.dumps({"finished_ms": int(time.time() * 1000) - 9_000_000}), "utf-8"
        )
        relay.start()
        try:
            with a_prometheus(Path(made) / "prometheus", {"relay": relay.operations}, rules.groups()) as prometheus:
                asyncio.run(loaded(relay))
                end = time.time()
                boards = {board.uid.removeprefix("relayd-"): asked(prometheus, board, end) for board in BOARDS}
        finally:
            relay.stop()
        for name, board in boards.items():
            drawn(board, name, place)


if __name__ == "__main__":
    main()
