"""`make demo`: two people, a relay that is killed between them, and a message that arrives all the same.

Real processes of relayd and relay in a temporary directory; nothing is left behind. Each line says what was done and
what came of it; the first step that fails ends the demo with its output and exit status 1.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ALICE, BOB = "alice@office.example", "bob@office.example"
TEXT = "The files are ready. फाइलें तैयार हैं।"
STEP_TIMEOUT_S = 30
FAMILIES = (
    "relayd_submission_targets_total", "relayd_delivered_total", "relayd_acknowledged_total", "relayd_outcomes_total",
    "relayd_commits_total", "relayd_queue_messages",
)  # fmt: skip
PROGRAMS = {
    "relayd": [sys.executable, "-m", "relayd.main"],
    "relay": [sys.executable, "-m", "relayclient.cli.main"],
}


class StepFailed(Exception):  # noqa: N818 - what it is
    """A step did not do what it had to."""


class Scene:
    """The directory, the relay's process, and the numbers of the lines that were printed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.relay: subprocess.Popen[bytes] | None = None
        self.devices, self.operations = free_port(), free_port()
        self.steps = 0

    def step(self, text: str) -> None:
        self.steps += 1
        print(f"\n{self.steps}. {text}", flush=True)

    def run(self, program: str, *arguments: str, shown: str | None = None, stdin: str = "") -> str:
        """Run a command to its end and return its output; StepFailed where its status is not 0."""
        print(f"   {shown or '$ ' + ' '.join([program, *arguments])}", flush=True)
        done = subprocess.run(
            [*PROGRAMS[program], *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise StepFailed(f"{program} {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def person(self, name: str, *arguments: str, shown: str | None = None, stdin: str = "") -> str:
        """Run relay as somebody."""
        line = f"{name}$ relay {shown or ' '.join(arguments)}"
        return self.run("relay", "--home", str(self.place / name), *arguments, shown=line, stdin=stdin)

    def prepare(self) -> None:
        """Make the relay's keys and its configuration, with ports of its own."""
        state = str(self.place / "relay")
        self.run("relayd", "init", "--state", state, "--listen", f"127.0.0.1:{self.devices}", shown="$ relayd init")
        path = self.place / "relay" / "relayd.toml"
        settings = path.read_text()
        path.write_text(settings.replace('"127.0.0.1:9443"', f'"127.0.0.1:{self.operations}"'))

    def start(self) -> None:
        """Start the relay and wait until it says that it is ready."""
        with (self.place / "relayd.log").open("ab") as log:
            self.relay = subprocess.Popen(
                [*PROGRAMS["relayd"], "serve", "--state", str(self.place / "relay")], stdout=log, stderr=log
            )
        until = time.monotonic() + STEP_TIMEOUT_S
        while not self.ready():
            if self.relay.poll() is not None or time.monotonic() > until:
                raise StepFailed("relayd did not start:\n" + (self.place / "relayd.log").read_text()[-2000:])
            time.sleep(0.05)
        print(f"   $ relayd serve                  process {self.relay.pid}, 127.0.0.1:{self.devices}", flush=True)

    def ready(self) -> bool:
        try:
            return self.page("readyz") is not None
        except OSError:
            return False

    def page(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operations}/{name}", timeout=5) as page:
            return page.read().decode()

    def kill(self) -> None:
        """Kill the relay as a power cut would: nothing is said, nothing is flushed."""
        self.relay.send_signal(signal.SIGKILL)
        self.relay.wait(STEP_TIMEOUT_S)
        print(f"   $ kill -9 {self.relay.pid}", flush=True)

    def stop(self) -> None:
        if self.relay is not None and self.relay.poll() is None:
            self.relay.terminate()
            try:
                self.relay.wait(STEP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.relay.kill()
                self.relay.wait()

    def enrol(self, name: str, address: str) -> None:
        link = self.run(
            "relayd", "invite", address, "--state", str(self.place / "relay"), shown=f"$ relayd invite {address}"
        )
        print(f"   {self.person(name, 'join', shown=f'join <<< {link[:28]}...', stdin=link)}", flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def figures(page: str) -> dict[str, float]:
    """Return the samples of the families that the demo shows."""
    found = re.findall(r"^(\w+(?:\{[^}]*\})?) ([0-9.e+]+)$", page, re.MULTILINE)
    return {name: float(value) for name, value in found if name.split("{")[0] in FAMILIES}


def expect(condition: object, what: str) -> None:
    if not condition:
        raise StepFailed(what)


def play(scene: Scene) -> None:
    """Play all steps."""
    scene.step("A relay: one process, one SQLite file, on this machine only")
    scene.prepare()
    scene.start()
    scene.step("Two people join; their keys never leave their homes")
    scene.enrol("alice", ALICE)
    scene.enrol("bob", BOB)
    before = figures(scene.page("metrics"))

    scene.step("Bob is away. Alice sends; accepted means that it is on the relay's disk")
    sent = scene.person("alice", "send", BOB, TEXT, "--json", shown=f"send {BOB} '{TEXT}'")
    message = json.loads(sent)
    expect(message["state"] == "accepted", f"the message is {message['state']}")
    print(f"   message {message['message'][:8]} accepted", flush=True)
    first_life = figures(scene.page("metrics"))
    at_rest = b"".join(path.read_bytes() for path in (scene.place / "relay").rglob("*") if path.is_file())
    expect(TEXT.encode() not in at_rest, "the relay's files hold the text")

    scene.step("The relay is killed without a word, and started again")
    scene.kill()
    scene.start()

    scene.step("Bob comes back: the message is there, and he reads it")
    heard = scene.person("bob", "listen", "--drain", "--read", "--timeout", "20", "--json",
                         shown="listen --drain --read")  # fmt: skip
    received = [json.loads(line) for line in heard.splitlines()]
    expect([each["text"] for each in received] == [TEXT], f"bob heard {heard!r}")
    print(f"   {received[0]['address']}: {received[0]['text']}", flush=True)

    scene.step("Alice learns of both, from the relay and from Bob's own device")
    scene.person("alice", "listen", "--drain", "--timeout", "20", shown="listen --drain")
    status = json.loads(
        scene.person("alice", "status", message["message"], "--json", shown=f"status {message['message'][:8]}")
    )
    states = [each["state"] for each in status["history"]]
    expect(states == ["queued", "accepted", "delivered", "read"], f"the states are {states}")
    print(f"   {' > '.join(states)}", flush=True)

    scene.step("What the relay counted (it knows how many, not what)")
    show(before, first_life, figures(scene.page("metrics")))


def show(before: dict[str, float], first_life: dict[str, float], second_life: dict[str, float]) -> None:
    """Print the figures that moved, in both lives of the relay's process."""
    print(f"   {'':<52}{'until kill -9':>14}{'after it':>10}", flush=True)
    moved = 0
    for name in sorted({*first_life, *second_life}):
        first, second = first_life.get(name, 0) - before.get(name, 0), second_life.get(name, 0)
        if first or second:
            moved += 1
            print(f"   {name:<52}{first:>14,.0f}{second:>10,.0f}", flush=True)
    expect(moved, "no figure moved")


def main() -> int:
    """Play in a directory that is removed whatever happens."""
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    place = Path(tempfile.mkdtemp(prefix="relay-demo-"))
    scene = Scene(place)
    try:
        play(scene)
    except (StepFailed, subprocess.TimeoutExpired, OSError) as error:
        print(f"\nThe demo failed in step {scene.steps}: {error}", file=sys.stderr)
        return 1
    else:
        print("\nDone: nothing that was accepted was lost.")
        return 0
    finally:
        scene.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
