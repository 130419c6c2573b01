"""`make demo-office`: a department comes onto a relay - let in by two, run by its own people, followed by an auditor.

Real processes of relayd, of its two units that reach outside and of relay, on this machine; nothing is left behind.
Each line says what was done and what came of it; what has to be refused is shown being refused.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import roster

from demo import PROGRAMS, STEP_TIMEOUT_S, Scene, StepFailed, expect

DOMAIN = "water.example"
ALICE, BOB, CAROL = (f"{name}@relay.example" for name in ("alice", "bob", "carol"))
DAVE, ERIN, FRANK, GRACE, COUNTER = (f"{name}@{DOMAIN}" for name in ("dave", "erin", "frank", "grace", "counter"))
HEIDI = "heidi@home.example"
TIGHTER = {
    "policy": {"invited": {"verified": {"first_contact": "deny"}}}, "lifetimes": {"chat_s": 259_200},
    "names": [{"language": "en", "text": "Water Department"}, {"language": "hi", "text": "जल विभाग"}],
}  # fmt: skip
LOOSER = {"policy": {"public": {"verified": {"first_contact": "allow"}}}}


class Zone:
    """The name server of the department's mail domain: what it publishes, on a port of the loopback."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            octets, sender = self._socket.recvfrom(4096)
            query = dns.message.from_wire(octets)
            answer = dns.message.make_response(query, recursion_available=True)
            name = query.question[0].name
            text = self.texts.get(name.to_text(omit_final_dot=True))
            if text is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            else:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", f'"{text}"'))
            self._socket.sendto(answer.to_wire(), sender)


class Office(Scene):
    """The relay, the units beside it, and the people."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.zone = Zone()
        self.units: list[subprocess.Popen[bytes]] = []
        self.resolver, self.carrier, self.codes = (place / f"{name}.sock" for name in ("resolver", "carrier", "codes"))
        self.outside, self.mail = place / "elsewhere", place / "mail"

    def unit(self, listen: Path, *arguments: str) -> None:
        """Start a unit that reaches outside, and wait until it serves."""
        with (self.place / "units.log").open("ab") as log:
            started = subprocess.Popen(
                [*PROGRAMS["relayd"], arguments[0], "--listen", str(listen), *arguments[1:]], stdout=log, stderr=log
            )
        self.units.append(started)
        until = time.monotonic() + STEP_TIMEOUT_S
        while not listen.exists():
            if started.poll() is not None or time.monotonic() > until:
                raise StepFailed(f"relayd {arguments[0]} did not start: {(self.place / 'units.log').read_text()}")
            time.sleep(0.02)
        print(f"   {'$ relayd ' + arguments[0]:<33}process {started.pid}", flush=True)

    def configure(self) -> None:
        path = self.place / "relay" / "relayd.toml"
        text = path.read_text()
        for name, path_of in (("resolver", self.resolver), ("carrier", self.carrier)):
            expect(f'{name} = ""' in text, f"no setting {name}")
            text = text.replace(f'{name} = ""', f'{name} = "{path_of}"')
        for old, new in (
            ('mode = "closed"', 'mode = "open"'),
            ("domains = []", 'domains = ["home.example"]'),
            ('unit = ""', f'unit = "{self.codes}"'),
        ):
            expect(old in text, f"no setting {old}")
            text = text.replace(old, new)
        path.write_text(text)

    def officer(self, name: str, *arguments: str, shown: str | None = None, quiet: bool = False) -> str:
        """Run relay as somebody and print what it said."""
        said = self.person(name, *arguments, shown=shown)
        if not quiet:
            print("\n".join(f"     {line}" for line in said.splitlines()), flush=True)
        return said

    def refused(self, name: str, status: int, *arguments: str, shown: str | None = None) -> str:
        """Run relay as somebody who has to be refused, with this exit status, and print why."""
        print(f"   {name}$ relay {shown or ' '.join(arguments)}", flush=True)
        done = subprocess.run(
            [*PROGRAMS["relay"], "--home", str(self.place / name), *arguments], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=STEP_TIMEOUT_S, check=False,
        )  # fmt: skip
        expect(done.returncode == status, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}")
        said = done.stderr.strip().splitlines()[-1]
        print(f"     refused: {said.removeprefix('relay: ')}", flush=True)
        return said

    def join(self, name: str, link: str) -> None:
        print(f"     {self.person(name, 'join', shown='join < invitation', stdin=link)}", flush=True)

    def invite(self, officer: str, unit: str, name: str, address: str, *more: str) -> None:
        """Let an officer invite somebody, who joins."""
        self.join(name, self.officer(officer, "unit", "invite", unit, address, *more, quiet=True))

    def stop(self) -> None:
        super().stop()
        for unit in self.units:
            unit.terminate()
            unit.wait(STEP_TIMEOUT_S)


def proposal_of(said: str) -> str:
    """Return the number of the proposal that a command printed."""
    expect(said.startswith("Proposal "), f"no proposal: {said}")
    return said.split()[1]


def second_person(office: Office, name: str, proposal: str, *more: str) -> str:
    """Let somebody approve a proposal that they have read."""
    return office.officer(name, "proposal", "approve", proposal, *more, "--yes")


def relay_and_operators(office: Office) -> None:
    office.step("A relay; units that look up mail domains, carry checkpoints outside, and send codes by mail")
    office.prepare()
    office.configure()
    office.outside.mkdir()
    office.unit(office.resolver, "resolve", "--server", f"127.0.0.1:{office.zone.port}")
    office.unit(office.carrier, "carry", "--directory", str(office.outside))
    roster.post_office(office)
    office.start()

    office.step("The first two operators: the glass is broken, and it is loud. The third is made by both of them")
    for name, address in (("alice", ALICE), ("bob", BOB), ("carol", CAROL)):
        office.enrol(name, address)
    for address in (ALICE, BOB):
        said = office.run(
            "relayd", "break-glass", address, "--for", "1h", "--reason", "first operators", "--yes", "--state",
            str(office.place / "relay"), shown=f"$ relayd break-glass {address} --for 1h",
        )  # fmt: skip
        print(f"     {said}", flush=True)
    log = (office.place / "relayd.log").read_text()
    expect(log.count("the glass was broken") == 2, "nobody was told of the broken glass")
    said = office.officer("alice", "role", "grant", "0", CAROL, "platform-operator", "--reason", "for the long run")
    office.refused("alice", 77, "proposal", "approve", proposal_of(said), "--yes")
    second_person(office, "bob", proposal_of(said))


def department(office: Office) -> None:
    office.step("The department's own machine: a root key that never leaves it, a statement, the hash of a signed form")
    key, statement, form = (office.place / name for name in ("water.key", "water.json", "form.pdf"))
    form.write_bytes(b"%PDF a form, signed on paper and scanned")
    office.run("relay", "org", "key", "new", str(key), shown="water$ relay org key new water.key")
    shown = office.run("relay", "org", "key", "show", str(key), "--json", shown="water$ relay org key show water.key")
    root = json.loads(office.person("alice", "whoami", "--json", shown="whoami"))["root"]
    statement.write_text(office.run(
        "relay", "org", "key", "sign", str(key), "--relay", root, "--domain", DOMAIN,
        shown=f"water$ relay org key sign water.key --relay {root[:12]}... --domain {DOMAIN} > water.json",
    ))  # fmt: skip

    office.step("One operator proposes the department; without proof of its domain nothing happens. The other approves")
    office.enrol("dave", DAVE)
    create = ("org", "create", "Water Department", "--statement", str(statement), "--form", str(form), "--admin", DAVE,
              "--reason", "form 17/2027")  # fmt: skip
    shortened = f"org create 'Water Department' --statement water.json --form form.pdf --admin {DAVE}"
    expect("NOT_PROVEN" in office.refused("alice", 65, *create, shown=shortened), "another reason")
    office.zone.texts[f"_relayd.{DOMAIN}"] = json.loads(shown)["record"]
    print(f'     published: _relayd.{DOMAIN} TXT "relayd-key={json.loads(shown)["root_key"][:12]}..."', flush=True)
    number = proposal_of(office.officer("alice", *create, shown=shortened))
    office.officer("bob", "proposal", "show", number)
    second_person(office, "bob", number, "--reason", "form seen, called back")
    office.officer("carol", "org", "list")


def people(office: Office) -> None:
    office.step("The department's admin makes units and invites people")
    office.officer("dave", "unit", "add", ".", "North", "--reason", "as in the staff list")
    office.officer("dave", "unit", "add", "North", "Depot 4")
    office.invite("dave", ".", "erin", ERIN)
    office.invite("dave", "North", "frank", FRANK)
    office.invite("dave", "North", "counter", COUNTER, "--as", "office")
    office.officer("dave", "office", "assign", "North", COUNTER, FRANK)
    linked(office, "counter", "counter2")
    office.officer("dave", "unit", "list")

    office.step(
        "At the root each grant needs a second person: an operator for the first, the department's own from then on"
    )
    said = office.officer("dave", "role", "grant", ".", ERIN, "organisation-admin", "--reason", "deputy")
    office.refused("erin", 77, "proposal", "approve", proposal_of(said), "--yes")
    second_person(office, "carol", proposal_of(said))
    office.invite("dave", ".", "grace", GRACE)
    said = office.officer("dave", "role", "grant", ".", GRACE, "auditor", "--reason", "inspection")
    second_person(office, "erin", proposal_of(said))
    office.officer("dave", "role", "list")


def policy(office: Office) -> None:
    office.step("A document tightens who may write to whom: a dry run, the difference, a second person. Never looser")
    key = str(office.place / "water.key")
    tighter, looser = office.place / "document.json", office.place / "looser.json"
    tighter.write_text(json.dumps(TIGHTER))
    looser.write_text(json.dumps(LOOSER))
    put = ("policy", "put", ".", str(tighter), "--key", key)
    office.officer("dave", *put, "--dry-run", shown="policy put . document.json --key water.key --dry-run")
    said = office.officer("dave", *put, "--yes", shown="policy put . document.json --key water.key", quiet=True)
    number = proposal_of(next(line for line in said.splitlines() if line.startswith("Proposal")))
    second_person(office, "erin", number)
    office.refused("dave", 65, "policy", "put", ".", str(looser), "--key", key, "--yes",
                   shown="policy put . looser.json --key water.key")  # fmt: skip

    office.step(
        "A citizen does not reach an officer first, but the office; once an officer has written, answers arrive"
    )
    office.refused("heidi", 65, "send", FRANK, "Are you there?", "--timeout", "20")
    office.officer("heidi", "send", COUNTER, "The tap in Mill Lane is dry.", "--timeout", "20")
    for desk in ("counter", "counter2"):
        heard = office.person(desk, "listen", "--drain", "--timeout", "20", "--json", shown="listen --drain")
        [received] = [json.loads(line) for line in heard.splitlines()]
        expect(received["text"] == "The tap in Mill Lane is dry.", f"the office heard {heard!r}")
        print(f"     {received['address']}: {received['text']}", flush=True)
    office.officer("frank", "send", HEIDI, "We come tomorrow at nine.", "--timeout", "20", quiet=True)
    heard = office.person("heidi", "listen", "--drain", "--timeout", "20", "--json", shown="listen --drain")
    [received] = [each for each in map(json.loads, heard.splitlines()) if each.get("text")]
    frank = received["sender"]
    expect(received["address"] is None, f"the citizen was shown {received}")
    [kept] = [json.loads(line) for line in office.person("heidi", "inbox", "--json", shown="inbox").splitlines()]
    shown = kept["attested"]
    expect(shown["name"] == "Frank Rao" and FRANK not in json.dumps(kept), f"the citizen was shown {kept}")
    print(f"     {shown['name']}, {shown['title']}, {shown['organisation']}: {kept['text']}", flush=True)
    office.officer("heidi", "send", frank, "Thank you!", "--timeout", "20", shown=f"send {frank[:16]}... 'Thank you!'")


def linked(office: Office, old: str, new: str) -> None:
    """Give an account another device, as a person does who compares the digits both times."""
    compared = ("--yes", "--digits")
    said = json.loads(office.person(new, "link", "new", "--json", shown="link new"))
    said = json.loads(office.person(old, "link", "add", "--json", *compared, said["digits"],
                                    shown="link add          (the same digits)", stdin=said["code"]))  # fmt: skip
    said = office.person(
        new, "link", "finish", *compared, said["digits"], shown="link finish       (the same digits)",
        stdin=said["answer"],
    )  # fmt: skip
    print(f"     {said}", flush=True)


def audited(office: Office) -> None:
    office.step("The auditor follows it: everything that was done and denied, with reasons; not what was written")
    office.refused("dave", 77, "audit", "list")
    office.officer("grace", "audit", "search", "--verb", "grant-role")
    relay_restarts(office)
    log = office.place / "water-log.jsonl"
    office.officer("grace", "audit", "export", "--signed", str(log), shown="audit export --signed water-log.jsonl")
    expect("Mill Lane" not in log.read_text(), "the audit log holds content")
    [carried] = office.outside.glob("checkpoints-*.jsonl")
    verify = ("audit", "verify", str(log), "--checkpoints", str(carried))
    office.officer("grace", *verify, shown=f"audit verify water-log.jsonl --checkpoints {carried.name}")
    alone = ("audit", "verify", str(log), "--relay", json.loads(log.read_text().splitlines()[0])["relay"])
    office.refused(
        "grace", 77, *alone, shown="audit verify water-log.jsonl --relay ...   (without a checkpoint from elsewhere)"
    )
    harmed = office.place / "harmed.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if "badge seen" in line)
    lines[at] = lines[at].replace(b"badge seen".hex(), b"as a favor".hex()).replace("badge seen", "as a favor")
    harmed.write_text("".join(lines))
    office.refused(
        "grace", 65, "audit", "verify", str(harmed), shown="audit verify harmed.jsonl   (one reason changed)"
    )


def relay_restarts(office: Office) -> None:
    """Restart the relay: it signs how far its log has come, and has that carried, at its start and every hour."""
    Scene.stop(office)
    office.start()
    until = time.monotonic() + STEP_TIMEOUT_S
    while not list(office.outside.glob("checkpoints-*.jsonl")):
        expect(time.monotonic() < until, "no checkpoint was carried")
        time.sleep(0.05)


def play(office: Office) -> None:
    """Play all steps."""
    relay_and_operators(office)
    department(office)
    people(office)
    roster.verifier(office)
    roster.expected(office)
    roster.arrived(office)
    policy(office)
    roster.left(office)
    audited(office)


def main() -> int:
    """Play in a directory that is removed whatever happens."""
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    place = Path(tempfile.mkdtemp(prefix="relay-office-"))
    office = Office(place)
    began = time.monotonic()
    try:
        play(office)
    except (StepFailed, subprocess.TimeoutExpired, OSError, ValueError) as error:
        print(f"\nThe demo failed in step {office.steps}: {error}", file=sys.stderr)
        return 1
    else:
        print(
            f"\nDone in {time.monotonic() - began:.0f} s: nobody did alone what takes two, and all of it is on record."
        )
        return 0
    finally:
        office.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
