"""relay unblock."""

from relayproto.commands import Block

BOB = "bob@office.example"
MALLORY = "mallory@office.example"


def test_what_comes_from_then_on_is_shown(office):
    office.join("bob", "mallory")
    office.run("bob", "block", MALLORY)

    ran = office.run("bob", "unblock", MALLORY)
    office.run("mallory", "send", BOB, "sorry")
    drained = office.run("bob", "listen", "--drain", "--timeout", "10")

    assert (ran.status, ran.out) == (0, f"{MALLORY} is no longer blocked.\n")
    assert [command.blocked for command in office.relay.got(Block)] == [True, False]
    assert "sorry" in drained.out
    assert office.run("bob", "block").out == ""
