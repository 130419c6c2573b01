import pytest

from relayproto import noise
from relayproto.errors import LocalProtocolError
from relayproto.noise.patterns import PATTERNS, Token, parse

E, S, EE, ES, SE, PSK, E1, EKEM1 = (Token(name) for name in ("e", "s", "ee", "es", "se", "psk", "e1", "ekem1"))


def messages(name: str):
    return parse(f"Noise_{name}_ChaChaPoly_SHA256").pattern.messages


def test_the_relays_handshakes_are_those_of_the_spec():
    assert noise.XKHFS.pattern.messages == ((E, ES, E1), (E, EE, EKEM1), (S, SE))
    assert noise.NKHFS.pattern.messages == ((E, ES, E1), (E, EE, EKEM1))
    assert noise.XK.pattern.messages == ((E, ES), (E, EE), (S, SE))
    for protocol in (noise.XKHFS, noise.NKHFS, noise.XK):
        assert protocol.pattern.knows_responder
        assert not protocol.pattern.knows_initiator
        assert protocol.suite == "25519_ChaChaPoly_SHA256"


def test_the_table_has_the_papers_38_patterns():
    assert len(PATTERNS) == 38
    for name, pattern in PATTERNS.items():
        letters = [letter for letter in name if letter.isalpha()]
        assert pattern.knows_responder == (letters[-1] == "K" or len(letters) == 1)
        assert pattern.knows_initiator == (letters[0] == "K")


def test_without_a_dh_in_the_message_e1_follows_e():
    assert messages("XXhfs_25519+MLKEM768") == ((E, E1), (E, EE, EKEM1, S, ES), (S, SE))


def test_a_psk_stands_before_the_first_message_or_at_the_end_of_the_nth():
    assert messages("NKpsk0_25519")[0] == (PSK, E, ES)
    assert messages("NKpsk1_25519")[0] == (E, ES, PSK)
    assert messages("XKpsk3_25519")[2] == (S, SE, PSK)


def test_modifiers_are_applied_together():
    protocol = parse("Noise_XKhfs+psk0+psk3_25519+MLKEM768_AESGCM_BLAKE2s")

    assert protocol.pattern.messages == ((PSK, E, ES, E1), (E, EE, EKEM1), (S, SE, PSK))
    assert protocol.pattern.psks == 2
    assert protocol.suite == "25519_AESGCM_BLAKE2s"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "XK_25519_ChaChaPoly_SHA256",
        "Noise_ZZ_25519_ChaChaPoly_SHA256",
        "Noise_XK_25519_ChaChaPoly",
        "Noise_XKhfs_25519_ChaChaPoly_SHA256",
        "Noise_XK_25519+MLKEM768_ChaChaPoly_SHA256",
        "Noise_XKpsk0+psk0_25519_ChaChaPoly_SHA256",
        "Noise_XKpsk4_25519_ChaChaPoly_SHA256",
        "Noise_XKfallback_25519_ChaChaPoly_SHA256",
        "Noise_Nhfs_25519+MLKEM768_ChaChaPoly_SHA256",
    ],
)
def test_a_name_that_says_nothing_known_is_our_own_mistake(name):
    with pytest.raises(LocalProtocolError):
        parse(name)
