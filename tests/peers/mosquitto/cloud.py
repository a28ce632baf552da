"""The reference backend with its folder."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.backend.issue import issue
from agent.backend.service import Backend, Event, send
from agent.backend.state import OrderRecord, State
from agent.cloud.mqtt import Settings, connect
from agent.errors import LinkDown
from agent.supervisor import Service
from privacy.clock import SystemClock
from privacy.orders import Form, Ground
from privacy.records import Scope
from privacy.store import Disk
from tests.peers.mosquitto.gateway import GATEWAY


class Cloud:
    """The reference backend with its folder."""

    def __init__(self, folder: Path, settings: Settings, *, accept_new: bool = False) -> None:
        self.state = State(folder)
        self.issuers = self.state.create_issuer("cloud")
        if not accept_new:
            self.state.enroll(GATEWAY)
        self.events: list[Event] = []
        self._settings = settings
        self._backend = Backend(
            replace(settings, client_id="backend"),
            self.state,
            clock=SystemClock(),
            disk=Disk(),
            report=self.events.append,
            accept_new=accept_new,
        )
        self.service = Service("backend", self._backend.run, (LinkDown,))

    def order(self, gateway: str = GATEWAY, **changed: Any) -> OrderRecord:
        fields: dict[str, Any] = {
            "epoch": 1,
            "scope": Scope(cameras=("front",)),
            "form": Form.POINT,
            "ground": Ground.OWNERS_CHOICE,
            "clock": SystemClock(),
            "random_bytes": os.urandom,
        }
        return issue(self.state, gateway=gateway, **{**fields, **changed})

    async def send(self, *orders: OrderRecord) -> None:
        async with connect(replace(self._settings, client_id="sender", session_seconds=0)) as connection:
            for order in orders:
                await send(connection, order, SystemClock())

    def kinds(self, order: OrderRecord) -> list[str]:
        return [event.kind for event in self.events if event.order == order.id and not event.duplicate]

    def saw(self, event: str) -> list[Event]:
        return [seen for seen in self.events if seen.event == event]
