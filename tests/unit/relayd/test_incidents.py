import io
import json

from relayd import logs
from relayd.incidents import report
from relayd.metrics import Counters


def test_a_mistake_of_ours_has_an_id_and_its_traceback_in_the_log() -> None:
    stream, counters = io.StringIO(), Counters()
    logs.configure(stream, "info")

    try:
        1 / 0  # noqa: B018 - it is there to fail
    except ZeroDivisionError as error:
        report(error, where="somewhere", counters=counters, entropy=lambda n: b"\xab" * n)

    assert counters.internal_errors == 1
    line = stream.getvalue()
    assert "ZeroDivisionError" in line
    assert json.loads(line.partition(">")[2])["incident"] == "abababababababab"
