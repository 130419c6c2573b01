"""What every test has: `async def test_*` runs under asyncio, and Hypothesis says how to repeat what it found.

No async plugin: the hook below is all that one would do here. A test that hangs fails after its timeout, and the
store that a failed test has left open does not keep pytest from ending.
"""

import asyncio
import functools
import inspect
import os
import threading

import aiosqlite.core
import hypothesis
import pytest

TIMEOUT_S = 60.0
# Of where a future or a handle was made, debug mode notes one line: to walk up ten costs a tenth of these tests' time.
asyncio.constants.DEBUG_STACK_DEPTH = 1

aiosqlite.core.Thread = functools.partial(threading.Thread, daemon=True)

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with slow tests first: a file is one worker's, and a long one at the end keeps the others idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test on a loop of its own, bounded by its `timeout` marker or 60 s.

    In debug mode but for slow ones, of which it would take half the time: the same code has quick tests.
    """
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    marker = pyfuncitem.get_closest_marker("timeout")
    timeout_s = marker.args[0] if marker else TIMEOUT_S
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def bounded() -> None:
        async with asyncio.timeout(timeout_s):
            await pyfuncitem.obj(**arguments)

    with asyncio.Runner(debug=pyfuncitem.get_closest_marker("slow") is None) as runner:
        runner.run(bounded())
    return True
