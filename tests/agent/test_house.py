"""What the page and the command line are told, by a house with real parts: its storage, its journal, its orders."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import agent.main
from agent.api.contract import AdoptBody, CommandBody, HoldBody, Section, State, TimeBody
from agent.api.contract import House as Contract
from agent.config.model import Api, Camera, Config, Discovery, Gateway
from agent.errors import Refused
from agent.house import SHOWN_RECEIPTS, House
from agent.main import _Agent
from agent.storage import open_storage
from camera.picture import Picture
from drivers.model import ON_OFF, Device, Report
from privacy import entries
from privacy.checkpoint import verify_checkpoint
from privacy.errors import StoreBroken
from privacy.hold import Reason
from privacy.orders import Claims, Form, Ground, sign_order, verify_order
from privacy.records import RecordClass, Scope
from privacy.signing import SigningKey, Trust

PICTURE = Picture(b"\xff\xd8\xffimage", b"\xff\xd8\xffthumb", 640, 480)
LAMP = Device("lamp", "Hall lamp", "test", (ON_OFF,))
FRONT = Camera(id="front", name="Front door", url="http://192.0.2.5/snapshot.jpg", keep_seconds=3600)


class Bench:
    """A house whose parts are all real, made by the composition root. Nobody serves it, and no camera is asked."""

    def __init__(self, made: _Agent, clock: Any) -> None:
        self.agent, self.clock = made, clock
        self.storage = made._storage
        self.house: House

    async def carry_out(self) -> None:
        await self.agent._eraser.finish()

    def keep(self, camera: str = "front") -> str:
        snapshot = self.storage.vault.append(camera, self.storage.time.now(), PICTURE)
        assert snapshot
        return snapshot.id

    async def written(self) -> None:
        await self.agent._recorder.flush()


@asynccontextmanager
async def running(folder: Path, clock: Any) -> AsyncIterator[Bench]:
    """A house over the state directory of this test, as one start of the agent makes it."""
    config = Config(
        version=1,
        gateway=Gateway(id="gw-1", state_dir=folder / "state"),
        api=Api(port=0, socket=folder / "api.sock"),
        discovery=Discovery(interfaces=()),
        camera=(FRONT,),
    )
    storage = open_storage(config, clock)
    made = Bench(_Agent(config, storage, clock), clock)
    async with AsyncExitStack() as stack:
        stack.callback(os.close, storage.lock)
        stack.callback(made.agent._disk.close)
        stack.push_async_callback(made.agent._disk.run, storage.vault.close)
        cameras = await made.agent._cameras(stack)
        made.house = made.agent._house(cameras)
        yield made
        await made.agent._supervisor._end_all()


@pytest.fixture
async def bench(tmp_path: Path, clock: Any) -> AsyncIterator[Bench]:
    async with running(tmp_path, clock) as made:
        yield made


def sections(house: House) -> State:
    return State(
        gateway=house.gateway,
        version=house.version,
        ready_at=house.ready_at,
        **{name: house.section(name) for name in get_args(Section)},
    )


async def test_each_section_is_that_of_the_whole(bench: Bench, make_line: Any, until: Any) -> None:
    contract: Contract = bench.house
    line = make_line("line-1", LAMP)
    bench.agent._devices.add_line(line)
    line.says.put_nowait(Report("lamp", ON_OFF.name, value=True))
    await until(lambda: contract.state().devices[0].reachable)
    bench.agent._record(entries.LinkUp(at=bench.clock.now()))
    await bench.written()
    await bench.house.erase(Scope(cameras=("front",)), "page")
    await bench.carry_out()
    state = contract.state()
    assert sections(bench.house) == state
    assert (state.gateway, len(state.devices), len(state.cameras), len(state.receipts)) == ("gw-1", 1, 1, 2)
    assert state.log
    assert [service.name for service in state.services] == ["line line-1"]
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state


async def test_who_follows_is_told(bench: Bench) -> None:
    follower = aiter(bench.house.changes())
    first = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    await bench.house.erase(Scope(everything=True), "page")
    await bench.carry_out()
    assert "receipts" in await first


async def test_from_the_button_to_a_verified_receipt(bench: Bench) -> None:
    shown = bench.keep()
    bench.clock.move(seconds=2)
    answer = await bench.house.erase(Scope(cameras=("front",)), "page")
    assert await bench.house.picture(shown, thumbnail=False, actor="page") is None, "at once, before it is erased"
    await bench.carry_out()
    verified, erased = bench.house.state().receipts
    assert [(r.order, r.issuer, r.kind) for r in (erased, verified)] == [
        (answer.order, "local", "erased"),
        (answer.order, "local", "verified"),
    ]
    assert (erased.signature_valid, erased.acknowledged) == (True, False)
    counted = {line.store: (line.found, line.erased, line.left, line.tier) for line in erased.stores}
    assert counted["snapshots"] == (1, 1, 0, "B")
    audit = await bench.house.audit()
    assert [entry.jws for entry in audit] == [erased.jws, verified.jws], "oldest first"
    await bench.written()
    assert any('"receipt_made"' in line.line for line in bench.house.state().log)


async def test_what_was_erased_is_not_on_the_page_either(bench: Bench) -> None:
    bench.agent._record(entries.PicturesExpired(at=bench.clock.now(), camera="front", count=3, reason="limit"))
    await bench.written()
    assert "pictures_expired" in bench.house.state().log[0].line
    bench.clock.move(seconds=2)
    await bench.house.erase(Scope(classes=(RecordClass.OP_LOG,)), "page")
    await bench.carry_out()
    assert not any("pictures_expired" in view.line for view in bench.house.state().log)


async def test_a_receipt_that_was_changed_is_shown_as_such(bench: Bench) -> None:
    await bench.house.erase(Scope(cameras=("front",)), "page")
    [order] = bench.storage.journal.unfinished()
    await bench.agent._eraser._count(order)
    bench.storage.journal.receipt(order.id, "erased", "not.a.receipt", bench.clock.now())
    [receipt] = bench.house.state().receipts
    assert (receipt.signature_valid, receipt.stores) == (False, ())


async def test_the_newest_20_receipts_newest_first_and_all_in_the_audit(bench: Bench) -> None:
    ids = [(await bench.house.erase(Scope(cameras=("front",)), "page")).order for _ in range(12)]
    await bench.carry_out()
    assert SHOWN_RECEIPTS == 20, "as the contract says"
    shown = bench.house.state().receipts
    expected = [(id_, kind) for id_ in reversed(ids) for kind in ("verified", "erased")]
    assert [(receipt.order, receipt.kind) for receipt in shown] == expected[:20]
    assert len(await bench.house.audit()) == 24


async def test_pictures_are_shown_while_they_are_there(bench: Bench) -> None:
    id_ = bench.keep()
    assert await bench.house.picture(id_, thumbnail=False, actor="page") == PICTURE.image
    assert await bench.house.picture(id_, thumbnail=True, actor="page") == PICTURE.thumbnail
    for nobody in ("0" * 32, "../journal", ""):
        assert await bench.house.picture(nobody, thumbnail=True, actor="page") is None


async def test_commands_adoptions_and_removals_reach_the_part_that_knows(bench: Bench, make_line: Any) -> None:
    asks: dict[str, Callable[[], Any]] = {
        "unknown_device": lambda: bench.house.command("nobody", CommandBody(capability="OnOff", value=True), "page"),
        "not_found": lambda: bench.house.adopt("nobody", AdoptBody(family="homekit"), "page"),
        "configured": lambda: bench.house.remove("lamp", "page"),
        "empty_scope": lambda: bench.house.erase(Scope(), "page"),
    }
    bench.agent._devices.add_line(make_line("line-1", LAMP))
    for code, ask in asks.items():
        with pytest.raises(Refused) as refused:
            await ask()
        assert refused.value.code == code


async def test_the_services_are_those_there_are(bench: Bench, make_line: Any, until: Any) -> None:
    """A line that was removed while it was down is no trouble any more."""
    line = make_line("line-1", LAMP)
    line.problem = "unplugged"
    bench.agent._devices.add_line(line)
    await until(lambda: any(service.problem for service in bench.house.state().services))
    await bench.agent._devices.remove_line("line-1")
    assert bench.house.state().services == ()


async def test_the_inventory(bench: Bench) -> None:
    bench.keep()
    bench.agent._record(entries.LinkUp(at=bench.clock.now()))
    await bench.written()
    rows = {row.record_class: row for row in await bench.house.inventory()}
    assert (rows["snapshot"].count, rows["snapshot"].overdue) == (1, False)
    assert rows["device"].count == 0
    assert rows["op_log"].count == 2, "the entry, and its line that waits"
    bench.clock.move(days=8)
    rows = {row.record_class: row for row in await bench.house.inventory()}
    assert (rows["snapshot"].overdue, rows["op_log"].overdue, rows["device"].overdue) == (True, True, False)


async def test_pictures_that_outlive_their_cameras_own_limit_are_overdue(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps them for an hour. That the class may live a week does not excuse two."""

    async def idle(*_: object) -> None:
        await asyncio.Event().wait()

    bench.keep()
    monkeypatch.setattr("agent.cameras.keep_limits", idle)
    monkeypatch.setattr("agent.cameras.capture", idle)
    bench.agent._watched.start(bench.agent._supervisor)
    await until(bench.agent._watched.snapshots)
    taken = bench.clock.now()
    bench.clock.move(hours=2)
    [row] = [row for row in await bench.house.inventory() if row.record_class == "snapshot"]
    assert row.next_to_go == taken + timedelta(hours=1)
    assert row.overdue


async def test_the_metrics(bench: Bench) -> None:
    bench.keep()
    await bench.house.erase(Scope(cameras=("nobody",)), "page")
    await bench.carry_out()
    families = {family.name: family for family in text_string_to_metric_families(await bench.house.metrics())}
    records = {sample.labels["class"]: sample.value for sample in families["portvakt_records"].samples}
    assert records["snapshot"] == 1
    assert families["portvakt_receipts_unacknowledged"].samples[0].value == 2
    reasons = {sample.labels["reason"] for sample in families["portvakt_log_lines_lost"].samples}
    assert {"withheld", "queue_full"} <= reasons


async def test_a_medium_that_refuses_an_order_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_order: object) -> bool:
        raise StoreBroken("the card is full")

    monkeypatch.setattr(bench.storage.journal, "admit", refuse)
    with pytest.raises(StoreBroken):
        await bench.house.erase(Scope(everything=True), "page")
    assert bench.house.state().receipts == ()


async def test_when_it_was_ready_is_said(bench: Bench) -> None:
    assert bench.house.state().ready_at == bench.clock.now()
    assert bench.house.version == agent.main.version("portvakt")


async def test_a_wall_clock_that_is_behind_shields_nothing_from_an_erasure(tmp_path: Path, clock: Any) -> None:
    """A box without a battery believes after a boot that it is last year. Its pictures were taken this year."""
    async with running(tmp_path, clock) as bench:
        bench.keep()
        bench.agent._record(entries.LinkUp(at=bench.agent._clock.now()))
        await bench.written()
    clock.battery = False
    clock.reboot(days=-365)
    async with running(tmp_path, clock) as bench:
        bench.keep()
        await bench.house.erase(Scope(everything=True), "page")
        await bench.carry_out()
        verified, erased = bench.house.state().receipts
        found = {line.store: (line.found, line.left) for line in erased.stores}
        assert (found["snapshots"], found["operation_log"]) == ((2, 0), (1, 0))
        assert verified.kind == "verified"
        assert {row.record_class: row.count for row in await bench.house.inventory()}["snapshot"] == 0


@pytest.fixture
def no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are looked at; none is taken, and none goes by itself."""

    async def idle(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("agent.cameras.keep_limits", idle)
    monkeypatch.setattr("agent.cameras.capture", idle)


@pytest.mark.usefixtures("no_capture")
async def test_a_boot_in_unknown_time_shows_what_was_before_once_it_is_confirmed(
    tmp_path: Path, clock: Any, until: Any
) -> None:
    async with running(tmp_path, clock) as bench:
        earlier = bench.keep()
    clock.battery = False
    clock.reboot(days=3)
    async with running(tmp_path, clock) as bench:
        house = bench.house
        bench.agent._watched.start(bench.agent._supervisor)
        await until(lambda: house.state().time.hidden == 1)
        state = house.state()
        assert (state.time.known, state.snapshots, state.cameras[0].pictures) == (False, (), 0)
        assert "confirm the time" in state.time.reason
        assert await house.picture(earlier, thumbnail=False, actor="page") is None
        with pytest.raises(Refused):
            await house.confirm_time(TimeBody(at=clock.now() + timedelta(days=1)), "page")
        assert (await house.confirm_time(TimeBody(at=clock.now()), "page")).known
        await until(lambda: house.state().snapshots)
        assert [shot.id for shot in house.state().snapshots] == [earlier]
        assert house.state().time.hidden == 0
        assert await house.picture(earlier, thumbnail=False, actor="page") == PICTURE.image


@pytest.mark.usefixtures("no_capture")
async def test_what_is_held_is_kept_and_not_shown_and_an_order_waits_for_its_end(bench: Bench, until: Any) -> None:
    house = bench.house
    bench.agent._watched.start(bench.agent._supervisor)
    held = bench.keep()
    bench.agent._record(entries.PicturesExpired(at=bench.clock.now(), camera="front", count=3, reason="limit"))
    await bench.written()
    bench.agent._watched.store_changed()
    await until(lambda: house.state().snapshots)
    placed = await house.hold(HoldBody(scope=Scope(cameras=("front",)), reason=Reason.INSURANCE_CLAIM), "page")
    await until(lambda: not house.state().snapshots)
    await bench.written()
    assert house.state().holds == await house.holds() == (placed,)
    assert await house.picture(held, thumbnail=True, actor="page") is None
    assert not any("pictures_expired" in view.line for view in house.state().log), "nor on the page"
    bench.clock.move(seconds=2)
    await house.erase(Scope(everything=True), "page")
    await bench.carry_out()
    [erased] = house.state().receipts
    [report] = [store for store in erased.stores if store.store == "snapshots"]
    assert (report.found, report.erased, report.left) == (1, 0, 1)
    [exemption] = report.exemptions
    assert (exemption.reason, exemption.count, exemption.due) == ("insurance_claim", 1, placed.until)

    await house.release(placed.id, "page")
    assert bench.agent._eraser._wake.is_set(), "the order waits no longer"
    await bench.carry_out()
    assert [receipt.kind for receipt in house.state().receipts] == ["verified", "erased"]
    assert await house.picture(held, thumbnail=True, actor="page") is None
    assert bench.storage.vault.oldest()
    assert [count for _, count, _ in bench.storage.vault.oldest()] == [0]


async def test_after_an_order_for_everything_nobody_can_say_whom_a_line_meant(bench: Bench) -> None:
    bench.agent._record(entries.DeviceReachable(at=bench.clock.now(), device="homekit:1"))
    await bench.written()
    assert len(list(bench.storage.day_keys.moments())) == 1
    before = bench.storage.day_keys(bench.clock.now().date())
    bench.clock.move(seconds=2)
    await bench.house.erase(Scope(cameras=("front",)), "page")
    await bench.carry_out()
    assert bench.storage.day_keys(bench.clock.now().date()) == before, "a part is not everything"
    await bench.house.erase(Scope(everything=True), "page")
    await bench.carry_out()
    assert bench.storage.day_keys(bench.clock.now().date()) != before


async def test_the_checkpoint_is_signed_and_says_where_the_log_stands(bench: Bench) -> None:
    await bench.house.erase(Scope(cameras=("front",)), "page")
    await bench.carry_out()
    said = verify_checkpoint(await bench.house.checkpoint(), bench.storage.receipt_key.public_jwk())
    assert (said.iss, said.at, said.log.size) == ("gw-1/1", bench.clock.now(), 2)


async def test_an_order_of_the_cloud_is_a_witness_of_the_time(tmp_path: Path, clock: Any) -> None:
    async with running(tmp_path, clock):
        pass
    clock.battery, clock.network = False, True
    clock.reboot(days=14)
    async with running(tmp_path, clock) as bench:
        assert not bench.house.state().time.known
        key = SigningKey.generate()
        issued = int(clock.now().timestamp())
        claims = Claims(
            iss="cloud",
            aud="gw-1/1",
            jti="0197a000-0000-7000-8000-000000000001",
            seq=1,
            iat=issued,
            exp=issued + 60,
            form=Form.POINT,
            ground=Ground.OWNERS_CHOICE,
            scope=Scope(cameras=("front",)),
        )
        trust = Trust.from_jwks({"keys": [{**key.public_jwk(), "issuer": "cloud"}]})
        order = verify_order(sign_order(key, claims).encode(), audience="gw-1/1", trust=trust, clock=clock)
        assert await bench.agent._admit(order)
        assert bench.house.state().time.known
        assert not await bench.agent._admit(order), "the same again"


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope(cameras=("front", "nope")), "nothing is kept of camera nope (see `portvakt cameras list`)"),
        (Scope(devices=("lump",)), "nothing is kept of device lump (see `portvakt devices list`)"),
        (Scope(subjects=("kary",)), "nothing is kept of person kary (see `portvakt people list`)"),
    ],
)
async def test_what_nobody_knows_cannot_be_held(bench: Bench, scope: Scope, said: str) -> None:
    with pytest.raises(Refused) as refused:
        await bench.house.hold(HoldBody(scope=scope, reason=Reason.DISPUTE), "page")
    assert (refused.value.code, str(refused.value)) == ("nothing_kept", said)
    assert await bench.house.holds() == ()


async def test_what_something_is_kept_of_is_known_though_it_stands_in_no_list(bench: Bench, make_line: Any) -> None:
    bench.agent._devices.add_line(make_line("line-1", LAMP))
    bench.storage.vault.append("shed", bench.storage.time.now(), PICTURE, frozenset({"kari"}))
    scope = Scope(cameras=("front", "shed"), devices=("lamp",), subjects=("kari",))
    assert await bench.house.hold(HoldBody(scope=scope, reason=Reason.DISPUTE), "page")
    assert (await bench.house.erase(Scope(subjects=("kari",), cameras=("shed",)), "page")).unknown == ()


async def test_an_order_for_what_nobody_knows_is_given_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = Scope(cameras=("nope", "front"), devices=("lump",), subjects=("kary",))
    answer = await bench.house.erase(scope, "page")
    assert answer.unknown == ("camera nope", "device lump", "person kary")
    await bench.carry_out()
    assert [receipt.order for receipt in bench.house.state().receipts] == [answer.order] * 2

    def refuse(*_: object) -> int:
        raise StoreBroken("the card is gone")

    monkeypatch.setattr(bench.storage.vault, "count", refuse)
    assert (await bench.house.erase(scope, "page")).unknown == (), "the order does not hang on it"
