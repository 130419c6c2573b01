from relayproto.noise.suites import CHACHAPOLY, NOISE_SHA256


def test_the_counter_is_little_endian_behind_four_zeros():
    assert CHACHAPOLY.nonce(0x0102).hex() == "000000000201000000000000"


def test_the_relays_suite_is_the_one_of_its_name():
    assert NOISE_SHA256.name == "25519_ChaChaPoly_SHA256"
    assert (NOISE_SHA256.dh.length, NOISE_SHA256.hash.name, NOISE_SHA256.hash.length) == (32, "sha256", 32)
