import os

import pytest

from relayd.store import vault as module
from relayd.store.daykeys import DayKeys
from relayd.store.vault import Contents, Nonces, Origin, Vault
from relayproto.errors import CryptoFailure
from support.stores import MASTER_KEY, house, target_of

ORIGIN = Origin(b"a" * 32, 7, 9, 11, 3)
CONTENTS = Contents(b"c" * 33, b"stamp", b"wrap", b"pass", b"body")
EXPIRES_MS = 86_400_000 * 5


def vault_in(directory) -> Vault:
    return Vault(DayKeys(directory, MASTER_KEY, os.urandom), Nonces(os.urandom))


def test_an_envelope_opens_to_what_was_sealed(tmp_path) -> None:
    vault = vault_in(tmp_path)

    sealed = vault.seal_envelope(4, 1, EXPIRES_MS, ORIGIN, CONTENTS)

    assert vault.open_envelope(4, 1, EXPIRES_MS, sealed) == (ORIGIN, CONTENTS)


def test_an_outcome_and_a_body_open_to_what_was_sealed(tmp_path) -> None:
    vault = vault_in(tmp_path)

    outcome = vault.seal_outcome(6, 2, EXPIRES_MS, (77, 3, 1))
    body = vault.seal_body(8, EXPIRES_MS, b"content")

    assert vault.open_outcome(6, 2, EXPIRES_MS, outcome) == (77, 3, 1)
    assert vault.open_body(8, EXPIRES_MS, body) == b"content"


def test_a_row_opens_at_its_own_place_only(tmp_path) -> None:
    vault = vault_in(tmp_path)
    sealed = vault.seal_envelope(4, 1, EXPIRES_MS, ORIGIN, CONTENTS)
    body = vault.seal_body(8, EXPIRES_MS, b"content")

    for lane, sequence in ((4, 2), (8, 1)):
        with pytest.raises(CryptoFailure):
            vault.open_envelope(lane, sequence, EXPIRES_MS, sealed)
    with pytest.raises(CryptoFailure):
        vault.open_body(9, EXPIRES_MS, body)


def test_no_nonce_comes_twice(monkeypatch) -> None:
    monkeypatch.setattr(module, "_COUNTS", 3)
    drawn = []

    def entropy(count):
        drawn.append(bytes([len(drawn)]) * count)
        return drawn[-1]

    nonces = Nonces(entropy)
    given = [nonces.next() for _ in range(10)]

    assert len(set(given)) == 10
    assert {len(nonce) for nonce in given} == {12}
    assert len(drawn) == 4


@pytest.mark.parametrize("devices", [1, 2])
async def test_nothing_of_an_envelope_lies_in_the_files_in_clear(tmp_path, devices) -> None:
    canaries = {"body": os.urandom(32), "wrap": os.urandom(32), "commitment": os.urandom(33)}
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=devices)
        target = target_of(bob, wrap=canaries["wrap"])
        await relay.submit(alice, body=canaries["body"], commitment=canaries["commitment"], targets=(target,))
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        accounts = sum(octets.count(alice.account) for octets in files.values())
        await relay.submit(alice, bob)
        after = sum(path.read_bytes().count(alice.account) for path in tmp_path.iterdir())

        assert files["relay.db-wal"]
        for name, octets in files.items():
            for what, canary in canaries.items():
                assert canary not in octets, (name, what)
        assert accounts == after


async def test_what_lies_in_the_file_after_the_log_was_moved_is_sealed_too(tmp_path) -> None:
    body = os.urandom(32)
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob")
        await relay.submit(alice, bob, body=body)

        await relay.reopen()

        assert all(body not in path.read_bytes() for path in tmp_path.iterdir())
        (entry,) = (await relay.page(bob)).items
        assert entry.notice.body == body
