"""What the running agent says of itself: services, devices, cameras, the promise, the time, the link."""

import socket
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from agent.api.contract import InventoryRow, LinkView, State, TimeView
from agent.config import Config
from agent.doctor.check import Check, Verdict

BROKER_SECONDS: Final = 5.0
PATIENCE: Final = timedelta(minutes=10)
"""A cloud link may be down for so long before that is a failure: the house works without it."""


def checks(state: State, inventory: Iterable[InventoryRow], now: datetime) -> Iterator[Check]:
    """All that it says."""
    yield Check("agent", "ok", f"runs, version {state.version}")
    yield from _services(state)
    yield from _devices(state)
    yield from _cameras(state)
    yield from _time(state.time)
    yield from _limits(inventory)
    yield from _link(state.link, now)


def _services(state: State) -> Iterator[Check]:
    down = [service for service in state.services if service.problem]
    for service in down:
        yield Check(f"service {service.name}", "fail", service.problem, "it is tried again by itself; the cause stays")
    if not down:
        yield Check("services", "ok", f"all {len(state.services)} run")


def _devices(state: State) -> Iterator[Check]:
    for device in state.devices:
        if device.reachable:
            yield Check(f"device {device.id}", "ok", "reachable")
        else:
            mend = "has it power, is it connected, and does the configuration name it rightly?"
            yield Check(f"device {device.id}", "fail", device.reason or "not reachable", mend)


def _cameras(state: State) -> Iterator[Check]:
    configured = {service.name for service in state.services}
    for camera in state.cameras:
        if f"camera {camera.id}" not in configured:
            found = f"configured no more; {camera.pictures} pictures go as they fall due"
            yield Check(f"camera {camera.id}", "ok", found)
            continue
        if camera.working:
            yield Check(f"camera {camera.id}", "ok", f"works, {camera.pictures} pictures kept")
        else:
            mend = "has it power, and are its url, username and password right?"
            yield Check(f"camera {camera.id}", "fail", camera.reason or "does not work", mend)


def _time(time: TimeView) -> Iterator[Check]:
    if time.known:
        yield Check("time", "ok", "known")
        return
    hidden = f"; {time.hidden} pictures are not shown" if time.hidden else ""
    mend = "say what time it is: `portvakt time --confirm 2026-01-31T08:00+01:00`, or on the page"
    yield Check("time", "warn", f"not known: {time.reason}{hidden}", mend)


def _limits(inventory: Iterable[InventoryRow]) -> Iterator[Check]:
    """The promise itself: the oldest item of each class against its limit."""
    for row in inventory:
        name = f"limit of {row.record_class}"
        oldest = f"oldest {row.oldest:%Y-%m-%d %H:%M} UTC" if row.oldest else "nothing dated"
        if row.overdue:
            found = f"{oldest} is past {row.limit}"
            mend = "see the services above; then restart: what is due goes at the start. If it stays, report it"
            yield Check(name, "fail", found, mend)
        elif row.count:
            held = f", {row.held} held until {row.held_until:%Y-%m-%d %H:%M} UTC" if row.held else ""
            yield Check(name, "ok", f"{row.count} kept, {oldest}, limit {row.limit}{held}")
        for one in row.waiting:
            found = f"waits until {one.until:%Y-%m-%d %H:%M} UTC: {one.left} records are held"
            yield Check(f"order {one.order}", "ok", found)


def _link(link: LinkView, now: datetime) -> Iterator[Check]:
    if not link.configured:
        return
    if link.connected:
        yield Check("cloud link", "ok", "connected")
        return
    away = now - link.since if link.since else None
    verdict: Verdict = "warn" if away is not None and away < PATIENCE else "fail"
    mend = "see `broker` below; the house works without it, orders and the log wait"
    yield Check("cloud link", verdict, f"not connected: {link.reason or 'not yet'}", mend)


def broker(config: Config | None, link: LinkView | None) -> Iterator[Check]:
    """Only where it matters: a link that stands has found its broker."""
    if config is None or config.cloud is None or (link and link.connected):
        return
    place = f"{config.cloud.host}:{config.cloud.port}"
    try:
        with socket.create_connection((config.cloud.host, config.cloud.port), timeout=BROKER_SECONDS):
            yield Check("broker", "ok", f"{place} answers")
    except OSError as error:
        reason = "does not answer" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        yield Check(
            "broker", "fail", f"{place}: {reason}", "is the network up, and are cloud.host and cloud.port right?"
        )
