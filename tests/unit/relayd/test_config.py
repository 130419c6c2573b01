from pathlib import Path

import pytest

from relayd import config
from relayd.config import BadConfig, Config, Endpoint, endpoint
from relayproto.codes import Class
from relayproto.limits import LIFETIME_S_MAX

HERE = Path("/srv/relay")


def test_an_empty_file_is_all_defaults() -> None:
    assert config.parse("", HERE) == Config()


def test_a_relative_state_directory_counts_from_the_file() -> None:
    read = config.parse('[relay]\nstate = "state"', HERE)

    assert read.state_directory == Path("/srv/relay/state")
    assert read.operator_socket == Path("/srv/relay/state/operator.sock")


def test_absolute_paths_are_taken_as_they_are() -> None:
    read = config.parse('[relay]\nstate = "/a"\n[listen]\noperator = "/run/relayd/o"', HERE)

    assert read.state_directory == Path("/a")
    assert read.operator_socket == Path("/run/relayd/o")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[limits]\nmailbox_mesages = 1",
            "limits.mailbox_mesages: there is no such setting; relayd check-config --sample",
        ),
        ("[limit]", "limit: there is no such setting; relayd check-config --sample has them all"),
        ("[limits]\nmailbox_messages = 0", "limits.mailbox_messages: expected `int` >= 1"),
        ("[limits]\nmailbox_messages = '5'", "limits.mailbox_messages: expected `int`, got `str`"),
        ("limits = 3", "limits: expected `object`, got `int`"),
        ("[lifetimes]\ncall_s = 61", "lifetimes.call_s: expected `int` <= 60"),
        ("[logs]\nlevel = 'loud'", "logs.level: invalid enum value 'loud'; one of debug, info, warning, error"),
        (
            "[registration]\nmode = 'on'",
            "registration.mode: invalid enum value 'on'; one of closed, rostered, organisations, open",
        ),
        ("[relay]\nendpoint = 'relay.example'", "relay.endpoint: 'relay.example' is not HOST:PORT"),
        ("[listen]\noperations = ':9'", "listen.operations: ':9' is not HOST:PORT"),
        ("[store]\nfile = '../relay.db'", "store.file: a file name"),
        ("[store]\ndisk_warn_percent = 95", "store.disk_warn_percent: more than"),
        (f"[listen]\noperator = '/{'x' * 107}'", "listen.operator: the path of a Unix socket"),
        ("[relay", "not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(text: str, complaint: str) -> None:
    with pytest.raises(BadConfig) as caught:
        config.parse(text, HERE)

    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relay.example:7443", Endpoint("relay.example", 7443)),
        ("127.0.0.1:0", Endpoint("127.0.0.1", 0)),
        ("[::1]:65535", Endpoint("::1", 65535)),
    ],
)
def test_an_endpoint_is_read_and_written_alike(text: str, expected: Endpoint) -> None:
    assert endpoint(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "relay.example", "relay.example:", ":1", "::1:7443", "a:65536", "a b:1", "a:1 "])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        endpoint(text)


@pytest.mark.parametrize("class_", list(Class))
def test_lifetimes_are_the_protocols_unless_shortened(class_: Class) -> None:
    shortened = config.parse(f"[lifetimes]\n{class_.name.lower()}_s = 7", HERE)

    assert Config().lifetimes.longest_s(class_) == LIFETIME_S_MAX[class_]
    assert shortened.lifetimes.longest_s(class_) == 7


def test_a_file_is_read_with_its_own_directory(tmp_path: Path) -> None:
    (tmp_path / "relayd.toml").write_text('[relay]\nstate = "."')

    assert config.load(tmp_path / "relayd.toml").state_directory == tmp_path


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "relayd.toml"
    path.write_text("x = 1")

    with pytest.raises(BadConfig, match=f"{path}: x: there is no such setting"):
        config.load(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="No such file or directory; relayd init makes one"):
        config.load(tmp_path / "relayd.toml")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "relayd.toml").write_bytes(b"\xff\xff")

    with pytest.raises(BadConfig, match="not UTF-8"):
        config.load(tmp_path / "relayd.toml")


def test_units_outside_are_found_from_the_state_directory_on_and_none_is_none() -> None:
    read = config.parse('[outside]\ncarrier = "carrier.sock"\nresolver = "/run/relayd/resolver.sock"\n', Path("/etc"))

    assert read.carrier_socket == Path("/var/lib/relayd/carrier.sock")
    assert read.resolver_socket == Path("/run/relayd/resolver.sock")
    assert (Config().carrier_socket, Config().resolver_socket) == (None, None)


@pytest.mark.parametrize("unit", ["carrier", "resolver"])
def test_a_socket_outside_has_a_path_that_the_system_can_hold(unit: str) -> None:
    with pytest.raises(config.BadConfig, match=rf"outside\.{unit}: the path"):
        config.parse(f'[outside]\n{unit} = "/{"x" * 107}"\n', Path("/etc"))
