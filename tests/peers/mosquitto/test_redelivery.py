"""What was not acknowledged comes again, whoever was killed."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from agent.cloud import topics
from agent.cloud.mqtt import connect
from tests.peers.mosquitto.broker import PATIENCE, Broker, listening, until
from tests.peers.mosquitto.cloud import Cloud
from tests.peers.mosquitto.gateway import House, running

pytestmark = pytest.mark.peer


RECEIVE = """
import asyncio, sys
from agent.cloud.mqtt import Settings, connect

async def main(port, acknowledge):
    async with connect(Settings(host="127.0.0.1", port=port, client_id="child")) as connection:
        await connection.subscribe(["numbers"])
        print("resumed" if connection.resumed else "new", flush=True)
        count = 0
        async for message in connection.messages():
            if count < acknowledge:
                message.acknowledge()
            count += 1
            print(message.payload.decode(), flush=True)

asyncio.run(main(*map(int, sys.argv[1:])))
"""

HANG_ON_ORDER = """
import asyncio, sys
from agent.cloud.link import CloudLink
from agent.cloud.messages import Hello, PublicKey
from agent.cloud.mqtt import Settings
from privacy.clock import SystemClock
from privacy.merkle import EMPTY_ROOT
from privacy.receipts import LogPosition

class Hanging:
    async def hello(self):
        key = PublicKey(x="A" * 43, kid="k")
        return Hello(id="0197a000-0000-7000-8000-000000000001", gateway="gw-1", epoch=1, software="test",
                     last_sequences={}, receipts=0, acknowledged=0, log=LogPosition(size=0, root=EMPTY_ROOT.hex()),
                     receipt_key=key)
    async def order(self, payload, *, retained):
        print("order", flush=True)
        await asyncio.sleep(600)
    async def receipts_due(self):
        return []
    async def next_batch(self):
        return None

settings = Settings(host="127.0.0.1", port=int(sys.argv[1]), client_id="gw-1")
link = CloudLink(settings, Hanging(), clock=SystemClock(), observe=lambda up: print("up" if up else "down", flush=True))
asyncio.run(link.run())
"""


@asynccontextmanager
async def child(code: str, *arguments: int | str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Another process, killed with SIGKILL at the end of the block; gives its next line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    output = process.stdout

    async def line() -> str:
        async with asyncio.timeout(PATIENCE):
            return (await output.readline()).decode().strip()

    try:
        yield line
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_after_sigkill_exactly_what_was_not_acknowledged_comes_again(broker: Broker) -> None:
    numbers = [str(number) for number in range(10)]
    async with child(RECEIVE, broker.port, 4) as line:
        assert await line() == "new"
        async with connect(broker.settings("sender", session_seconds=0)) as sender:
            for number in numbers:
                await sender.publish("numbers", number.encode())
            assert [await line() for _ in numbers] == numbers
    async with child(RECEIVE, broker.port, 100) as line:
        assert await line() == "resumed"
        assert [await line() for _ in numbers[4:]] == numbers[4:]
        async with connect(broker.settings("sender", session_seconds=0)) as sender:
            await sender.publish("numbers", b"end")
        assert await line() == "end", "and nothing else"


async def test_an_order_is_not_acknowledged_before_it_is_journaled(broker: Broker, cloud: Cloud, house: House) -> None:
    order = cloud.order()
    async with listening(broker, topics.STATUS) as (_, seen):
        async with child(HANG_ON_ORDER, broker.port) as line:
            assert await line() == "up"
            await cloud.send(order)
            assert await line() == "order"
        await until(lambda: [m.payload for m in seen][-2:] == [topics.ONLINE, topics.OFFLINE])
    # Killed with the order in its hands; no backend runs that could send it again, so this is the broker's copy.
    async with running(*house.services):
        await until(lambda: house.journal.known(order.id) and not house.shelf.items)


async def test_a_gateway_that_cannot_store_leaves_the_order_at_the_broker(
    broker: Broker, cloud: Cloud, house: House
) -> None:
    house.broken = True
    async with running(*house.services):
        await until(lambda: house.up)
        order = cloud.order()
        await cloud.send(order)
        await until(lambda: house.up.count(False) >= 1)
        assert not house.journal.known(order.id)
        house.broken = False
        await until(lambda: house.journal.known(order.id))
