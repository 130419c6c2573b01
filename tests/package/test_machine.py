"""The package where it will live: a Debian with systemd, from the first install to the purge.

The tests are one night in the order of the file; each finds a relay that is installed and serves.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relayd.exits import Exit
from support import machine, packages, releases
from support.machine import Machine
from support.processes import until

MISSING = packages.missing() or machine.missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=MISSING or "everything is here")]

EXPOSURE_MAX = 0.3
CONFIG = "/etc/relayd/relayd.toml"
KNOCK = """
import json, pathlib, socket, sys, time
counted = {"connected": 0, "refused": 0, "other": 0, "worst_ms": 0}
end = time.monotonic() + 90
while time.monotonic() < end and not pathlib.Path("/run/enough").exists():
    began = time.monotonic()
    try:
        socket.create_connection(("127.0.0.1", 7443), timeout=30).close()
        counted["connected"] += 1
    except ConnectionRefusedError:
        counted["refused"] += 1
    except OSError as error:
        counted["other"] += 1
        print(error, file=sys.stderr)
    counted["worst_ms"] = max(counted["worst_ms"], int((time.monotonic() - began) * 1000))
    time.sleep(0.02)
print(json.dumps(counted))
"""
NUMBER = """
import sqlite3, sys
store = sqlite3.connect("/var/lib/relayd/relay.db")
print(*store.execute("PRAGMA user_version").fetchone())
store.execute(f"PRAGMA user_version = {int(sys.argv[1])}")
store.commit()
"""
"""Gives the store another number of its schema and prints the one that it had."""
READY = "import sys, urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9443/readyz', timeout=5).status)"


CHECKPOINT = '{"relay":"00","records":7,"head":"11","at_ms":1790000000000,"key_id":1,"signature":"22"}'
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as unit:
    unit.settimeout(30)
    unit.connect(sys.argv[1])
    unit.sendall(sys.argv[2].encode() + b"\\n")
    print(unit.makefile().readline())
"""
"""Asks a unit one line."""
ZONE = """
import socket
import dns.message, dns.rrset
served = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
served.bind(("127.0.0.1", 5353))
while True:
    octets, asker = served.recvfrom(4096)
    answer = dns.message.make_response(dns.message.from_wire(octets))
    answer.answer.append(dns.rrset.from_text(answer.question[0].name, 60, "IN", "TXT", "relayd-key=00"))
    served.sendto(answer.to_wire(), asker)
"""
"""A name server that says one thing of every name."""


@pytest.fixture(scope="module")
def packages_(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the package of the last release's program, packed as this tree's is, and this tree's."""
    place = tmp_path_factory.mktemp("packages")
    newer = packages.build(packages.snapshot(tmp_path_factory.mktemp("source")), place)
    return packages.of_release(newer, releases.wheel(releases.LAST), f"{releases.LAST}-1"), newer


@pytest.fixture(scope="module")
def debian(packages_: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Return a machine with the older package, installed and started as the documentation says."""
    booted = Machine(tmp_path_factory.mktemp("machine") / "root", packages_[0].parent)
    booted.boot()
    try:
        booted.run("apt-get", "install", "--yes", f"/packages/{packages_[0].name}")
        booted.run("systemctl", "enable", "--now", "relayd")
        yield booted
    finally:
        booted.end()


def serving(debian: Machine) -> None:
    """Start the relay again after a failure for good, as soon as its doors are closed."""
    until(lambda: debian.property("ActiveState", "relayd.socket") == "inactive", 20, every_s=0.2)
    debian.run("systemctl", "start", "relayd")


def main_pid(debian: Machine) -> str:
    """Return the relay's process id, which it has: a signal to 0 would go to us."""
    found = debian.property("MainPID")
    assert int(found) > 1, debian.journal()
    return found


def came_back(debian: Machine, after: str) -> bool:
    """Does another process than ``after`` serve?"""
    return debian.property("ActiveState") == "active" and debian.property("MainPID") not in {after, "0"}


def readyz(debian: Machine) -> str:
    return debian.run("python3", "-c", READY).out.strip()


def member(debian: Machine, name: str) -> str:
    """Return the home of a device that has joined as NAME@office.example."""
    home = f"/root/{name}"
    if debian.run("test", "-d", home, status=None).status:
        link = debian.run("relayd", "invite", f"{name}@office.example").out
        debian.run("relay", "--home", home, "join", stdin=link)
    return home


def send(debian: Machine, home: str, to: str, text: str) -> None:
    debian.run("relay", "--home", home, "send", f"{to}@office.example", text, "--timeout", "60")


def listen(debian: Machine, home: str) -> list[str]:
    """Return what waits for a device."""
    said = debian.run("relay", "--home", home, "--json", "listen", "--drain", "--timeout", "60").out
    return [json.loads(line)["text"] for line in said.splitlines()]


def drop_in(debian: Machine, unit: str, text: str) -> None:
    debian.run("mkdir", "-p", f"/run/systemd/system/{unit}.d")
    debian.run("tee", f"/run/systemd/system/{unit}.d/test.conf", stdin=text)
    debian.run("systemctl", "daemon-reload")


def test_one_command_after_the_install_is_all(debian: Machine) -> None:
    assert debian.property("ActiveState") == "active"
    assert debian.run("systemctl", "is-enabled", "relayd.service", "relayd.socket", "relayd-operations.socket").out == (
        "enabled\nenabled\nenabled\n"
    )
    assert readyz(debian) == "200"
    assert debian.run("relayd", "--version").out == debian.run("relay", "--version").out.replace("relay ", "relayd ")
    places = "/etc/relayd /etc/relayd/relayd.toml /var/lib/relayd /var/lib/relayd/keys"
    assert debian.sh(f"stat -c '%a %U:%G %n' {places}") == (
        "750 root:relayd /etc/relayd\n640 root:relayd /etc/relayd/relayd.toml\n700 relayd:relayd /var/lib/relayd\n"
        "700 relayd:relayd /var/lib/relayd/keys\n"
    )
    assert "offline-root.key to a machine without a network now" in debian.journal()


def test_the_service_can_connect_nowhere(debian: Machine) -> None:
    pid = main_pid(debian)

    assert debian.run("readlink", f"/proc/{pid}/ns/net").out != debian.run("readlink", "/proc/1/ns/net").out
    interfaces = debian.run("cat", f"/proc/{pid}/net/dev").out
    assert re.findall(r"^\s*(\w+):", interfaces, re.MULTILINE) == ["lo"]
    assert "Seccomp:\t2" in debian.run("cat", f"/proc/{pid}/status").out
    assert re.search(r"CapEff:\t0+\n", debian.run("cat", f"/proc/{pid}/status").out)


@pytest.mark.parametrize("unit", ["relayd.service", "relayd-backup.service"])
def test_the_unit_is_as_closed_where_it_runs(debian: Machine, unit: str) -> None:
    said = debian.run("systemd-analyze", "security", "--no-pager", unit).out

    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX


def test_nothing_is_wrong_with_the_units_where_they_are_installed(debian: Machine) -> None:
    units = debian.sh("ls /usr/lib/systemd/system/relayd*").split()

    said = debian.run("systemd-analyze", "verify", "--man=no", *units)

    assert (said.out, said.err) == ("", "")


def test_people_write_to_each_other(debian: Machine) -> None:
    alice, bob = member(debian, "alice"), member(debian, "bob")

    send(debian, alice, "bob", "The files are ready.")

    assert listen(debian, bob) == ["The files are ready."]


def test_the_line_of_the_status_has_figures(debian: Machine) -> None:
    send(debian, member(debian, "alice"), "bob", "one more")

    until(lambda: re.fullmatch(r"serving [\d,]+ connections, 1 envelopes waiting \([\d.]+ MiB\)",
                               debian.property("StatusText")) is not None, 20, every_s=0.5)  # fmt: skip
    assert listen(debian, member(debian, "bob")) == ["one more"]


def test_restarts_and_an_upgrade_under_load_refuse_nobody_and_lose_nothing(
    debian: Machine, packages_: tuple[Path, Path]
) -> None:
    alice, bob = member(debian, "alice"), member(debian, "bob")
    debian.run("rm", "-f", "/run/enough")
    key = debian.run("sha256sum", "/var/lib/relayd/keys/master.key").out
    # Who writes is at another machine: a program that starts while its own files are replaced may find half of each.
    debian.run("cp", "-a", "/opt/relayd", "/root/program")
    knocking = debian.popen("python3", "-c", KNOCK, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writing = debian.popen(
        "sh", "-c", f"i=0; while [ ! -e /run/enough ]; do i=$((i+1)); "
        f"/root/program/bin/python /root/program/bin/relay --home {alice} send bob@office.example $i --timeout 60 >&2 "
        "|| exit 1; done; echo $i",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip

    pids = [main_pid(debian)]
    for _ in range(2):
        time.sleep(1)
        debian.run("systemctl", "restart", "relayd")
        pids.append(main_pid(debian))
    time.sleep(1)
    debian.run("apt-get", "install", "--yes", f"/packages/{packages_[1].name}")
    pids.append(main_pid(debian))
    time.sleep(1)
    debian.run("touch", "/run/enough")
    knocks, trouble = knocking.communicate(timeout=60)
    sent, failed = writing.communicate(timeout=90)

    counted = json.loads(knocks)
    assert (counted["refused"], counted["other"], trouble) == (0, 0, "")
    assert counted["connected"] > 50
    assert len(set(pids)) == 4
    assert writing.returncode == 0, failed
    assert listen(debian, bob) == [str(number) for number in range(1, int(sent) + 1)]
    assert debian.run("dpkg-query", "-W", "-f", "${Version}", "relayd").out in packages_[1].name
    assert debian.run("sha256sum", "/var/lib/relayd/keys/master.key").out == key


def test_an_upgrade_keeps_a_configuration_that_was_changed(debian: Machine, packages_: tuple[Path, Path]) -> None:
    debian.sh(f"sed -i 's/pair_burst = 500/pair_burst = 501/' {CONFIG}")
    debian.run("dpkg", "--install", f"/packages/{packages_[1].name}")

    assert "pair_burst = 501" in debian.run("cat", CONFIG).out
    assert debian.run("stat", "-c", "%a %U:%G", CONFIG).out == "640 root:relayd\n"
    assert debian.property("ActiveState") == "active"


def test_a_reload_takes_over_what_it_can_and_says_what_needs_a_restart(debian: Machine) -> None:
    pid = main_pid(debian)
    debian.sh(f'sed -i \'s/^level = "info"/level = "debug"/; s/half_open_max = 1000/half_open_max = 1001/\' {CONFIG}')

    debian.run("systemctl", "reload", "relayd")

    # The property is the newest line, and the line of figures may have taken its place already.
    assert '"now":["logs.level"],"at_restart":["limits.half_open_max"]' in debian.journal()
    assert main_pid(debian) == pid


def test_a_reload_of_a_bad_file_fails_and_the_relay_goes_on(debian: Machine) -> None:
    pid = main_pid(debian)
    debian.sh(f"cp -a {CONFIG} /root/good; sed -i 's/pair_burst/pair_brust/' {CONFIG}")

    failed = debian.run("systemctl", "reload", "relayd", status=None)
    debian.sh(f"cat /root/good > {CONFIG}")

    assert failed.status != 0
    assert "limits.pair_brust: there is no such setting" in debian.journal()
    assert (debian.property("ActiveState"), main_pid(debian), readyz(debian)) == ("active", pid, "200")


def test_a_bad_configuration_is_not_tried_again_and_names_itself(debian: Machine) -> None:
    debian.sh(f"cp -a {CONFIG} /root/good; sed -i 's/pair_burst/pair_brust/' {CONFIG}")

    debian.run("systemctl", "restart", "relayd", status=None)
    state, status, text = (debian.property(name) for name in ("ActiveState", "ExecMainStatus", "StatusText"))
    until(lambda: debian.property("ActiveState", "relayd.socket") == "inactive", 20, every_s=0.2)
    knocked = debian.run("python3", "-c", READY, status=None)
    restarts, still = debian.property("NRestarts"), debian.property("ActiveState")
    debian.sh(f"cat /root/good > {CONFIG}")
    serving(debian)

    assert (state, status, restarts) == ("failed", str(Exit.CONFIG.value), "0")
    assert ("Connection refused" in knocked.err, still) == (True, "failed")  # a device that connects starts nothing
    assert text.startswith("/etc/relayd/relayd.toml: limits.pair_brust: there is no such setting")
    assert readyz(debian) == "200"


def test_lost_keys_are_named_and_no_new_ones_are_made(debian: Machine) -> None:
    debian.run("systemctl", "stop", "relayd")
    debian.run("mv", "/var/lib/relayd/keys", "/root/keys")

    debian.run("systemctl", "start", "relayd", status=None)
    state, status, text = (debian.property(name) for name in ("ActiveState", "ExecMainStatus", "StatusText"))
    made = debian.run("test", "-e", "/var/lib/relayd/keys", status=None).status
    said = debian.journal()
    debian.run("mv", "/root/keys", "/var/lib/relayd/keys")
    serving(debian)

    assert (state, status, made) == ("failed", str(Exit.CONFIG.value), 1)
    assert text.startswith("/var/lib/relayd/keys: ")
    assert "put a copy of keys/ back" in said
    assert readyz(debian) == "200"


def test_a_store_that_cannot_be_trusted_is_not_tried_again(debian: Machine) -> None:
    debian.run("systemctl", "stop", "relayd")
    before = debian.run("runuser", "-u", "relayd", "--", "python3", "-c", NUMBER, 99).out.strip()

    debian.run("systemctl", "start", "relayd", status=None)
    state, status, text = (debian.property(name) for name in ("ActiveState", "ExecMainStatus", "StatusText"))
    restarts = debian.property("NRestarts")
    debian.run("runuser", "-u", "relayd", "--", "python3", "-c", NUMBER, before)
    serving(debian)

    assert (state, status, restarts) == ("failed", str(Exit.FATAL.value), "0")
    assert "its version is 99, made by a newer relayd" in text
    assert readyz(debian) == "200"


def test_a_relay_that_hangs_is_ended_and_started_again(debian: Machine) -> None:
    drop_in(debian, "relayd.service", "[Service]\nWatchdogSec=8s\nTimeoutAbortSec=3s\n")
    debian.run("systemctl", "restart", "relayd")
    pid = main_pid(debian)

    debian.run("kill", "-STOP", pid)
    until(lambda: came_back(debian, pid), 60, every_s=0.5)
    debian.run("rm", "-r", "/run/systemd/system/relayd.service.d")
    debian.run("systemctl", "daemon-reload")

    assert "Watchdog timeout (limit 8s)!" in debian.journal()
    assert debian.property("NRestarts") == "1"
    assert readyz(debian) == "200"


def test_a_killed_relay_comes_back_by_itself(debian: Machine) -> None:
    pid = main_pid(debian)

    debian.run("kill", "-KILL", pid)

    until(lambda: came_back(debian, pid), 30, every_s=0.3)
    assert readyz(debian) == "200"


def test_a_secret_can_be_a_credential(debian: Machine) -> None:
    debian.sh("mkdir -p -m 700 /etc/credstore; mv /var/lib/relayd/keys/master.key /etc/credstore/relayd.master.key")

    debian.run("systemctl", "restart", "relayd")
    ready = readyz(debian)
    debian.sh("install -o relayd -g relayd -m 600 /etc/credstore/relayd.master.key /var/lib/relayd/keys/master.key")
    debian.sh("rm /etc/credstore/relayd.master.key")

    assert ready == "200"


def test_the_backup_service_makes_a_backup(debian: Machine) -> None:
    skipped = debian.run("systemctl", "start", "relayd-backup")
    unmet = debian.property("ConditionResult", "relayd-backup.service")
    debian.run("relayd", "backup-key", "/root/backup.key")
    debian.run("cp", "/root/backup.key.pub", "/etc/relayd/backup.key.pub")

    debian.run("systemctl", "start", "relayd-backup")
    debian.run("systemctl", "enable", "--now", "relayd-backup.timer")

    assert (skipped.status, unmet) == (0, "no")
    assert debian.property("Result", "relayd-backup.service") == "success"
    debian.run("relayd", "restore", "--from", "/var/backups/relayd", "--key", "/root/backup.key", "--check")
    assert debian.sh("stat -c '%a %U' /var/backups/relayd") == "700 relayd\n"
    assert debian.property("NextElapseUSecRealtime", "relayd-backup.timer") != ""


def test_a_state_that_was_destroyed_is_restored_and_whole(debian: Machine) -> None:
    alice, bob = member(debian, "alice"), member(debian, "bob")
    send(debian, alice, "bob", "written before the disaster")
    debian.run("systemctl", "start", "relayd-backup")
    debian.run("cp", "-a", "/var/lib/relayd/keys", "/root/drawer")

    debian.run("systemctl", "stop", "relayd.service", "relayd.socket", "relayd-operations.socket")
    debian.sh("rm -rf /var/lib/relayd/* && ls -A /var/lib/relayd")
    # As docs/operating/backup.md says it.
    debian.run("relayd", "restore", "--from", "/var/backups/relayd", "--key", "/root/backup.key", "--state",
               "/var/lib/relayd")  # fmt: skip
    debian.sh("cp -p /root/drawer/*.key /var/lib/relayd/keys/ && chown -R relayd: /var/lib/relayd")
    debian.run("relayd", "verify", "--state", "/var/lib/relayd")
    debian.run("systemctl", "start", "relayd.socket", "relayd-operations.socket", "relayd.service")

    assert readyz(debian) == "200"
    assert listen(debian, bob) == ["written before the disaster"]
    send(debian, bob, "alice", "and after it")
    assert listen(debian, alice) == ["and after it"]


def test_the_units_outside_serve_the_relay_and_nobody_else(debian: Machine) -> None:
    """A carrier with a mount, and a resolver with a name server on this machine, asked by the relay's user."""
    debian.run("tee", "/run/ask.py", stdin=ASK)
    debian.run("tee", "/run/zone.py", stdin=ZONE)
    debian.run("systemctl", "enable", "--now", "relayd-carrier.socket", "relayd-resolver.socket")
    unmounted = debian.property("ActiveState", "relayd-carrier.socket")
    debian.run("mount", "-t", "tmpfs", "-o", "uid=relayd-carrier,mode=755", "tmpfs", "/var/lib/relayd-carrier")
    debian.run("systemctl", "start", "relayd-carrier.socket")
    ask = ("runuser", "-u", "relayd", "--", "/opt/relayd/bin/python", "/run/ask.py")

    carried = debian.run(*ask, "/run/relayd/carrier.sock", CHECKPOINT)
    debian.sh("systemd-run --unit=zone --quiet /opt/relayd/bin/python /run/zone.py")
    drop_in(debian, "relayd-resolver.service", "[Service]\nExecStart=\n"
            "ExecStart=/opt/relayd/bin/relayd resolve --server 127.0.0.1:5353\n")  # fmt: skip
    found = debian.run(*ask, "/run/relayd/resolver.sock", '{"domain": "gad.example"}')
    others = [
        debian.run("runuser", "-u", "nobody", "--", *ask[4:], f"/run/relayd/{name}.sock", "{}", status=None)
        for name in ("carrier", "resolver")
    ]

    assert unmounted == "inactive"
    assert json.loads(carried.out) == {"carried": 7}
    assert debian.sh("cat /var/lib/relayd-carrier/checkpoints-*.jsonl").strip() == CHECKPOINT
    assert json.loads(found.out) == {"texts": ["relayd-key=00"]}
    assert all("PermissionError" in other.err for other in others)
    for unit in ("relayd-carrier.service", "relayd-resolver.service"):
        status = debian.run("cat", f"/proc/{debian.property('MainPID', unit)}/status").out
        assert "Seccomp:\t2" in status
        assert re.search(r"CapEff:\t0+\n", status)
    debian.run("systemctl", "stop", "zone.service", "relayd-carrier.socket", "relayd-carrier.service",
               "relayd-resolver.socket", "relayd-resolver.service")  # fmt: skip
    debian.run("umount", "/var/lib/relayd-carrier")


def test_a_stop_ends_in_order(debian: Machine) -> None:
    debian.run("systemctl", "stop", "relayd.service", "relayd.socket", "relayd-operations.socket")
    result, status = debian.property("Result"), debian.property("ExecMainStatus")
    refused = debian.run("python3", "-c", READY, status=None)
    debian.run("systemctl", "start", "relayd")

    assert (result, status) == ("success", "0")
    assert "Connection refused" in refused.err
    assert readyz(debian) == "200"


def test_a_removal_keeps_the_data_and_a_new_install_goes_on_with_it(
    debian: Machine, packages_: tuple[Path, Path]
) -> None:
    send(debian, member(debian, "alice"), "bob", "written before the removal")
    home = member(debian, "bob")

    removed = debian.run("apt-get", "remove", "--yes", "relayd")
    units = debian.sh("systemctl list-unit-files --no-legend 'relayd*' || true")
    left = debian.sh("ls -d /opt/relayd /usr/bin/relayd /usr/bin/relay 2>/dev/null || true")
    there = debian.sh("stat -c '%a %U' /opt")
    kept = debian.sh("ls /var/lib/relayd/relay.db /var/lib/relayd/keys/master.key /etc/relayd/relayd.toml")
    listening = debian.run("python3", "-c", READY, status=None).status
    debian.run("apt-get", "install", "--yes", f"/packages/{packages_[1].name}")
    debian.run("systemctl", "enable", "--now", "relayd")

    assert "relayd" in removed.out
    assert (units, left) == ("", "")
    assert there == "755 root\n"
    assert len(kept.split()) == 3
    assert listening != 0
    assert listen(debian, home) == ["written before the removal"]


def test_a_purge_takes_what_the_package_made_and_names_what_it_leaves(debian: Machine) -> None:
    debian.run("touch", "/etc/relayd/of-the-operator", "/var/backups/relayd/of-the-operator")

    purged = debian.run("apt-get", "purge", "--yes", "relayd")

    assert debian.run("test", "-e", CONFIG, status=None).status == 1
    assert debian.sh("ls /var/lib/relayd/keys").split() != []
    for place in ("/etc/relayd", "/var/lib/relayd", "/var/backups/relayd"):
        assert f"relayd: {place} is left as it is. If it is never needed again: rm -r {place}" in purged.out
    assert "the user relayd is left too" in purged.out
    assert debian.run("dpkg-query", "-W", "relayd", status=None).status == 1
