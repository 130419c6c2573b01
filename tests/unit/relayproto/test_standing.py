from relayproto.standing import PLATFORM, Action, Permission, Standing


def test_standings_and_actions_are_places_in_a_table_without_gaps() -> None:
    assert [int(one) for one in Standing] == list(range(len(Standing)))
    assert [int(one) for one in Action] == list(range(len(Action)))


def test_the_strictest_permission_is_the_highest() -> None:
    assert max(Permission) is Permission.DENY
    assert min(Permission) is Permission.ALLOW
    assert PLATFORM == 0
