"""What a person's consent touches, with real parts: people, consents, journal, erasure, a vault, the issuer."""

import os
from pathlib import Path
from typing import Any

from agent.consent.contract import ConsentBody
from agent.consent.desk import ConsentDesk
from agent.consent.gates import Gates
from agent.local_orders import LocalIssuer
from agent.people.register import Person, PersonRegister
from camera.picture import Picture
from camera.vault.retention import Limits
from camera.vault.tags import Tags
from camera.vault.vault import Vault
from privacy import entries
from privacy.consent_text import Kind, texts
from privacy.consents import Consents
from privacy.erasure import Eraser
from privacy.hold import Role
from privacy.holds import Holds
from privacy.journal import Journal
from privacy.orders import PurgeOrder
from privacy.policy import policies
from privacy.receipts import Receipt, verify_receipt
from privacy.signing import SigningKey
from privacy.store import Barrier, Disk, Store

AUDIENCE = "gw-1/1"
PICTURE = Picture(b"\xff\xd8\xffimage", b"\xff\xd8\xffthumb", 640, 480)
RULES = policies()
TEXTS = texts(RULES)


def agreed(kind: Kind = Kind.CAMERA, language: Any = "nb") -> ConsentBody:
    """To the text that is shown now."""
    return ConsentBody(kind=kind, version=TEXTS[kind].newest.number, language=language)


class ConsentHouse:
    """Kari and Ola live here. `start` again is a restart; what is not told to be carried out waits in the journal."""

    def __init__(self, folder: Path, ground: Any, disk: Disk, clock: Any) -> None:
        self.folder, self.disk, self.clock = folder, disk, clock
        self.keys, self.ring, self.time = ground.keys, ground.ring, ground.time
        self.receipt_key, self.local_key = SigningKey.generate(), SigningKey.generate()
        self.recorded: list[entries.Entry] = []
        self.start()
        for id_ in ("kari", "ola"):
            assert self.register.put(Person(id_, clock.now(), Role.RESIDENT, id_.title(), lives_here=True))

    def start(self) -> None:
        self.barrier = Barrier(self.clock)
        self.journal = Journal(self.folder / "journal", self.keys, self.ring)
        self.register = PersonRegister(self.folder / "people", self.ring, self.time.moment, self.barrier)
        self.store = Consents(self.folder / "consents", self.ring, self.time.moment, self.barrier)
        self.vault = Vault(
            self.folder / "vault",
            ring=self.ring,
            time=self.time,
            holds=Holds(self.folder / "holds", self.ring, self.barrier, self.time, os.urandom),
            barrier=self.barrier,
            tags=Tags(self.folder / "tags", self.ring, self.time.moment),
            limits=Limits(),
            random_bytes=os.urandom,
        )
        self.stores: list[Store] = [self.vault, self.register, self.store]
        self.eraser = Eraser(
            stores=self.stores,
            journal=self.journal,
            key=self.receipt_key,
            issuer=AUDIENCE,
            software="0",
            barrier=self.barrier,
            disk=self.disk,
            clock=self.clock,
            observe=self.observe,
            change=self.ring.change,
        )
        self.issuer = LocalIssuer(
            key=self.local_key,
            audience=AUDIENCE,
            journal=self.journal,
            eraser=self.eraser,
            clock=self.clock,
            random_bytes=self.keys.random_bytes,
        )
        self.gates = Gates(RULES)
        self.desk = ConsentDesk(
            store=self.store,
            register=self.register,
            gates=self.gates,
            texts=TEXTS,
            policies=RULES,
            erase=self.issuer.erase,
            disk=self.disk,
            clock=self.clock,
            age=self.time.age,
            record=self.recorded.append,
        )

    async def observe(self, order: PurgeOrder, kind: str, receipt: Receipt) -> None:
        await self.desk.refresh()

    def keep(self, camera: str, *subjects: str) -> str:
        """A picture is taken now; its id."""
        snapshot = self.vault.append(camera, self.time.now(), PICTURE, frozenset(subjects))
        assert snapshot
        self.clock.move(seconds=1)
        return snapshot.id

    def orders(self) -> list[PurgeOrder]:
        return self.journal.unfinished()

    def receipts(self) -> list[Receipt]:
        return [verify_receipt(one.jws, self.receipt_key.public_jwk()) for one in self.journal.receipts()]
