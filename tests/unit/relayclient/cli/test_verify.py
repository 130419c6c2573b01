"""relay verify."""

import re

BOB = "bob@office.example"


def digits(office, name, address):
    [shown] = office.run(name, "verify", address, "--json").lines
    return shown["digits"]


def test_both_see_the_same_sixty_digits(office):
    office.join("alice", "bob", "carol")

    at_alice = digits(office, "alice", BOB)
    at_bob = digits(office, "bob", "alice@office.example")

    assert re.fullmatch("[0-9]{60}", at_alice)
    assert at_alice == at_bob
    assert at_alice != digits(office, "carol", BOB)


def test_people_get_groups_and_on_a_terminal_a_code_to_scan(office):
    office.join("alice", "bob")

    piped = office.run("alice", "verify", BOB)
    on_a_terminal = office.run("alice", "verify", BOB, tty={"stdout"})
    without = office.run("alice", "verify", BOB, "--no-qr", tty={"stdout"})

    assert re.fullmatch("(([0-9]{5} ){3}[0-9]{5}\n){3}", piped.out)
    assert "Not verified yet" in piped.err
    assert "▄" in on_a_terminal.out
    assert without.out == piped.out


def test_equal_digits_mark_somebody_as_verified(office):
    office.join("alice", "bob")
    same = digits(office, "bob", "alice@office.example")
    spaced = " ".join(same[at : at + 5] for at in range(0, 60, 5))

    ran = office.run("alice", "verify", BOB, "--confirm", spaced)

    assert (ran.status, ran.out) == (0, "bob@office.example is verified.\n")
    assert "(verified)" in office.run("alice", "lookup", BOB).out
    assert office.run("alice", "verify", BOB).err == "verified\n"


def test_other_digits_do_not(office):
    office.join("alice", "bob")

    ran = office.run("alice", "verify", BOB, "--confirm", "0" * 60)

    assert ran.status == 77
    assert "not the digits" in ran.err
    assert "not verified" in office.run("alice", "lookup", BOB).out


def test_a_new_account_is_accepted_by_the_person_only(office):
    office.join("alice", "bob", "carol")
    office.run("alice", "lookup", BOB)
    before = digits(office, "alice", BOB)
    office.relay.addresses[BOB] = office.relay.addresses["carol@office.example"]
    office.run("alice", "lookup", BOB)
    assert digits(office, "alice", BOB) == before

    ran = office.run("alice", "verify", BOB, "--accept", "--json")

    assert ran.status == 0
    assert ran.lines[0]["account"] == office.relay.addresses["carol@office.example"].hex()


def test_a_new_account_whose_digits_differ_is_not_accepted(office):
    office.join("alice", "bob", "carol")
    office.run("alice", "lookup", BOB)
    known, offered = digits(office, "alice", BOB), digits(office, "alice", "carol@office.example")
    office.relay.addresses[BOB] = office.relay.addresses["carol@office.example"]
    office.run("alice", "lookup", BOB)

    refused = office.run("alice", "verify", BOB, "--accept", "--confirm", known)
    shown = office.run("alice", "verify", BOB)
    after = digits(office, "alice", BOB)
    accepted = office.run("alice", "verify", BOB, "--accept", "--confirm", offered)

    assert (refused.status, after) == (77, known)
    assert offered in re.sub(r"\s", "", shown.err)
    assert accepted.status == 0
    assert digits(office, "alice", BOB) == offered


def test_accepting_where_nothing_is_offered_changes_nothing(office):
    office.join("alice", "bob")

    ran = office.run("alice", "verify", BOB, "--accept", "--json")

    assert ran.lines[0]["account"] == office.relay.addresses[BOB].hex()
    assert not ran.lines[0]["verified"]
