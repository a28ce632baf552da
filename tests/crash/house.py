"""A house that dies: the real storage and eraser in a process that kills itself at a chosen step towards the disk.

A program: it reads one request a line from stdin, forks for each, and answers with one line when that child has ended.
Forking is what keeps hundreds of deaths cheap. Requests and answers are those of `Request` and `Answer`.
"""

import gc
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from agent.errors import ConfigInvalid
from privacy.errors import StoreBroken
from privacy.key_root import Root
from privacy.keystore.contract import Held
from privacy.keystore.nvram import Nvram
from privacy.orders import PurgeOrder, sign_order, verify_order
from privacy.signing import SigningKey, Trust
from tests.crash.fate import Fate
from tests.crash.life import ORDERED, PERSONS, SCOPE, SLOTS, HandClock, Request, Tell, lived, order_claims
from tests.crash.variants import VARIANTS, Variant

START_AGAIN = 75
PAGE = 4096


class Answer(msgspec.Struct, kw_only=True):
    """What became of it. `told` is what it had said to the outside when it ended."""

    ended: int
    """Exit status, or minus the signal."""
    told: list[Any]
    errors: str


def _child(request: Request, order: PurgeOrder, told: int) -> int:
    write = os.write

    def tell(*words: object) -> None:
        write(told, msgspec.json.encode(words) + b"\n")

    variant = VARIANTS[request.variant] if request.variant else Variant()
    chip = SLOTS if request.root == "nvram" else None
    fate = Fate(Path(request.state), request.step, request.befalls, deaf=variant.deaf, chip=chip)
    fate.install()
    _tell_secrets(tell)
    if chip:
        _mount_sysfs(Path(request.state))
    variant.install()
    try:
        house = variant.house(request, order, tell)
    except (StoreBroken, ConfigInvalid) as error:
        tell("broken", str(error))
        tell("steps", fate.steps)
        return START_AGAIN
    lived(house, request.do)
    tell("steps", fate.steps)
    return 0


def _tell_secrets(tell: Tell) -> None:
    """Of each secret that is drawn for a slot, what may be looked for: 32 bytes of every fourth page."""
    drawn = Root._drawn

    def told(root: Root, generation: int) -> Held:
        held = drawn(root, generation)
        secret = held.secret
        tell("secret", [secret[at : at + 32].hex() for at in range(0, len(secret), 4 * PAGE)])
        return held

    Root._drawn = told  # type: ignore[method-assign]


def _mount_sysfs(state: Path) -> None:
    """As if the files of devices were there."""
    begin = Nvram.__init__
    Nvram.__init__ = lambda nvram, path: begin(nvram, path, sysfs=state)  # type: ignore[method-assign]


def _forked(request: Request, order: PurgeOrder) -> Answer:
    heard, told = os.pipe()
    errors = Path(request.state + ".errors")
    child = os.fork()
    if child == 0:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        status = 1
        try:
            status = _child(request, order, told)
        except BaseException:  # noqa: BLE001 - it must not get back into the parent's loop
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(told)
    with os.fdopen(heard, "rb") as pipe:
        lines = [msgspec.json.decode(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    text = errors.read_text()
    errors.unlink()
    return Answer(ended=os.waitstatus_to_exitcode(status), told=lines, errors=text)


def main() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    key = SigningKey.generate()
    trust = Trust.from_jwks({"keys": [{**key.public_jwk(), "issuer": "cloud"}]})
    orders = [
        verify_order(
            sign_order(key, order_claims(scope)).encode(),
            audience="gw-1/1",
            trust=trust,
            clock=HandClock("A", ORDERED),
        )
        for scope in (SCOPE, PERSONS)
    ]
    gc.freeze()  # what a child only reads stays shared
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        answer = _forked(request, orders[request.do.startswith("person")])
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
