"""`portvakt backend`: keys, orders, and what became of them."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from agent.backend import report
from agent.backend.issue import issue
from agent.backend.service import LARGEST_PACKET, Backend, Event, send
from agent.backend.state import OrderRecord, State
from agent.cloud.mqtt import Settings, connect
from agent.config.model import Tls
from agent.errors import AgentError, LinkDown
from agent.supervisor import Service, Supervisor
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

    Pending orders are sent again by `serve` at each hello of the gateway, until its verified receipt has come.

    Example: portvakt backend order --dir backend --gateway gw-1 --epoch 1 --scope '{"cameras": ["front"]}'
    """
    with _one_line_errors():
        issued = issue(
            State(directory),
            gateway=gateway,
            epoch=epoch,
            scope=_scope(scope),
            form=form,
            ground=ground,
            clock=SystemClock(),
            random_bytes=os.urandom,
            life=timedelta(days=days),
        )
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
) -> None:
    """Serve gateways until stopped: one JSON line on stdout for each thing that happens.

    Example: portvakt backend serve --dir backend --host broker.example.net --port 8883 --cert b.pem --key b.key
    """
    with _one_line_errors():
        state = State(directory)
        state.issuer()
        tls = _tls(ca, cert, key)
        asyncio.run(_serve(state, _settings(client_id, host, port, tls)))


@app.command()
def receipts(
    directory: Directory,
    *,
    of_order: Annotated[str, typer.Option("--order", help="Of this order only.")] = "",
    as_json: Json = False,
) -> None:
    """List the receipts, each verified anew.

    Exits with 1 when one does not verify, or when --order names an order without a verified receipt.

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
    """List each gateway with its last hello, its pending and its overdue orders.

    Example: portvakt backend fleet --dir backend --overdue-after 48
    """
    with _one_line_errors():
        rows = report.fleet(State(directory), SystemClock().now(), timedelta(hours=allowed))
        _show(rows, as_json=as_json)


class _BadInput(Exception):
    """What was typed cannot be used."""


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (_BadInput, ValueError) as error:
        typer.echo(f"portvakt backend: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except (AgentError, PrivacyError) as error:
        typer.echo(f"portvakt backend: {error}", err=True)
        raise typer.Exit(NO) from error


def _scope(text: str) -> Scope:
    try:
        return msgspec.json.decode(text, type=Scope)
    except msgspec.MsgspecError as error:
        raise _BadInput(f'--scope is not one: {error}; it looks like {{"cameras": ["front"]}}') from error


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


async def _serve(state: State, settings: Settings) -> None:
    disk = Disk()
    backend = Backend(settings, state, clock=SystemClock(), disk=disk, report=_print_event)
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


def _show(rows: list[Any], *, as_json: bool) -> None:
    """Rows of one msgspec type, as JSON or as a table."""
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    table = Table()
    for number, row in enumerate(rows):
        fields = {name: value for name, value in msgspec.to_builtins(row).items() if name != "jws"}
        if number == 0:
            for name in fields:
                table.add_column(name.replace("_", " "), overflow="fold")
        table.add_row(*("" if value is None else str(value) for value in fields.values()))
    Console().print(table if rows else "nothing yet")
