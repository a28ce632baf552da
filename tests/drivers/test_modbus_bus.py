"""Commands go before polls, and nobody holds the bus twice."""

import asyncio

from drivers.modbus.bus import Bus


async def test_commands_overtake_a_waiting_poll() -> None:
    bus = Bus()
    order: list[str] = []

    async def poll(name: str) -> None:
        async with bus.poll():
            order.append(name)
            await asyncio.sleep(0)

    async def command(name: str) -> None:
        async with bus.command():
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        async with bus.command():
            tasks.create_task(poll("poll"))
            await asyncio.sleep(0)
            tasks.create_task(command("first"))
            await asyncio.sleep(0)
            tasks.create_task(command("second"))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert order == ["first", "second", "poll"]


async def test_a_command_waits_for_the_poll_under_way_alone() -> None:
    bus = Bus()
    order: list[str] = []

    async def poll(name: str) -> None:
        async with bus.poll():
            order.append(name)

    async def command() -> None:
        async with bus.command():
            order.append("command")

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks, bus.poll():
        tasks.create_task(poll("next poll"))
        await asyncio.sleep(0)
        tasks.create_task(command())
        await asyncio.sleep(0)
        assert not order
    assert order == ["command", "next poll"]


async def test_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    bus = Bus()
    async with bus.poll():
        waiting = [asyncio.create_task(anext(aiter(_once(bus.command)))) for _ in range(2)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    async with asyncio.timeout(5), bus.poll():
        pass


async def _once(turn):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    async with turn():
        yield
