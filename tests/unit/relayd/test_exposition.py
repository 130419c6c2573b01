from prometheus_client.parser import text_string_to_metric_families

from relayd.exposition import METRICS, Labelled, Level, Levels, Spread, Total, exposition
from relayd.metrics import Counters
from relayproto.codes import Class, GoawayCode

SERIES_MAX = 1_500


def samples(counters: Counters) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Scrape, and return (name, labels) -> value."""
    text = exposition(counters, "1.2.3", lambda: None)().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_total_is_told_as_it_is_at_the_scrape() -> None:
    counters = Counters()
    counters.connections_accepted = 5

    assert samples(counters)["relayd_connections_accepted_total", ()] == 5


def test_every_label_of_a_closed_set_exists_before_its_first_event() -> None:
    scraped = samples(Counters())

    for code in GoawayCode:
        assert scraped["relayd_connections_closed_total", (("code", code.name.lower()),)] == 0


def test_a_code_that_a_peer_made_up_makes_no_series() -> None:
    counters = Counters()
    counters.connections_closed[777] += 1

    scraped = samples(counters)

    assert scraped["relayd_connections_closed_total", (("code", "other"),)] == 1
    assert samples(Counters()).keys() == scraped.keys()


def test_a_histogram_is_cumulative_and_has_its_sum() -> None:
    counters = Counters()
    for seconds in (0.002, 0.002, 9.0):
        counters.commit_seconds.observe(seconds)

    scraped = samples(counters)

    assert scraped["relayd_commit_seconds_bucket", (("le", "0.001"),)] == 0
    assert scraped["relayd_commit_seconds_bucket", (("le", "0.0025"),)] == 2
    assert scraped["relayd_commit_seconds_bucket", (("le", "+Inf"),)] == 3
    assert scraped["relayd_commit_seconds_count", ()] == 3
    assert scraped["relayd_commit_seconds_sum", ()] == 9.004


def test_a_clock_that_jumped_is_told_in_seconds() -> None:
    counters = Counters()
    counters.clock_ahead_ms = 600_500

    assert samples(counters)["relayd_clock_ahead_seconds", ()] == 600.5


def test_the_version_and_the_process_are_told() -> None:
    scraped = samples(Counters())

    assert scraped["relayd_build_info", (("version", "1.2.3"),)] == 1
    assert scraped["process_resident_memory_bytes", ()] > 0


def test_there_are_few_enough_series() -> None:
    assert len(samples(Counters())) <= SERIES_MAX


def test_each_counter_is_told_by_exactly_one_metric() -> None:
    counters = Counters()
    read = []
    for metric in METRICS:
        match metric:
            case Total() | Level():
                for name in Counters.__slots__:
                    if isinstance(getattr(counters, name), int):
                        setattr(counters, name, 1)
                        read += [name] if metric.read(counters) else []
                        setattr(counters, name, 0)
            case Labelled() | Levels() | Spread():
                read += [name for name in Counters.__slots__ if getattr(counters, name) is metric.read(counters)]

    assert sorted(read) == sorted(Counters.__slots__)


def test_names_are_prometheus_own() -> None:
    names = [metric.name for metric in METRICS]

    assert len(set(names)) == len(names)
    assert all(name.startswith("relayd_") and not name.endswith("_total") for name in names)


def test_ages_are_told_in_seconds_by_class() -> None:
    counters = Counters()
    counters.oldest_ms[Class.CHAT] = 1_500

    scraped = samples(counters)

    assert scraped["relayd_queue_oldest_seconds", (("class", "chat"),)] == 1.5
    assert scraped["relayd_queue_oldest_seconds", (("class", "call"),)] == 0


def test_what_is_cheap_to_look_at_is_looked_at_in_the_moment_of_the_scrape() -> None:
    counters = Counters()

    def refresh() -> None:
        counters.intake_works = 3

    text = exposition(counters, "1.2.3", refresh)().decode()

    assert "\nrelayd_intake_works 3.0\n" in text
