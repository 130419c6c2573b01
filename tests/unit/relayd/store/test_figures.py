from support.stores import house


async def test_the_figures_count_and_name_nobody(tmp_path) -> None:
    async with house(tmp_path) as relay:
        alice, bob = await relay.enrol("alice"), await relay.enrol("bob", devices=2)
        await relay.submit(alice, bob)
        await relay.store.create_ticket("carol@gad.example", relay.clock.now_ms() + 1)
        await relay.acknowledge(bob, 1)

        figures = dict(await relay.store.status())

        files = figures.pop("bytes of the store"), figures.pop("bytes of its log")
        assert min(files) > 0
        assert 0 <= figures.pop("disk used, per cent") <= 100
        assert 0 < relay.counters.disk_left_bytes < relay.counters.disk_bytes
        assert figures == {
            "accounts": 2, "devices": 3, "envelopes queued": 1, "bytes queued": 8, "outcomes queued": 1,
            "mailboxes over quota": 0, "reports kept": 0, "invitations open": 1,
            "submissions refused for want of disk": 0, "bytes of the ballast": 0,
        }  # fmt: skip
