"""Orders from the cloud: how soon the receipt is back and verified, and what checking an order costs."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from joserfc import jws
from joserfc.jwk import OKPKey

from agent.backend.issue import issue
from agent.backend.service import Backend, Event, send
from agent.backend.state import OrderRecord, State
from agent.bench.figure import Figure, Measurement, Unmeasurable, figure
from agent.cloud.mqtt import Connection, Settings, connect
from agent.demo.layout import kept_port
from agent.errors import LinkDown
from agent.supervisor import Service, Supervisor
from privacy.clock import SystemClock
from privacy.orders import Form, Ground, verify_order
from privacy.records import Scope
from privacy.signing import Trust
from privacy.store import Disk
from tests.bench.house import PATIENCE, PROGRAMS, listens, needed, ready, running, until
from tests.bench.measure import in_turn, p50_and_p99, percentile

GATEWAY = "gw-bench"
PICTURES = 10
ORDERS = 100
PROBES = 3
"""Orders before the measurement, to count fsyncs by."""
BACKEND_SYNCS = 2
"""The backend reports a receipt once the file and its folder are on disk (`write_new`)."""
JOURNAL_BYTES = 512
"""A line of the journal is about so long; what the floor writes before each fsync."""
RECEIPT_BYTES = 1200
CHECKS, CHECKS_A_TURN = 40, 50

_CONFIG = """
version = 1
[gateway]
id = "{gateway}"
state_dir = "state"
[api]
port = 0
socket = "api.sock"
[discovery]
interfaces = []
[cloud]
host = "127.0.0.1"
port = {port}
order_keys_file = "backend/order_keys.json"
"""


async def order_to_receipt(place: Path) -> Sequence[Figure]:
    """From publishing an order to its *erased* receipt, verified and kept; ten pictures are in its scope."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        port = await enter(_broker(place))
        (place / "portvakt.toml").write_text(_CONFIG.format(gateway=GATEWAY, port=port))
        state = State(place / "backend")
        state.create_issuer("bench")
        state.enroll(GATEWAY)
        heard = await enter(_backend(state, port))
        gateway = await enter(_gateway(place))
        sender = await enter(connect(_settings(port, "bench-sender")))
        await until(lambda: state.gateway(GATEWAY).receipt_key() is not None, "the gateway's hello")

        async def ours() -> float:
            order = _order(state, await gateway.stock())
            began = perf_counter()
            await send(sender, order, SystemClock())
            took = await heard.receipt(order.id, "erased") - began
            await heard.receipt(order.id, "verified")  # what comes after the figure must not meet the next one
            return took

        for _ in range(PROBES):
            await ours()
        await gateway.stock()
        syncs = round(median(gateway.syncs[-PROBES:])) + BACKEND_SYNCS
        there_and_back = await enter(_round_trip(port))

        async def floor() -> float:
            began = perf_counter()
            await there_and_back()
            await asyncio.to_thread(_sync, place / "floor", syncs)
            return perf_counter() - began

        costs = await in_turn(ORDERS, {"ours": ours, "reference": floor})
    return p50_and_p99(
        "order_to_receipt_ms",
        costs["ours"],
        costs["reference"],
        reference_name=f"the floor: {syncs} fsyncs, as many as ours makes, and one QoS 1 round trip at the same broker",
        note=f"mosquitto, {PICTURES} pictures in scope each time; up to the receipt verified and kept at the backend.",
    )


async def verify(place: Path) -> Sequence[Figure]:
    """Checking an order with all that we ask of it, against the signature and JSON alone."""
    state = State(place)
    jwks = state.create_issuer("bench")
    compact = _order(state, "front-door").jws.encode()
    trust, clock, audience = Trust.from_jwks(jwks), SystemClock(), f"{GATEWAY}/1"
    key = OKPKey.import_key({name: jwks["keys"][0][name] for name in ("kty", "crv", "x")})

    async def ours() -> float:
        began = perf_counter()
        for _ in range(CHECKS_A_TURN):
            verify_order(compact, audience=audience, trust=trust, clock=clock)
        return (perf_counter() - began) / CHECKS_A_TURN

    async def reference() -> float:
        began = perf_counter()
        for _ in range(CHECKS_A_TURN):
            json.loads(jws.deserialize_compact(compact, key, algorithms=["Ed25519"]).payload)
        return (perf_counter() - began) / CHECKS_A_TURN

    costs = await in_turn(CHECKS, {"ours": ours, "reference": reference})
    return [
        figure(
            "verify_vs_joserfc",
            1e6 * percentile(costs["ours"], 50),
            1e6 * percentile(costs["reference"], 50),
            reference_name="bare joserfc deserialize_compact, then json.loads",
            unit="µs",
            n=CHECKS * CHECKS_A_TURN,
            note=f"Median of {CHECKS} turns of {CHECKS_A_TURN}. Ours reads the header twice, parses strictly, and "
            "checks issuer, audience, times and scope.",
        )
    ]


def _order(state: State, camera: str) -> OrderRecord:
    return issue(
        state,
        gateway=GATEWAY,
        epoch=1,
        scope=Scope(cameras=(camera,)),
        form=Form.POINT,
        ground=Ground.OWNERS_CHOICE,
        clock=SystemClock(),
        random_bytes=os.urandom,
    )


def _settings(port: int, client: str) -> Settings:
    return Settings(host="127.0.0.1", port=port, client_id=client, session_seconds=0)


@asynccontextmanager
async def _broker(place: Path) -> AsyncIterator[int]:
    """Mosquitto as Debian brings it; yields its port."""
    with kept_port() as port:
        (place / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        async with running(needed("mosquitto"), "-c", place / "mosquitto.conf", log=place / "broker.log"):
            await until(lambda: listens(port), "the broker")
            yield port


class _Heard:
    """What the backend has reported."""

    def __init__(self) -> None:
        self._receipts: defaultdict[tuple[str, str], asyncio.Future[float]] = defaultdict(
            asyncio.get_running_loop().create_future
        )

    def __call__(self, event: Event) -> None:
        if event.event == "receipt" and not event.duplicate:
            self._receipts[event.order, event.kind].set_result(perf_counter())

    async def receipt(self, order: str, kind: str) -> float:
        """When this receipt was verified and kept."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._receipts[order, kind]
        except TimeoutError as error:
            raise Unmeasurable(f"no {kind} receipt after {PATIENCE:.0f} s") from error


@asynccontextmanager
async def _backend(state: State, port: int) -> AsyncIterator[_Heard]:
    """The backend, in this process."""
    heard, supervisor, stop = _Heard(), Supervisor(), asyncio.Event()
    backend = Backend(_settings(port, "backend"), state, clock=SystemClock(), disk=Disk(), report=heard)
    supervisor.start(Service("backend", backend.run, (LinkDown,)))
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run_until(stop))
        try:
            yield heard
        finally:
            stop.set()


class _Gateway:
    """The gateway under test, whose store we fill."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stocked = 0
        self.syncs: list[int] = []
        """For each order but the last: how many fsyncs it took until the *erased* receipt."""

    async def stock(self) -> str:
        """Have pictures of a new camera stored; returns its id."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Unmeasurable("the gateway has no standard input")
        self._stocked += 1
        camera = f"camera-{self._stocked}"
        stdin.write(f"{camera} {PICTURES}\n".encode())
        answer = await stdout.readline()
        if not answer:
            raise Unmeasurable("the gateway ended")
        self.syncs.append(int(answer))
        return camera


@asynccontextmanager
async def _gateway(place: Path) -> AsyncIterator[_Gateway]:
    command = (sys.executable, PROGRAMS / "stocked_gateway.py", place / "portvakt.toml")
    async with ready(*command, place=place, log=place / "gateway.log", stdin=PIPE, stdout=PIPE) as (process, _, _):
        yield _Gateway(process)


@asynccontextmanager
async def _round_trip(port: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """An order-sized message to somebody at the broker and a receipt-sized one back, each at QoS 1."""
    async with (
        connect(_settings(port, "floor-cloud")) as cloud,
        connect(_settings(port, "floor-gateway")) as gateway,
        asyncio.TaskGroup() as group,
    ):
        await cloud.subscribe(["floor/receipt"])
        await gateway.subscribe(["floor/order"])
        answering = group.create_task(_answer(gateway))
        back = cloud.messages()

        async def there_and_back() -> None:
            await cloud.publish("floor/order", bytes(RECEIPT_BYTES))
            (await anext(back)).acknowledge()

        yield there_and_back
        answering.cancel()


async def _answer(connection: Connection) -> None:
    async for message in connection.messages():
        message.acknowledge()
        await connection.publish("floor/receipt", bytes(RECEIPT_BYTES))


def _sync(path: Path, times: int) -> None:
    with path.open("ab") as file:
        for _ in range(times):
            file.write(bytes(JOURNAL_BYTES))
            file.flush()
            os.fsync(file.fileno())


MEASUREMENTS = (
    Measurement(("order_to_receipt_ms_p50", "order_to_receipt_ms_p99"), order_to_receipt),
    Measurement(("verify_vs_joserfc",), verify),
)
