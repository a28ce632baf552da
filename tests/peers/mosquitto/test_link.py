"""Orders, receipts and log lines over mosquitto, which is killed and restarted."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from agent.cloud import topics
from agent.cloud.messages import LogAck, ReceiptAck, Refusal
from agent.cloud.topics import Topics
from privacy.records import Scope
from privacy.signing import SigningKey
from tests.peers.mosquitto.broker import PATIENCE, Broker, listening, until
from tests.peers.mosquitto.cloud import Cloud
from tests.peers.mosquitto.gateway import GATEWAY, House, running

pytestmark = pytest.mark.peer


async def test_an_order_ends_in_two_receipts_that_the_backend_holds(cloud: Cloud, house: House) -> None:
    async with running(cloud.service, *house.services):
        await until(lambda: house.up == [True])
        order = cloud.order()
        await cloud.send(order)
        await until(lambda: cloud.kinds(order) == ["erased", "verified"])
        await until(lambda: all(receipt.acknowledged for receipt in house.journal.receipts()))
    assert not house.shelf.items
    assert not cloud.state.gateway(GATEWAY).pending()
    assert house.up == [True, False]


async def test_whoever_asks_later_sees_whether_the_gateway_is_there(broker: Broker, house: House) -> None:
    async def status() -> bytes:
        async with listening(broker, topics.STATUS) as (_, seen):
            await until(lambda: seen)
            return seen[0].payload

    async with running(*house.services):
        await until(lambda: house.up == [True])
        assert await status() == topics.ONLINE
    assert await status() == topics.OFFLINE


async def test_the_same_order_again_gets_the_same_receipts(broker: Broker, cloud: Cloud, house: House) -> None:
    order = cloud.order()
    async with listening(broker, topics.RECEIPT) as (_, seen), running(cloud.service, *house.services):
        await until(lambda: house.up == [True])
        await cloud.send(order)
        await until(lambda: len([r for r in house.journal.receipts() if r.acknowledged]) == 2)
        before = [message.payload for message in seen]
        await cloud.send(order)
        await until(lambda: len(seen) >= len(before) + 2)
        assert {message.payload for message in seen} == set(before)
        assert len(set(before)) == 2


async def test_what_was_ordered_while_nobody_listened_comes_with_the_hello(cloud: Cloud, house: House) -> None:
    orders = [cloud.order(scope=Scope(cameras=(name,))) for name in ("front", "back", "garage")]
    expired = cloud.order(life=timedelta(seconds=-1))
    other_epoch = cloud.order(epoch=2)
    async with running(cloud.service, *house.services):
        await until(lambda: all(cloud.kinds(order) == ["erased", "verified"] for order in orders))
    assert max(event.resent or 0 for event in cloud.saw("hello")) == 3
    assert cloud.saw("hello")[0].first
    assert cloud.state.gateway(GATEWAY).pending() == [expired, other_epoch]


async def test_a_backend_that_comes_later_than_the_gateway_still_hears_it(cloud: Cloud, house: House) -> None:
    """The very first hello goes nowhere when no backend has a session yet."""
    async with running(*house.services):
        await until(lambda: house.up == [True])
        order = cloud.order()
        async with running(cloud.service):
            await until(lambda: cloud.kinds(order) == ["erased", "verified"])
            heard = len(cloud.saw("hello"))
            await asyncio.sleep(1.0)
            assert len(cloud.saw("hello")) <= heard + 1, "once it is acknowledged, it is not said again"


async def test_what_reached_nobody_goes_out_again_when_the_backend_has_come(
    broker: Broker, cloud: Cloud, tmp_path: Path
) -> None:
    house = House(tmp_path / "house", cloud.issuers, broker.settings(GATEWAY), resend=1.5 * PATIENCE)
    house.write("before anybody listened")
    async with running(*house.services):
        await until(lambda: house.up == [True])
        await asyncio.sleep(0.5)
        assert house.spool
        async with running(cloud.service):
            await until(lambda: not house.spool)


async def test_receipts_are_repeated_until_the_application_has_them(broker: Broker, cloud: Cloud, house: House) -> None:
    order = cloud.order()
    async with listening(broker, topics.RECEIPT) as (connection, seen), running(*house.services):
        await until(lambda: house.up == [True])
        await cloud.send(order)
        await until(lambda: len(seen) >= 6)
        assert len({message.payload for message in seen}) == 2
        for kind in ("erased", "verified"):
            ack = msgspec.json.encode(ReceiptAck(order=order.id, kind=kind))
            await connection.publish(Topics(GATEWAY).of(topics.RECEIPT_ACK), ack)
        await until(lambda: all(receipt.acknowledged for receipt in house.journal.receipts()))
        settled = len(seen)
        await asyncio.sleep(1.0)
        assert len(seen) <= settled + 2, "at most what was on its way"


async def test_a_receipt_that_does_not_verify_is_not_acknowledged(broker: Broker, cloud: Cloud, house: House) -> None:
    async with running(cloud.service, *house.services):
        await until(lambda: cloud.saw("hello"))
        house.eraser._key = SigningKey.generate()
        order = cloud.order()
        await cloud.send(order)
        await until(lambda: len(cloud.saw("invalid")) >= 2)
        assert "does not verify" in cloud.saw("invalid")[0].detail
        assert not any(receipt.acknowledged for receipt in house.journal.receipts())
    assert cloud.state.gateway(GATEWAY).pending() == [order]


async def test_lines_survive_an_absent_backend_and_a_killed_broker(broker: Broker, cloud: Cloud, house: House) -> None:
    async with running(*house.services):
        await until(lambda: house.up == [True])
        house.write("one", "two")
        await asyncio.sleep(0.7)  # sent and repeated, but nobody is there to take it
        broker.kill()
        house.write("three")
        broker.start()
        house.write("four")
        async with running(cloud.service):
            await until(lambda: not house.spool)
            house.write("five")
            await until(lambda: not house.spool)
    assert sorted(cloud.state.gateway(GATEWAY).lines()) == sorted(["one", "two", "three", "four", "five"])
    assert sum(event.lines or 0 for event in cloud.saw("log") if not event.duplicate) == 5


async def test_the_link_comes_back_after_the_broker_was_killed(broker: Broker, cloud: Cloud, house: House) -> None:
    async with running(cloud.service, *house.services):
        for round_ in range(3):
            await until(lambda: house.up and house.up[-1] and cloud.saw("ready"))
            order = cloud.order(scope=Scope(cameras=(f"camera-{round_}",)))
            broker.kill()
            await until(lambda: not house.up[-1])
            broker.start()
            # Nobody publishes it: the backend sends what is pending when the gateway says hello.
            await until(lambda order=order: cloud.kinds(order) == ["erased", "verified"])


async def test_acknowledgements_that_make_no_sense_hurt_nobody(broker: Broker, cloud: Cloud, house: House) -> None:
    async with listening(broker, topics.LOG) as (connection, seen), running(*house.services):
        await until(lambda: house.up == [True])
        house.write("one")
        unknown = ReceiptAck(order="0197a000-0000-7000-8000-000000000001", kind="erased")
        for channel in (topics.RECEIPT_ACK, topics.LOG_ACK):
            for payload in (b"", b"\xff", b"[" * 60_000, b"{}", b'{"id": "unknown"}', msgspec.json.encode(unknown)):
                await connection.publish(Topics(GATEWAY).of(channel), payload)
        await until(lambda: seen)
        await connection.publish(Topics(GATEWAY).of(topics.LOG_ACK), msgspec.json.encode(LogAck(id=house.spool[0].id)))
        await until(lambda: not house.spool)
        assert house.up == [True]


async def test_bad_orders_are_refused_one_by_one_and_the_good_one_works(
    broker: Broker, cloud: Cloud, house: House
) -> None:
    good = cloud.order()
    head, claims, signature = good.jws.split(".")
    bad = {
        b"garbage": "form",
        f"{head}.{claims}.{'A' * len(signature)}".encode(): "signature",
        cloud.order("gw-2").jws.encode(): "audience",
        cloud.order(epoch=2).jws.encode(): "audience",
        cloud.order(life=timedelta(seconds=-1)).jws.encode(): "lifetime",
        b"x" * 9000: "size",
    }
    topic = Topics(GATEWAY).of(topics.ORDER)
    async with running(cloud.service):
        await until(lambda: cloud.saw("ready"))  # from now on the broker keeps for the backend what it misses
    async with listening(broker, topics.REFUSAL) as (connection, seen), running(*house.services):
        await until(lambda: house.up == [True])
        for payload in bad:
            await connection.publish(topic, payload)
        await connection.publish(topic, b"y" * 100_000)  # larger than any packet that we take: the broker drops it
        await connection.publish(topic, good.jws.encode(), retain=True)
        await until(lambda: len(seen) == len(bad) + 1)
        codes = [msgspec.json.decode(message.payload, type=Refusal).code for message in seen]
        assert codes == [*bad.values(), "retained"]
        assert house.refused == codes
        assert len(house.shelf.items) == 3
        async with running(cloud.service):
            await cloud.send(good)
            await until(lambda: cloud.kinds(good)[-2:] == ["erased", "verified"])
            await until(lambda: len(cloud.saw("refusal")) == len(codes))
        assert cloud.saw("refusal")[-1].order == good.id, "the backend knows which order it was"
        assert house.up == [True]


async def test_a_hello_with_another_key_changes_nothing(broker: Broker, cloud: Cloud, house: House) -> None:
    async with running(cloud.service, *house.services):
        await until(lambda: cloud.saw("hello"))
    pinned = cloud.state.gateway(GATEWAY).receipt_key()
    house.key = SigningKey.generate()
    async with running(cloud.service, *house.services):
        await until(lambda: cloud.saw("invalid"))
    assert "another receipt key" in cloud.saw("invalid")[0].detail
    assert cloud.state.gateway(GATEWAY).receipt_key() == pinned
