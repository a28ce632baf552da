"""TLS with client certificates, and each gateway in its own branch of the topics."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cloud import topics
from agent.cloud.mqtt import Settings
from tests.peers.mosquitto.authority import Authority
from tests.peers.mosquitto.broker import Broker, mosquitto, refusal, until
from tests.peers.mosquitto.cloud import Cloud
from tests.peers.mosquitto.gateway import GATEWAY, House, running

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def guarded(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    """A broker as it should be run: client certificates, and each gateway in its own branch."""
    server = authority.issue("broker")
    access = tmp_path / "acl"
    down = "".join(f"pattern read portvakt/v1/%u/{channel}\n" for channel in topics.DOWN)
    up = "".join(f"pattern write portvakt/v1/%u/{channel}\n" for channel in (*topics.UP, topics.STATUS))
    access.write_text(f"user backend\ntopic readwrite portvakt/v1/#\n{down}{up}")
    access.chmod(0o600)
    with mosquitto(
        tmp_path / "guarded",
        f"cafile {authority.file}",
        f"certfile {server.cert_file}",
        f"keyfile {server.key_file}",
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        f"acl_file {access}",
    ) as running_:
        yield running_


async def test_an_order_over_tls_with_client_certificates(
    tmp_path: Path, guarded: Broker, authority: Authority
) -> None:
    cloud = Cloud(tmp_path / "cloud", guarded.settings("backend", tls=authority.issue("backend")))
    house = House(tmp_path / "house", cloud.issuers, guarded.settings(GATEWAY, tls=authority.issue(GATEWAY)))
    async with running(cloud.service, *house.services):
        await until(lambda: house.up == [True])
        order = cloud.order()
        await cloud.send(order)
        house.write("over TLS")
        await until(lambda: cloud.kinds(order) == ["erased", "verified"] and not house.spool)


async def test_a_gateway_cannot_speak_for_another(guarded: Broker, authority: Authority) -> None:
    line = await refusal(guarded.settings(GATEWAY, tls=authority.issue(GATEWAY)))
    assert "refused a message of ours: it does not authorise us" in line


async def test_certificates_that_the_broker_does_not_accept(
    tmp_path: Path, guarded: Broker, authority: Authority
) -> None:
    stranger = Authority(tmp_path / "stranger").issue(GATEWAY)
    for tls in (replace(stranger, ca_file=authority.file), authority.issue("expired", days=-1)):
        assert "certificate" in await refusal(guarded.settings(GATEWAY, tls=tls))


async def test_a_broker_that_cannot_prove_who_it_is(tmp_path: Path, guarded: Broker, authority: Authority) -> None:
    ours = authority.issue(GATEWAY)
    stranger = Authority(tmp_path / "stranger")
    assert "is not to be trusted" in await refusal(guarded.settings(GATEWAY, tls=replace(ours, ca_file=stranger.file)))
    assert "is not to be trusted" in await refusal(guarded.settings(GATEWAY, tls=replace(ours, ca_file=None)))
    assert "is not to be trusted" in await refusal(guarded.settings(GATEWAY, tls=ours, host="localhost"))


async def test_tls_where_there_is_none_and_none_where_there_is(
    broker: Broker, guarded: Broker, authority: Authority
) -> None:
    assert await refusal(broker.settings(GATEWAY, tls=authority.issue(GATEWAY), answer_seconds=3.0))
    assert "does this port want TLS" in await refusal(guarded.settings(GATEWAY))


async def test_certificate_files_that_cannot_be_used(tmp_path: Path, authority: Authority) -> None:
    ours, other = authority.issue(GATEWAY), authority.issue("other")
    settings = Settings(host="127.0.0.1", port=1, client_id="gw-1")
    missing = await refusal(replace(settings, tls=replace(ours, cert_file=tmp_path / "missing.pem")))
    assert "missing.pem" in missing
    mixed = await refusal(replace(settings, tls=replace(ours, key_file=other.key_file)))
    assert "belong together" in mixed
