"""Public test vectors and real text: read from beside the checkout, never committed; their licences stay with them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def shared_bytes(name: str) -> bytes:
    """Return what the file ``../shared/NAME`` holds; without the folder the test is skipped, under CI it fails."""
    path = SHARED / name
    if not path.is_file():
        reason = f"what is shared is not here: {path}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path.read_bytes()


def shared(name: str) -> Any:
    """Return what the JSON file ``../shared/NAME`` holds."""
    return json.loads(shared_bytes(name))
