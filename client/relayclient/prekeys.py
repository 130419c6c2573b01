"""The device's own prekeys: made, deposited, looked up for a first message, and deleted.

What the relay has left enters; signed prekeys leave. The rule of this file: a secret is stored before its public key
is handed out; a one-time secret dies with its use, a replaced one 30 days after its successor's deposit (the longest
that a first message may be under way, spec 50 §4).
"""

from typing import Final

from relayclient.store.database import Step
from relayproto.codes import PrekeyKind
from relayproto.commands import PutPrekeys, SignedPrekey
from relayproto.e2e import prekeys
from relayproto.e2e.handshake import Head, Secrets
from relayproto.errors import CryptoFailure
from relayproto.identity import sign_prekey
from relayproto.primitives import ML_KEM_768, x25519_public

ONE_TIME: Final = 100
KEM_ONE_TIME: Final = 20
_PER_FRAME: Final = {PrekeyKind.ONE_TIME: 64, PrekeyKind.KEM_ONE_TIME: 12}
"""A frame holds twelve ML-KEM prekeys of 1,270 bytes each."""
_REPLACED: Final = (PrekeyKind.SIGNED, PrekeyKind.KEM_LAST_RESORT)
_KEM_KINDS: Final = (PrekeyKind.KEM_LAST_RESORT, PrekeyKind.KEM_ONE_TIME)
_DAY_MS: Final = 86_400_000
_RENEW_AFTER_MS: Final = 7 * _DAY_MS
_KEPT_AFTER_MS: Final = 30 * _DAY_MS
_KEPT_MAX: Final = 4
"""Times the full stock: secrets whose deposit was cut off are never handed out and pile up slowly."""


def current(step: Step) -> tuple[SignedPrekey, ...]:
    """Return the newest signed prekey and KEM last resort, signed; the same bytes each time."""
    return tuple(_signed(step, kind, *_newest(step, kind)) for kind in _REPLACED)


def renew(step: Step, now_ms: int) -> None:
    """Make a new signed prekey and KEM last resort where there is none yet or it is a week old."""
    for kind in _REPLACED:
        made_ms = step.number("SELECT MAX(made_ms) FROM prekey WHERE kind = ?", kind)
        if made_ms + _RENEW_AFTER_MS <= now_ms:
            _make(step, kind, now_ms)


def due(step: Step, left: tuple[int, int], now_ms: int) -> list[PutPrekeys]:
    """Return what to deposit now: successors of old prekeys, and one-time ones where less than half are left."""
    renew(step, now_ms)
    late = tuple(
        _signed(step, kind, *_newest(step, kind))
        for kind in _REPLACED
        if step.number("SELECT deposited FROM prekey WHERE kind = ? ORDER BY id DESC LIMIT 1", kind) == 0
    )
    puts = [PutPrekeys(late)] if late else []
    for kind, stock, there in (
        (PrekeyKind.ONE_TIME, ONE_TIME, left[0]),
        (PrekeyKind.KEM_ONE_TIME, KEM_ONE_TIME, left[1]),
    ):
        if there < stock // 2:
            fresh = [_make(step, kind, now_ms) for _ in range(stock - there)]
            width = _PER_FRAME[kind]
            puts += [PutPrekeys(tuple(fresh[at : at + width])) for at in range(0, len(fresh), width)]
    return puts


def enrolled(step: Step) -> None:
    """Note that the relay has the first two, which came with ENROL."""
    step.run("UPDATE prekey SET deposited = 1")


def tell_again(step: Step) -> None:
    """Let a relay that came back from a backup have the newest signed prekey and KEM last resort again.

    It may be one from before the deposit, and without them nobody can begin a session. What it has left of the others
    it says itself.
    """
    step.run(
        "UPDATE prekey SET deposited = 0 WHERE id IN (SELECT MAX(id) FROM prekey WHERE kind IN (?, ?) GROUP BY kind)",
        *_REPLACED,
    )


def are_deposited(step: Step) -> bool:
    """Say whether the relay has the newest signed prekey and KEM last resort."""
    newest = [
        step.number("SELECT deposited FROM prekey WHERE kind = ? ORDER BY id DESC LIMIT 1", kind) for kind in _REPLACED
    ]
    return all(newest)


def deposited(step: Step, kept: tuple[SignedPrekey, ...], now_ms: int) -> None:
    """Note that the relay has these; what they replace dies in 30 days."""
    for prekey in kept:
        step.run("UPDATE prekey SET deposited = 1 WHERE kind = ? AND id = ?", prekey.kind, prekey.id)
        if prekey.kind in _REPLACED:
            step.run(
                "UPDATE prekey SET replaced_ms = ? WHERE kind = ? AND id < ? AND replaced_ms IS NULL",
                now_ms, prekey.kind, prekey.id,
            )  # fmt: skip


def secrets(step: Step, head: Head) -> Secrets:
    """Return the secrets that a first message was made for; CryptoFailure where one of them is no more."""
    signed = _secret(step, head.signed, PrekeyKind.SIGNED)
    kem = _secret(step, head.kem, *_KEM_KINDS)
    one_time = _secret(step, head.one_time, PrekeyKind.ONE_TIME) if head.one_time else None
    return Secrets(signed, one_time, kem)


def used(step: Step, head: Head) -> None:
    """Delete the one-time secrets that a first message has used."""
    step.run(
        "DELETE FROM prekey WHERE id IN (?, ?) AND kind IN (?, ?)",
        head.one_time, head.kem, PrekeyKind.ONE_TIME, PrekeyKind.KEM_ONE_TIME,
    )  # fmt: skip


def expire(step: Step, now_ms: int) -> None:
    """Delete secrets that are too old to be asked for, and what was remembered for them."""
    step.run("DELETE FROM prekey WHERE replaced_ms < ?", now_ms - _KEPT_AFTER_MS)
    step.run(
        "DELETE FROM first_message WHERE signed_id NOT IN (SELECT id FROM prekey WHERE kind = ?)", PrekeyKind.SIGNED
    )
    for kind, stock in ((PrekeyKind.ONE_TIME, ONE_TIME), (PrekeyKind.KEM_ONE_TIME, KEM_ONE_TIME)):
        step.run(
            "DELETE FROM prekey WHERE kind = ? AND id NOT IN"
            " (SELECT id FROM prekey WHERE kind = ? ORDER BY id DESC LIMIT ?)",
            kind, kind, _KEPT_MAX * stock,
        )  # fmt: skip


def _place(kind: int, number: int) -> tuple[bytes, ...]:
    return b"prekey", kind.to_bytes(1), number.to_bytes(4)


def _make(step: Step, kind: PrekeyKind, now_ms: int) -> SignedPrekey:
    number = (step.setting("last_prekey") or 0) + 1
    prekey, secret = prekeys.generate(
        kind,
        number,
        account=step.setting("account"),
        device=step.setting("device"),
        sign_seed=step.secret("sign_seed"),
        entropy=step.entropy,
    )
    step.put("last_prekey", number)
    step.run(
        "INSERT INTO prekey (kind, id, sealed_private, made_ms) VALUES (?, ?, ?, ?)",
        kind, number, step.seal(secret, *_place(kind, number)), now_ms,
    )  # fmt: skip
    return prekey


def _newest(step: Step, kind: PrekeyKind) -> tuple[int, bytes]:
    number, sealed = step.rows(
        "SELECT id, sealed_private FROM prekey WHERE kind = ? ORDER BY id DESC LIMIT 1", kind
    )[0]  # fmt: skip
    return number, step.open(sealed, *_place(kind, number))


def _signed(step: Step, kind: PrekeyKind, number: int, secret: bytes) -> SignedPrekey:
    public = ML_KEM_768.public_of(secret) if kind in _KEM_KINDS else x25519_public(secret)
    return sign_prekey(
        step.secret("sign_seed"),
        kind,
        account=step.setting("account"),
        device=step.setting("device"),
        number=number,
        key=public,
    )


def _secret(step: Step, number: int, *kinds: PrekeyKind) -> bytes:
    for kind in kinds:
        found = step.row("SELECT sealed_private FROM prekey WHERE kind = ? AND id = ?", kind, number)
        if found:
            return step.open(found[0], *_place(kind, number))
    raise CryptoFailure
