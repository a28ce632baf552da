"""An order about a person comes to its two receipts, whatever lies in the place of a sealed log."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.config.model import Config, Gateway, Vault
from agent.local_orders import LocalIssuer
from agent.register import Adoption
from agent.storage import Storage, open_storage
from camera.picture import Picture
from privacy.audit import verify_log
from privacy.entries import ForeignLine
from privacy.erasure import Eraser
from privacy.hold import Actor, Reason, Role
from privacy.receipts import Receipt
from privacy.records import Scope
from privacy.store import Disk

AUDIENCE = "gw-1/1"
HOUR = timedelta(hours=1)
OWNER = Actor("owner", Role.OWNER)
LOGS = ("tags", "holds", "devices", "operation-log")


class Box:
    """A state directory; `start` again is a restart."""

    def __init__(self, state: Path, clock: Any) -> None:
        self.state = state
        self._clock = clock
        self._disk = Disk()
        self.start()

    def start(self) -> Storage:
        gateway = Gateway(id="gw-1", state_dir=self.state)
        self.storage = open_storage(Config(version=1, gateway=gateway, vault=Vault(reserve_mb=0)), self._clock)
        return self.storage

    def stop(self) -> None:
        self.storage.vault.close()
        os.close(self.storage.lock)

    def keep(self, canary: str, *persons: str) -> str:
        picture = Picture(f"\xff\xd8\xff{canary}".encode("latin-1"), b"\xff\xd8\xff", 640, 480)
        shot = self.storage.vault.append("front", self._clock.now(), picture, frozenset(persons))
        assert shot
        return shot.id

    async def erase(self, scope: Scope) -> tuple[Receipt, Receipt]:
        """Order it as the page does, and carry it out."""
        storage = self.storage
        eraser = Eraser(
            stores=storage.stores,
            journal=storage.journal,
            key=storage.receipt_key,
            issuer=AUDIENCE,
            software="0",
            barrier=storage.barrier,
            disk=self._disk,
            clock=self._clock,
            observe=self._observe,
            change=storage.ring.change,
        )
        issuer = LocalIssuer(
            key=storage.local_key,
            audience=AUDIENCE,
            journal=storage.journal,
            eraser=eraser,
            clock=self._clock,
            random_bytes=os.urandom,
        )
        await issuer.erase(scope)
        await eraser.finish()
        assert storage.journal.unfinished() == []
        receipts = [receipt.jws for receipt in storage.journal.receipts()]
        erased, verified = verify_log(receipts, storage.receipt_key.public_jwk())
        assert (erased.kind, verified.kind) == ("erased", "verified")
        return erased, verified

    async def _observe(self, *_: object) -> None:
        """Nobody looks."""


@pytest.fixture
def box(tmp_path: Path, clock: Any) -> Iterator[Box]:
    """Pictures of Kari, by assignment and by a tag, and one of Ola; and something in every log."""
    box = Box(tmp_path / "state", clock)
    storage = box.storage
    box.assigned, box.tagged, box.ola = box.keep("1", "kari"), box.keep("2"), box.keep("3", "ola")
    storage.vault.tag("kari", [box.tagged])
    storage.vault.flush()
    storage.holds.place(Reason.DISPUTE, Scope(cameras=("garden",)), OWNER, clock.now() + 24 * HOUR)
    storage.register.add(Adoption("lamp", "homekit", clock.now(), {}))
    storage.operation_log.append([ForeignLine(clock.now(), "a program", "a line")])
    clock.move(seconds=10)
    yield box
    box.stop()


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[3] ^= 1
    file.write_bytes(data)


def replace_by_notes(file: Path) -> None:
    file.write_bytes(b"somebody else's notes, which are long enough")


def replace_by_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("running", [False, True], ids=["after a restart", "while it runs"])
@pytest.mark.parametrize("name", LOGS)
async def test_with_a_flipped_bit_in_the_head_nothing_is_forgotten(
    box: Box,
    name: str,
    running: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    (file,) = (box.state / name).iterdir()
    flip(file)
    if not running:
        box.stop()
        box.start()
    erased, verified = await box.erase(Scope(subjects=("kari",)))
    storage = box.storage
    assert verified.complete
    (pictures,) = (line for line in erased.stores if line.store == "snapshots")
    assert (pictures.erased, pictures.left, pictures.by) == (2, 0, {"assigned": 1, "tagged": 1, "claimed": 0})
    assert [storage.vault.image(shot) is None for shot in (box.assigned, box.tagged, box.ola)] == [True, True, False]
    assert len(storage.holds.active()) == len(storage.register.all()) == 1
    assert len(list(storage.operation_log.export(Scope(everything=True)))) == 1


@pytest.mark.parametrize("running", [False, True], ids=["after a restart", "while it runs"])
@pytest.mark.parametrize("lay", [replace_by_notes, replace_by_a_pipe])
@pytest.mark.parametrize("name", LOGS)
async def test_with_something_else_in_its_place_its_key_dies_and_the_order_goes_on(
    box: Box,
    name: str,
    lay: Callable[[Path], None],
    running: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    (file,) = (box.state / name).iterdir()
    (entry,) = (entry.id for entry in box.storage.ring.all() if entry.id.hex() == file.stem)
    lay(file)
    before = file.lstat()
    if not running:
        box.stop()
        box.start()
    _, verified = await box.erase(Scope(subjects=("kari",)))
    storage = box.storage
    assert verified.complete
    assert entry not in {living.id for living in storage.ring.all()}
    assert [storage.vault.image(shot) is None for shot in (box.assigned, box.ola)] == [True, False]
    after = file.lstat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    # And the other logs are as they were.
    assert len(storage.holds.active()) == (name != "holds")
    assert len(storage.register.all()) == (name != "devices")
    assert len(list(storage.operation_log.export(Scope(everything=True)))) == (name != "operation-log")
