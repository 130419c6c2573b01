"""An organisation is let in where its mail domain says so at that moment: relay, resolver unit and zone for real."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relayproto import acts, rootkeys
from relayproto.administration import Approve, CreateOrganisation
from relayproto.administration_replies import Acted
from relayproto.codes import Code
from relayproto.primitives import ed25519_public
from relayproto.replies import Refused
from relayproto.standing import ActState
from support.acting import ROOT_SEED, Session, session
from support.live_relay import until
from support.processes import a_relay, environment, relayd, succeed
from support.visitors import Visitor, visitors
from support.zone import Zone, zone

NAME = "_relayd.gad.example"
RECORD = b"relayd-key=" + ed25519_public(ROOT_SEED).hex().encode()


@contextlib.asynccontextmanager
async def resolving(path: Path, served: Zone) -> AsyncIterator[None]:
    """Run a resolver unit for a zone."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relayd.main", "resolve", "--listen", str(path), "--server", f"127.0.0.1:{served.port}",
        stdout=subprocess.PIPE, env=environment(path.parent),
    )  # fmt: skip
    try:
        await until(lambda: path.exists() or process.returncode is not None)
        yield
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


def founding(admin: Visitor) -> CreateOrganisation:
    until_ms = int(time.time() * 1000) + 86_400_000
    return CreateOrganisation(
        "Water Department", "gad.example", ed25519_public(ROOT_SEED),
        rootkeys.sign_domain(ROOT_SEED, admin.invitation.root_fingerprint, "gad.example"), b"f" * 32,
        admin.person.account, until_ms,
    )  # fmt: skip


async def code(officer: Session, change: CreateOrganisation | Approve) -> int | ActState:
    answer = await officer.do(change)
    assert isinstance(answer, Acted | Refused)
    return answer.code if isinstance(answer, Refused) else answer.state


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_domain_has_to_be_proven_when_it_is_asked_for_and_when_it_is_approved(tmp_path: Path) -> None:
    socket = tmp_path / "resolver.sock"
    records: dict[str, list[bytes]] = {}
    with a_relay(tmp_path / "relay", settings={'resolver = ""': f'resolver = "{socket}"'}) as relay:
        async with visitors(relay, "alice", "bob", "carol") as (alice, bob, carol), zone(records) as served:
            for operator in ("alice", "bob"):
                succeed(await asyncio.to_thread(
                    relayd, relay.state, "break-glass", f"{operator}@office.example", "--for", "1h", "--reason", "x",
                    "--yes",
                ))  # fmt: skip
            first, second = await session(alice), await session(bob)
            without_the_unit = await code(first, founding(carol))
            async with resolving(socket, served):
                without_the_record = await code(first, founding(carol))
                records[NAME] = [b"relayd-key=" + b"00" * 32]
                with_another_key = await code(first, founding(carol))
                records[NAME].append(RECORD)
                proposal = first.act(founding(carol))
                proposed = await first.ask(proposal)
                assert isinstance(proposed, Acted), proposed
                approval = Approve(proposed.value, acts.digest(proposal.octets))
                records.clear()
                gone_since = await code(second, approval)
                records[NAME] = [RECORD]
                approved = await code(second, approval)
                asked = len(served.asked)
                third = await session(carol)
                by_nobody = await code(third, founding(alice))

    assert [without_the_unit, without_the_record, with_another_key, gone_since] == [Code.NOT_PROVEN] * 4
    assert approved is ActState.DONE
    assert by_nobody == Code.NOT_PERMITTED
    assert len(served.asked) == asked, "nothing is looked up for who may not ask"
    assert set(served.asked) == {(NAME, "TXT")}
