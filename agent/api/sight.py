"""The house as one caller may see it: each section, each device and each camera is asked about."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from agent.api.asks import Question
from agent.api.contract import CameraView, DeviceView, House, Section, SnapshotView, State
from agent.api.permission import Answer, Caller, Permission
from agent.rights.actions import Action
from agent.rights.decision import Allowed
from agent.rights.target import HOME, Target

SECTIONS: Final[Mapping[Section, Action]] = {
    "time": Action.READ_HEALTH,
    "link": Action.READ_HEALTH,
    "services": Action.READ_DIAGNOSTICS,
    "holds": Action.READ_HOLDS,
    "devices": Action.READ_DEVICES,
    "found": Action.MANAGE_DEVICES,
    "cameras": Action.VIEW_PICTURES,
    "snapshots": Action.VIEW_PICTURES,
    "receipts": Action.READ_RECEIPTS,
    "log": Action.READ_LOG,
}
"""What it takes to see a section; of devices, cameras and snapshots, for each by itself."""


def _of_device(view: DeviceView) -> Target:
    return Target(devices=(view.id,))


def _of_camera(view: CameraView) -> Target:
    return Target(cameras=(view.id,))


def _of_snapshot(view: SnapshotView) -> Target:
    return Target(cameras=(view.camera,), moment=view.at)


_PLACES: Final[Mapping[Section, Callable[[Any], Target]]] = {
    "devices": _of_device,
    "cameras": _of_camera,
    "snapshots": _of_snapshot,
}


class Sight:
    """What one caller sees. Who may not see a section sees it empty."""

    def __init__(self, house: House, permission: Permission, caller: Caller) -> None:
        self._house = house
        self._permission = permission
        self._caller = caller

    def state(self) -> State:
        """Everything that may be seen, now."""
        state, answer = self._house.state(), self._permission.of(self._caller)
        seen = {name: _seen(name, getattr(state, name), answer) for name in SECTIONS}
        return msgspec.structs.replace(state, **seen)

    def section(self, section: Section) -> object:
        """One field of `state()`, without making the others."""
        return _seen(section, self._house.section(section), self._permission.of(self._caller))

    @property
    def lasts(self) -> bool:
        """Whether the caller may still see anything at all."""
        return _may(self._permission.of(self._caller), Action.READ_HEALTH, HOME)

    def changes(self) -> AsyncIterator[frozenset[Section]]:
        """As `House.changes`."""
        return self._house.changes()


SightOf = Callable[[web.Request], Sight]


def _seen(section: Section, value: object, answer: Answer) -> object:
    if not isinstance(value, tuple):
        return value  # the time and the link, which say nothing of anybody
    if section == "devices" and _may(answer, SECTIONS[section], HOME):
        return value  # who may see the whole home may see each of its devices: there may be hundreds
    target_of = _PLACES.get(section, lambda _view: HOME)
    return tuple(view for view in value if _may(answer, SECTIONS[section], target_of(view)))


def _may(answer: Answer, action: Action, target: Target) -> bool:
    return isinstance(answer(Question(action, target)), Allowed)
