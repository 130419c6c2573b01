"""relay whoami."""


def test_a_device_says_who_it_is_also_offline(office):
    office.join("alice")
    office.stop()

    ran = office.run("alice", "whoami")

    assert ran.status == 0
    assert "address    alice@office.example\n" in ran.out
    assert f"relay      127.0.0.1:{office.relay.port}\n" in ran.out


def test_scripts_get_json(office):
    office.join("alice")

    [shown] = office.run("alice", "whoami", "--json").lines

    assert bytes.fromhex(shown["account"]) == office.relay.addresses["alice@office.example"]
    assert (shown["device"], shown["unread"]) == (1, 0)
    assert shown["root"] == office.relay.root_fingerprint.hex()


def test_a_home_without_a_device_is_told(office):
    ran = office.run("nobody", "whoami")

    assert ran.status == 78
    assert ran.err.startswith("relay: This home holds no device yet: join with an invitation link first.")
    assert str(office.place / "nobody") in ran.err
