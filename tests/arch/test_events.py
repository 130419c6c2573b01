"""Every event that the relay logs is in ``relayd.events`` with its level and values, and nothing else is."""

import ast
from collections.abc import Iterator

from relayd.events import EVENTS
from support.tree import Module, modules

LEVELS = {"debug", "info", "warning", "error", "critical"}


def room_of(tree: ast.Module) -> str:
    """Return the room that a module's log is of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("get_logger"):
            for room in node.args:
                if isinstance(room, ast.Constant):
                    return str(room.value)
    return ""


def logged(module: Module) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield (event, room, level, values) of each call of a module's log; what is no literal is yielded as code."""
    room = room_of(module.tree)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        log = node.func.value
        own = isinstance(log, ast.Name) and log.id == "_log"
        direct = isinstance(log, ast.Call) and ast.unparse(log.func).endswith("get_logger")
        if not (own or direct):
            continue
        [event] = node.args
        said = str(event.value) if isinstance(event, ast.Constant) else ast.unparse(event)
        yield said, room, node.func.attr, tuple(each.arg or "**" for each in node.keywords)


def test_the_list_has_what_the_code_logs_and_nothing_else() -> None:
    found = [call for module in modules("relayd") for call in logged(module)]

    assert sorted(found) == sorted((each.name, each.room, each.level, each.values) for each in EVENTS)


def test_nobody_logs_past_the_list() -> None:
    strays = {
        f"{module.relative}: {ast.unparse(node)[:60]}"
        for module in modules("relayd")
        if module.name not in {"relayd.logs", "relayd.events"}
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Import) and {each.name for each in node.names} & {"logging", "structlog"})
        or (isinstance(node, ast.ImportFrom) and node.module in {"logging", "structlog"})
        or (isinstance(node, ast.Call) and ast.unparse(node.func) == "print")
    }

    assert strays == set()


def test_each_event_is_named_once_and_says_what_it_means_and_what_to_do() -> None:
    assert len({each.name for each in EVENTS}) == len(EVENTS)
    for each in EVENTS:
        assert each.level in LEVELS
        assert each.means.endswith(".")
        assert each.do.endswith(".")
        assert each.a_minute > 0


def test_what_anybody_can_cause_from_outside_is_limited_to_a_few_lines_a_minute() -> None:
    limits = {each.name: each.a_minute for each in EVENTS}

    for name in ("a connection was refused", "a handshake failed", "a device broke the protocol"):
        assert limits[name] <= 6
