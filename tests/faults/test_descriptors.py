"""A relay that runs out of file descriptors goes on for whom it has, and takes others when it can."""

import contextlib
import re
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from support.processes import RelayProcess, a_relay, until

SPARE = 15
"""Ten descriptors, and those that the relay had open for a moment when they were counted."""


def metric(relay: RelayProcess, name: str) -> float:
    _, page = relay.page("/metrics")
    return float(re.findall(rf"^{re.escape(name)} (\S+)$".encode(), page, re.MULTILINE)[0])


def open_files(relay: RelayProcess) -> int:
    return len(list(Path(f"/proc/{relay.pid}/fd").iterdir()))


def cpu_s(relay: RelayProcess) -> float:
    fields = Path(f"/proc/{relay.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@contextlib.contextmanager
def callers(relay: RelayProcess, count: int) -> Iterator[list[socket.socket]]:
    """Connect so often, without a word, and hang up in the end; who was reset as he connected is not among them."""
    with contextlib.ExitStack() as all_of_them:
        called = []
        for _ in range(count):
            with contextlib.suppress(ConnectionResetError):
                link = socket.create_connection(("127.0.0.1", relay.devices), timeout=5)
                called.append(all_of_them.enter_context(link))
        yield called


def still_open(called: list[socket.socket]) -> int:
    """Return how many of the connections the relay has not closed."""
    count = 0
    for each in called:
        each.setblocking(False)
        try:
            count += each.recv(1) != b""
        except BlockingIOError:
            count += 1
        except ConnectionError:
            pass
    return count


def test_where_no_descriptor_is_left_new_connections_are_closed_and_nothing_spins(tmp_path: Path) -> None:
    with a_relay(tmp_path / "relay") as relay:
        hard = resource.prlimit(relay.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (open_files(relay) + 10, hard))
        with callers(relay, 60) as called:
            began, used_s = time.monotonic(), cpu_s(relay)
            until(lambda: still_open(called) <= SPARE, 4)
            # Counted now: after its preface timeout of 5 s the relay closes also those it let in.
            let_in = still_open(called)
            time.sleep(2)
            share = (cpu_s(relay) - used_s) / (time.monotonic() - began)

            assert 0 < let_in <= SPARE
            assert share < 0.3
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (hard, hard))
        until(relay.ready, 5)
        with callers(relay, 20) as called:
            time.sleep(0.5)
            assert still_open(called) == 20
        assert metric(relay, "relayd_descriptors_exhausted_total") >= 1
        assert metric(relay, 'relayd_connections_refused_total{limit="descriptors"}') >= len(called)
        assert relay.log.read_text("utf-8").count("no file descriptor is left") == 1


def test_a_low_limit_of_open_files_leaves_room_for_what_the_relay_itself_needs(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as undo:
        undo.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        relay = RelayProcess(tmp_path / "relay")
        undo.callback(relay.stop)
        resource.prlimit(0, resource.RLIMIT_NOFILE, (160, before[1]))
        relay.start()
        resource.prlimit(relay.pid, resource.RLIMIT_NOFILE, (160, 160))
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

        with callers(relay, 60) as called:
            until(lambda: still_open(called) == 60, 5)

            assert relay.ready()
            assert relay.invite("alice@office.example")
