"""Gateways that contradict what they said of their log of receipts, that come again, or that nobody knows."""

import shutil
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from agent.backend.cli import app
from agent.backend.state import OrderRecord
from agent.cloud import topics
from agent.cloud.messages import LogBatch
from agent.cloud.mqtt import connect
from agent.cloud.topics import Topics
from agent.errors import LinkDown
from agent.supervisor import Service
from privacy.records import Scope
from tests.peers.mosquitto.broker import Broker, listening, until
from tests.peers.mosquitto.cloud import Cloud
from tests.peers.mosquitto.gateway import GATEWAY, House, running

pytestmark = pytest.mark.peer


def ended(*arguments: str | Path) -> int:
    return CliRunner().invoke(app, [str(argument) for argument in arguments]).exit_code


async def carried_out(cloud: Cloud, house: House, camera: str) -> OrderRecord:
    """One order, until the gateway knows that both receipts are at the backend."""
    order = cloud.order(scope=Scope(cameras=(camera,)))
    async with running(cloud.service, *house.services):
        await until(lambda: house.up and house.up[-1])
        await cloud.send(order)
        await until(lambda: cloud.kinds(order) == ["erased", "verified"])
        await until(lambda: all(receipt.acknowledged for receipt in house.journal.receipts()))
    return order


async def test_a_gateway_that_was_restored_from_an_old_copy_of_its_state(
    tmp_path: Path, broker: Broker, cloud: Cloud, house: House
) -> None:
    folder = tmp_path / "cloud"
    await carried_out(cloud, house, "front")
    shutil.copytree(tmp_path / "house", tmp_path / "copy")
    lost = await carried_out(cloud, house, "back")
    assert ended("fleet", "--dir", folder) == ended("receipts", "--dir", folder) == 0
    assert not cloud.saw("alarm")

    restored = House(tmp_path / "copy", cloud.issuers, broker.settings(GATEWAY))
    another = cloud.order(scope=Scope(cameras=("garage",)))
    async with running(cloud.service, *restored.services):
        await until(lambda: cloud.saw("alarm"))
        assert cloud.saw("alarm")[0].code == "smaller"
        # It obeys what it is told all the same: late deletion beats none.
        await until(lambda: {"erased", "verified"} == {a.kind for a in cloud.saw("alarm") if a.order == another.id})
    assert {alarm.code for alarm in cloud.saw("alarm") if alarm.order == another.id} == {"fork"}
    assert [receipt.acknowledged for receipt in restored.journal.receipts()] == [True, True, False, False]

    keeper = cloud.state.gateway(GATEWAY)
    forked = [receipt.jws for receipt in restored.journal.receipts()][2:]
    assert set(forked) <= {jws for alarm in keeper.alarms() for jws in alarm.receipts}, "the new ones are kept"
    assert keeper.receipt(lost.id, "verified"), "and so are the old ones"
    assert keeper.pending() == [another]
    assert ended("fleet", "--dir", folder) == ended("receipts", "--dir", folder) == 1


async def test_receipts_out_of_order_and_twice_are_all_acknowledged(
    tmp_path: Path, broker: Broker, cloud: Cloud, house: House
) -> None:
    orders = [cloud.order(scope=Scope(cameras=(name,))) for name in ("front", "back")]
    async with running(*house.services):
        await until(lambda: house.up == [True])
        await cloud.send(*orders)
        await until(lambda: len(list(house.journal.receipts())) == 4)
        hello = await house.hello()
    made = [receipt.jws.encode() for receipt in house.journal.receipts()]
    async with running(cloud.service), listening(broker, topics.RECEIPT_ACK, topics.HELLO_ACK) as (connection, seen):
        await until(lambda: cloud.saw("ready"))
        await connection.publish(Topics(GATEWAY).of(topics.HELLO), msgspec.json.encode(hello))
        for payload in (made[3], made[1], made[1], made[0], made[2], made[3]):
            await connection.publish(Topics(GATEWAY).of(topics.RECEIPT), payload)
        await until(lambda: len(cloud.saw("receipt")) >= 6 and len(seen) >= 7)
    assert [event.duplicate for event in cloud.saw("receipt")] == [False, False, True, False, False, True]
    assert not cloud.saw("alarm")
    assert not cloud.saw("invalid")
    assert ended("fleet", "--dir", tmp_path / "cloud") == 0
    assert not cloud.state.gateway(GATEWAY).pending()


async def test_receipts_that_the_backend_has_lost_come_again(tmp_path: Path, cloud: Cloud, house: House) -> None:
    await carried_out(cloud, house, "front")
    await carried_out(cloud, house, "back")
    kept = {path: path.read_bytes() for path in (tmp_path / "cloud").rglob("*.jws")}
    # Their orders are done and would not be sent again; so these have to be asked for.
    for path in kept:
        if path.name.endswith(".erased.jws"):
            path.unlink()
    again = Cloud(tmp_path / "cloud", cloud._settings)
    async with running(again.service, *house.services):
        await until(lambda: {path: path.read_bytes() for path in (tmp_path / "cloud").rglob("*.jws")} == kept)
    # The last run's two may have waited at the broker for our PUBACK, and come again without being asked for.
    assert (again.saw("lost")[0].missing or 0) >= 1
    assert not again.saw("alarm")


async def test_nothing_is_kept_of_a_gateway_that_nobody_declared(
    tmp_path: Path, broker: Broker, cloud: Cloud, house: House
) -> None:
    stranger = House(tmp_path / "stranger", cloud.issuers, broker.settings("gw-stranger"), resend=0.1)
    async with running(cloud.service, *stranger.services, Service("ours", house.link.run, (LinkDown,))):
        await until(lambda: cloud.saw("unknown"))
        stranger.write("one", "two")
        async with connect(broker.settings("flood", session_seconds=0)) as connection:
            batch = msgspec.json.encode(LogBatch(id="1", lines=("a",)))
            for number in range(100):
                await connection.publish(Topics(f"flood-{number}").of(topics.LOG), batch)
        house.write("ours")
        await until(lambda: not house.spool)
        assert stranger.spool, "and nothing is acknowledged"
    assert [event.gateway for event in cloud.saw("unknown")].count("gw-stranger") == 1
    assert 1 < len(cloud.saw("unknown")) < 30, "however many names somebody invents"
    assert [keeper.id for keeper in cloud.state] == [GATEWAY]
    assert [path.name for path in (tmp_path / "cloud/gateways").iterdir()] == [GATEWAY]


async def test_a_demonstration_accepts_whoever_comes(tmp_path: Path, broker: Broker) -> None:
    cloud = Cloud(tmp_path / "cloud", broker.settings("backend"), accept_new=True)
    house = House(tmp_path / "house", cloud.issuers, broker.settings(GATEWAY))
    async with running(cloud.service, *house.services):
        await until(lambda: cloud.saw("hello"))
        house.write("a line")
        await until(lambda: not house.spool)
    assert cloud.saw("hello")[0].first
    assert not cloud.saw("unknown")
