"""`portvakt backend`: keys, orders, and what became of them."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from agent.backend import report
from agent.backend.issue import issue
from agent.backend.service import LARGEST_PACKET, Backend, Event, send
from agent.backend.state import OrderRecord, State
from agent.cli import output
from agent.cloud.messages import PublicKey
from agent.cloud.mqtt import Settings, connect
from agent.config.model import Tls
from agent.errors import AgentError, LinkDown
from agent.supervisor import Bug, Service, Supervisor
from privacy.clock import SystemClock
from privacy.errors import PrivacyError, StoreBroken
from privacy.orders import LONGEST_LIFE, Form, Ground
from privacy.records import Scope
from privacy.store import Disk

NO = 1
BAD_INPUT = 2

app = typer.Typer(no_args_is_help=True, help="The other end of the cloud contract: sign orders, verify receipts.")

Directory = Annotated[Path, typer.Option("--dir", help="The backend's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Host = Annotated[str, typer.Option(help="The broker.")]
Port = Annotated[int, typer.Option(help="Its port; 8883 with TLS.", min=1, max=65_535)]
Ca = Annotated[Path | None, typer.Option("--ca", help="Who signed the broker's certificate, PEM.")]
Cert = Annotated[Path | None, typer.Option("--cert", help="Our certificate, PEM; turns TLS on.")]
Key = Annotated[Path | None, typer.Option("--key", help="Its private key, PEM.")]


@app.command()
def keys(
    directory: Directory,
    *,
    issuer: Annotated[str, typer.Option(help="The name that orders are issued under.")] = "backend",
) -> None:
    """Make the issuer's key on the first call, and print its public half as a JWK Set.

    The same JWK Set is in order_keys.json of the folder: name that file as `order_keys_file` on each gateway.

    Example: portvakt backend keys --dir backend
    """
    with _one_line_errors():
        typer.echo(msgspec.json.format(msgspec.json.encode(State(directory).create_issuer(issuer))).decode())


@app.command()
def enroll(
    directory: Directory,
    gateway: Annotated[str, typer.Option(help="Which gateway: its id.")],
    *,
    epoch: Annotated[int, typer.Option(help="Its enrolment epoch; a later one takes a new receipt key.", min=1)] = 1,
    key: Annotated[Path | None, typer.Option("--key", help="Its public receipt key, a JWK.")] = None,
) -> None:
    """Declare a gateway: from one that nobody declared, `serve` takes nothing.

    Without --key, the receipt key of its first hello is believed, and no other one from then on. A gateway that is
    enrolled anew begins a new log with a new key: give its next --epoch.

    Example: portvakt backend enroll --dir backend --gateway gw-1
    """
    with _one_line_errors():
        enrolment = State(directory).enroll(gateway, epoch, _public_key(key) if key else None).enrolment()
        pinned = enrolment.key.kid if enrolment and enrolment.key else "that of its first hello"
        output.line(f"{gateway} is enrolled with epoch {epoch}; its receipt key is {pinned}")


@app.command()
def order(  # noqa: PLR0913 - the options of a verb
    directory: Directory,
    gateway: Annotated[str, typer.Option(help="For which gateway.")],
    epoch: Annotated[int, typer.Option(help="Its enrolment epoch.", min=1)],
    scope: Annotated[str, typer.Option(help='What to erase, as JSON: {"cameras": ["front"]}')],
    *,
    form: Annotated[Form, typer.Option(help="point: up to now. standing: up to its execution.")] = Form.POINT,
    ground: Annotated[Ground, typer.Option(help="Why.")] = Ground.OWNERS_CHOICE,
    days: Annotated[int, typer.Option(help="How long it lives.", min=1, max=LONGEST_LIFE.days)] = LONGEST_LIFE.days,
    only_print: Annotated[bool, typer.Option("--print", help="Print the JWS instead of publishing it.")] = False,
    host: Host = "127.0.0.1",
    port: Port = 1883,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
) -> None:
    """Sign an order, keep it as pending, publish it, and print its id.

    A gateway that was not enrolled yet is enrolled with this epoch. Pending orders are sent again by `serve` at each
    hello of the gateway, until its verified receipt has come.

    Example: portvakt backend order --dir backend --gateway gw-1 --epoch 1 --scope '{"cameras": ["front"]}'
    """
    with _one_line_errors():
        state = State(directory)
        issued = issue(
            state,
            gateway=gateway,
            epoch=epoch,
            scope=_scope(scope),
            form=form,
            ground=ground,
            clock=SystemClock(),
            random_bytes=os.urandom,
            life=timedelta(days=days),
        )
        _warn_of_a_later_epoch(state, gateway, epoch)
        if only_print:
            typer.echo(issued.jws)
            return
        settings = _settings(f"portvakt-order-{secrets.token_hex(8)}", host, port, _tls(ca, cert, key), session=0)
        try:
            asyncio.run(_publish(settings, issued))
        except LinkDown as error:
            raise LinkDown(f"order {issued.id} is kept as pending, but could not be sent: {error}") from error
        typer.echo(issued.id)


@app.command()
def serve(  # noqa: PLR0913 - the options of a verb
    directory: Directory,
    *,
    host: Host = "127.0.0.1",
    port: Port = 1883,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    client_id: Annotated[str, typer.Option(help="Names our session at the broker.")] = "portvakt-backend",
    accept_new: Annotated[
        bool,
        typer.Option(
            "--accept-new",
            help="Enrol whatever gateway comes, and believe its first key: whoever may write to the broker fills this "
            "folder. For a demonstration.",
        ),
    ] = False,
) -> None:
    """Serve gateways until stopped: one JSON line on stdout for each thing that happens.

    Example: portvakt backend serve --dir backend --host broker.example.net --port 8883 --cert b.pem --key b.key
    """
    with _one_line_errors():
        state = State(directory)
        state.issuer()
        tls = _tls(ca, cert, key)
        asyncio.run(_serve(state, _settings(client_id, host, port, tls), accept_new=accept_new))


@app.command()
def receipts(
    directory: Directory,
    *,
    of_order: Annotated[str, typer.Option("--order", help="Of this order only.")] = "",
    as_json: Json = False,
) -> None:
    """List the receipts in the order of each gateway's log, each verified anew, and the alarms.

    Exits with 1 when one does not verify, when a gateway has contradicted itself, or when --order names an order
    without a verified receipt.

    Example: portvakt backend receipts --dir backend --json
    """
    with _one_line_errors():
        rows = [row for row in report.receipts(State(directory)) if of_order in {"", row.order}]
        _show(rows, as_json=as_json)
        done = any(row.kind == "verified" and row.valid for row in rows)
        if not all(row.valid for row in rows) or (of_order and not done):
            raise typer.Exit(NO)


@app.command()
def hello(directory: Directory, *, as_json: Json = False) -> None:
    """List each gateway's last hello.

    Example: portvakt backend hello --dir backend
    """
    with _one_line_errors():
        _show(report.hellos(State(directory)), as_json=as_json)


@app.command()
def fleet(
    directory: Directory,
    *,
    allowed: Annotated[float, typer.Option("--overdue-after", help="Hours until a pending order is overdue.")] = 24.0,
    as_json: Json = False,
) -> None:
    """List each gateway with its last hello, its orders that are pending, its receipts, and its alarms.

    Exits with 1 when an order is overdue, a receipt does not verify, or there is an alarm: the gateway was restored
    from an old copy, or somebody changed its log. It stays until somebody has looked into it and has moved its file
    away, from gateways/<gateway>/alarms.

    Example: portvakt backend fleet --dir backend --overdue-after 48
    """
    with _one_line_errors():
        rows = report.fleet(State(directory), SystemClock().now(), timedelta(hours=allowed))
        _show(rows, as_json=as_json)
        if not all(row.well for row in rows):
            raise typer.Exit(NO)


class _BadInput(Exception):
    """What was typed cannot be used."""


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (_BadInput, ValueError) as error:
        typer.echo(f"portvakt backend: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except (AgentError, PrivacyError, Bug) as error:
        typer.echo(f"portvakt backend: {error}", err=True)
        raise typer.Exit(NO) from error


def _scope(text: str) -> Scope:
    try:
        return msgspec.json.decode(text, type=Scope)
    except msgspec.MsgspecError as error:
        raise _BadInput(f'--scope is not one: {error}; it looks like {{"cameras": ["front"]}}') from error


def _public_key(path: Path) -> PublicKey:
    try:
        jwk = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        if "d" in jwk:
            raise _BadInput(f"{path} is a private key; give its public half")
        return msgspec.convert(jwk, PublicKey)
    except OSError as error:
        raise _BadInput(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _BadInput(f"{path} is no public Ed25519 key as a JWK: {error}") from error


def _warn_of_a_later_epoch(state: State, gateway: str, epoch: int) -> None:
    keeper = state.gateway(gateway)
    last, enrolment = keeper.last_hello(), keeper.enrolment()
    now = max(last.hello.epoch if last else 1, enrolment.epoch if enrolment else 1)
    if now > epoch:
        typer.echo(
            f"portvakt backend: warning: {gateway} has epoch {now} now, and will refuse an order for epoch {epoch}",
            err=True,
        )


def _tls(ca: Path | None, cert: Path | None, key: Path | None) -> Tls | None:
    if cert is None or key is None:
        if ca or cert or key:
            raise _BadInput("TLS needs both --cert and --key")
        return None
    return Tls(cert_file=cert, key_file=key, ca_file=ca)


def _settings(client_id: str, host: str, port: int, tls: Tls | None, *, session: int | None = None) -> Settings:
    settings = Settings(host=host, port=port, client_id=client_id, tls=tls, largest_packet=LARGEST_PACKET)
    return settings if session is None else replace(settings, session_seconds=session)


async def _publish(settings: Settings, issued: OrderRecord) -> None:
    async with connect(settings) as connection:
        await send(connection, issued, SystemClock())


async def _serve(state: State, settings: Settings, *, accept_new: bool) -> None:
    disk = Disk()
    backend = Backend(settings, state, clock=SystemClock(), disk=disk, report=_print_event, accept_new=accept_new)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    supervisor = Supervisor()
    supervisor.start(Service("backend", backend.run, (LinkDown, StoreBroken)))
    try:
        await supervisor.run_until(stop)
    finally:
        disk.close()


def _print_event(event: Event) -> None:
    sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    sys.stdout.flush()


def _show(rows: Sequence[report.ReceiptRow | report.HelloRow | report.FleetRow], *, as_json: bool) -> None:
    """Rows of one type, as JSON or as a table."""
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    heads = [name for name in rows[0].__struct_fields__ if name != "jws"] if rows else []
    cells = [[_cell(getattr(row, name)) for name in heads] for row in rows]
    output.as_table([name.replace("_", " ") for name in heads], cells, empty="nothing yet")


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "NO"
        case datetime():
            return output.moment(value)
        case dict():
            return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(value)
