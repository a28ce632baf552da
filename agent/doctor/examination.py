"""All checks, in the order in which they are told."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from agent.api.contract import InventoryRow, State
from agent.config import check, load
from agent.doctor import keys, machine, medium, running, setup, vault
from agent.doctor.check import Check
from agent.doctor.machine import Machine
from agent.errors import AgentError

Ask = Callable[[Path | None], tuple[State, tuple[InventoryRow, ...]]]
"""Asks the running agent on the socket that the configuration names. Raises AgentError when it cannot."""


def examine(  # noqa: PLR0913 - where each answer comes from
    file: Path | None,
    ask: Ask,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
    *,
    machine_: Machine | None = None,
    thorough: bool = False,
) -> list[Check]:
    """All checks.

    Args:
        file: the configuration, None when there is none at hand.
        ask: asks the agent, if one runs.
        now: wall time.
        environ: where systemd names credentials.
        machine_: the machine; None: this one.
        thorough: open every picture.
    """
    here = machine_ or Machine()
    problems = check(file, environ) if file else []
    config = load(file, environ) if file and not problems else None
    answer: tuple[State, tuple[InventoryRow, ...]] | AgentError
    try:
        answer = ask(config.api.socket if config else None)
    except AgentError as error:
        answer = error
    runs = not isinstance(answer, AgentError)
    checks = list(setup.configuration(file, problems))
    if config:
        state = config.gateway.state_dir
        pid = here.locked_by(state / "lock")
        at_rest = pid is None and not runs
        ring = keys.Ring(config, at_rest=at_rest)
        checks += [
            *medium.state_directory(state),
            *medium.space(config),
            *medium.file_system(config, here),
            *keys.root_key(state),
            *ring.checks(),
            *vault.pictures(state, ring, at_rest=at_rest, thorough=thorough),
            *vault.strangers(state),
            *(vault.limits(config, ring, now) if at_rest else ()),
            *machine.memory(here, pid),
            *setup.secrets(config, environ),
            *setup.serial_ports(config),
        ]
    checks += machine.clock(now, here)
    if isinstance(answer, AgentError):
        mend = answer.hint or "systemctl status portvakt; journalctl -u portvakt"
        return [*checks, Check("agent", "fail", str(answer.args[0]), mend), *running.broker(config, None)]
    checked = running.checks(*answer, now)
    return [*checks, *checked, *running.broker(config, answer[0].link)]
