from relayproto import ids


def test_a_name_is_a_name_and_costs_nothing_at_run_time() -> None:
    account = ids.AccountId(bytes(32))

    assert type(account) is bytes
    assert ids.DeviceId(1) == 1
