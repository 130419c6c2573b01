"""`make demo-office`, its second act: two thousand officers are expected, some come, one leaves; a citizen registers.

Codes come by mail: a command that the relay's unit runs puts them into one file for each address.
"""

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from demo import PROGRAMS, STEP_TIMEOUT_S, expect

if TYPE_CHECKING:
    from office import Office

DOMAIN: Final = "water.example"
OFFICERS: Final = 2_000
COMING: Final = ("asha", "bala", "chitra")
HEIDI: Final = "heidi@home.example"
GONE_WITHIN_S: Final = 60
FAULTY: Final = (
    (5, "no address;Somebody;Clerk", "that is no address"),
    (17, "@water.example;Somebody;Clerk", "that is no address"),
    (40, "eve@else.example;Eve Roy;Clerk", "address"),
    (41, "eve@water.example.else.example;Eve Roy;Clerk", "address"),
    (300, "eve@water-example.example;Eve Roy;Clerk", "address"),
    (512, "asha@water.example;Asha Again;Clerk", "the same address stands in line"),
    (513, "BALA@water.example;Bala Again;Clerk", "the same address stands in line"),
    (800, "ba1a@water.example;Bala Looking Alike;Clerk", "looks like"),
    (801, "officer-number-0O01@water.example;Looking Alike;Clerk", "looks like"),
    (1200, "long@water.example;" + "x" * 200 + ";Clerk", "longer than"),
    (1500, "turned@water.example;Turned \u202eRound;Clerk", "cannot be seen"),
    (1999, "short@water.example;Too Few", "fields"),
    (2000, "many@water.example;Too;Many;Fields", "fields"),
)
"""Numbers of lines, what stands there, and part of what has to be said of it."""
_POST: Final = """
import os, sys
from pathlib import Path
address, code = sys.stdin.read().split()
box = Path(sys.argv[1]) / address
box.with_suffix(".new").write_text(code)
os.replace(box.with_suffix(".new"), box)
"""


def post_office(office: "Office") -> None:
    """Start the unit that sends codes; its command delivers into a directory."""
    office.mail.mkdir()
    office.unit(office.codes, "code-sender", "--", sys.executable, "-c", _POST, str(office.mail))


def register(office: "Office", name: str, address: str) -> None:
    """Let somebody register by the code that comes by mail."""
    root = json.loads(office.person("alice", "whoami", "--json", shown="whoami"))["root"]
    print(f"   {name}$ relay register {address} --relay ... --root {root[:12]}...", flush=True)
    box = office.mail / address
    box.unlink(missing_ok=True)
    asking = subprocess.Popen(
        [*PROGRAMS["relay"], "--home", str(office.place / name), "register", address,
         "--relay", f"127.0.0.1:{office.devices}", "--root", root],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + STEP_TIMEOUT_S
        while not box.exists():
            expect(time.monotonic() < until and asking.poll() is None, f"no code came for {address}")
            time.sleep(0.05)
        said, told = asking.communicate(box.read_text() + "\n", timeout=STEP_TIMEOUT_S)
    finally:
        if asking.poll() is None:
            asking.kill()
            asking.wait()
    expect(asking.returncode == 0, f"{name} did not come in: {said}{told}")
    print(f"     {said.strip()}", flush=True)


def verifier(office: "Office") -> None:
    """Make an officer's device one that attests."""
    office.step("Its root key, on the department's own machine, warrants a device that attests who people are")
    asked, signed = office.place / "asked.json", office.place / "dave" / "warrant.json"
    asked.write_text(office.person("dave", "warrant", "ask", "--json", shown="warrant ask > asked.json"))
    sign = ("warrant", "sign", str(office.place / "water.key"), "--verifier", str(asked), "--organisation", "1",
            "--unit", "1")  # fmt: skip
    signed.write_text(office.run(
        "relay", *sign, shown="water$ relay warrant sign water.key --verifier asked.json ... > warrant.json"
    ))  # fmt: skip
    office.officer("erin", "warrant", "put", str(signed), shown="warrant put warrant.json")
    office.officer("dave", "member", "attest", ".", f"erin@{DOMAIN}", "--name", "Erin Das", "--reason", "badge seen")
    office.officer("dave", "member", "attest", ".", f"grace@{DOMAIN}", "--name", "Grace Sen", "--reason", "badge seen")
    office.officer("dave", "member", "attest", "North", f"frank@{DOMAIN}", "--name", "Frank Rao", "--title", "Engineer",
                   "--reason", "badge seen")  # fmt: skip


def sheet() -> str:
    """Return what a personnel office exports: lines of good officers, and those of FAULTY at their places."""
    good = [f"{name}@{DOMAIN};{name.title()} Sen;Engineer" for name in COMING]
    good += [f"officer-number-{n:04}@{DOMAIN};Officer Number {n};Clerk" for n in range(OFFICERS - len(good))]
    faulty = {number: text for number, text, _ in FAULTY}
    rest = iter(good)
    lines = [faulty.get(number) or next(rest) for number in range(2, OFFICERS + len(FAULTY) + 2)]
    return "\n".join(["address;name;title", *lines, ""])


def expected(office: "Office") -> None:
    """Import the sheet, with a second person."""
    office.step(
        f"{OFFICERS:,} officers are expected: a sheet with {len(FAULTY)} faulty lines. Each is told, the rest counts"
    )
    path = office.place / "officers.csv"
    path.write_text(sheet(), encoding="utf-8")
    command = ("member", "import", "North", str(path), "--reason", "staff list of November", "--json")
    print("   dave$ relay member import North officers.csv", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [*PROGRAMS["relay"], "--home", str(office.place / "dave"), *command], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=4 * STEP_TIMEOUT_S, check=False,
    )  # fmt: skip
    expect(done.returncode == 65, f"the import ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    faults = {each["line"]: each["came"] for each in told if each.get("came", "taken") != "taken"}
    for number, _, why in FAULTY:
        expect(why in faults.get(number, ""), f"line {number}: {faults.get(number)!r} is not {why!r}")
        print(f"     line {number}: {faults[number][:100]}", flush=True)
    expect(len(faults) == len(FAULTY), f"{len(faults)} lines were found faulty")
    print(f"     {OFFICERS:,} lines in {time.monotonic() - began:.1f} s", flush=True)
    [proposal] = [each for each in told if each.get("state") == "proposed"]
    office.refused("dave", 77, "proposal", "approve", str(proposal["value"]), "--yes")
    office.officer("erin", "proposal", "approve", str(proposal["value"]), "--yes")


def arrived(office: "Office") -> None:
    """Let some of them come, by the code in their official mail, and be attested."""
    office.step(
        "Some come: the code in the official mail shows the address, the sheet says who they are, one word attests"
    )
    for name in COMING:
        register(office, name, f"{name}@{DOMAIN}")
    until = time.monotonic() + STEP_TIMEOUT_S
    while (said := office.person("dave", "claim", "list", "North", shown="claim list North")).count(DOMAIN) < len(
        COMING
    ):
        expect(time.monotonic() < until, f"not everybody claims what the sheet says: {said}")
        time.sleep(0.5)
    office.officer("dave", "member", "attest-all", "North", "--reason", "as in the staff list")
    office.officer("frank", "member", "show", f"asha@{DOMAIN}")

    office.step("A citizen registers as well, by a code to her own mail address")
    register(office, "heidi", HEIDI)


def left(office: "Office") -> None:
    """Let one leave: within a minute she is neither badged nor listed."""
    office.step("An officer leaves: within a minute she is neither badged nor listed, and answers for nothing")
    asha = f"asha@{DOMAIN}"
    before = office.person("frank", "member", "list", shown="member list")
    expect("Asha Sen" in before and "Bala Sen" in before, f"who is there is not listed: {before}")
    began = time.monotonic()
    office.officer("dave", "member", "revoke", "North", asha, "--reason", "left on 27 November", "--yes")
    while True:
        shown = json.loads(office.person("frank", "member", "show", asha, "--json", shown=f"member show {asha}"))
        listed = office.person("frank", "member", "list", shown="member list")
        if "Asha Sen" not in json.dumps(shown) and "Asha Sen" not in listed:
            break
        expect(time.monotonic() - began < GONE_WITHIN_S, f"still there: {shown} {listed}")
        time.sleep(0.5)
    expect("Bala Sen" in listed, f"somebody else is gone, too: {listed}")
    print(f"     gone after {time.monotonic() - began:.1f} s", flush=True)
