"""What is planted in a house: records, the canaries in each, and the orders that take them one after the other.

The house plants from this, and the judge looks for it; both make the same of it, in processes of their own.
"""

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from agent.canaries import Canary, read_canaries
from privacy.records import RecordClass, Scope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=8)
"""When the first order comes; the others come each a minute later."""
OLA = "ola-5c1e77a20b"
KARI = "kari-90d3f4e6a1"
PER = "per-2f8b61c97d"

ORDERS = (
    Scope(cameras=("front",), start=NOON + timedelta(minutes=20), end=NOON + timedelta(hours=2, minutes=40)),
    Scope(subjects=(OLA,)),
    Scope(
        classes=(RecordClass.OP_LOG, RecordClass.DEVICE),
        start=NOON + timedelta(hours=4, minutes=20),
        end=NOON + timedelta(hours=5, minutes=40),
    ),
    Scope(everything=True),
)
"""By camera and time, by person, by class and time, and all there is."""


@dataclass(frozen=True)
class Planted:
    """One record."""

    what: str
    """`picture`, `entry`, `foreign line`, `command`, `spooled line`, `device`, `claim`, `hold`."""
    at: datetime
    dies: int
    """The number of the order that takes it."""
    camera: str = "front"
    persons: tuple[str, ...] = ()
    """Of a picture: to whom the camera was assigned. Else whom it concerns."""
    tagged: tuple[str, ...] = ()
    text: str = ""
    image: bytes = field(default=b"", repr=False)
    thumbnail: bytes = field(default=b"", repr=False)

    @property
    def name(self) -> str:
        return f"{self.what}-{self.at:%H.%M.%S}".replace(" ", "-")

    @property
    def canaries(self) -> Iterator[str]:
        """Lines for `scan-image`. The first is what the product itself shows of it."""
        if self.what == "picture":
            yield f"{self.name}/image base64:{base64.b64encode(self.image).decode()}"
            yield f"{self.name}/thumbnail base64:{base64.b64encode(self.thumbnail).decode()}"
        elif self.text:
            name, password = self.text.split("|")
            yield f"{self.name}/name text:{name}"
            yield f"{self.name}/password text:{password}"
        if self.what not in {"claim", "hold"}:  # these say when they were made, which nobody chooses
            yield f"{self.name}/time time:{self.at.isoformat()}"


def _picture(hour: int, minute: int, dies: int, camera: str, *persons: str, tagged: tuple[str, ...] = ()) -> Planted:
    at = _at(hour, minute)
    new = random.Random(f"picture {camera} {hour} {minute}").randbytes
    image, thumbnail = (b"\xff\xd8\xff\xe0" + new(length) for length in (2900, 400))
    return Planted("picture", at, dies, camera, persons, tagged, image=image, thumbnail=thumbnail)


def _record(what: str, hour: int, minute: int, dies: int, *persons: str, camera: str = "front") -> Planted:
    """With a name and a password, as a careless program writes them into a log."""
    random_ = random.Random(f"{what} {hour} {minute}")
    words = f"Kamera på Ytrebygda {random_.randbytes(5).hex()}|hunter-{random_.randbytes(7).hex()}"
    return Planted(what, _at(hour, minute), dies, camera, persons, text=words)


def _at(hour: int, minute: int) -> datetime:
    """Of the day, at a second and a microsecond that nothing else has."""
    random_ = random.Random(hour * 60 + minute)
    return NOON.replace(hour=hour, minute=minute, second=random_.randrange(60), microsecond=random_.randrange(10**6))


PLANTED = (
    # Of the hours of a camera: one loses its end, one dies whole, one loses its beginning.
    _picture(12, 5, 3, "front"),
    _picture(12, 30, 0, "front"),
    _picture(12, 45, 0, "front"),
    _picture(13, 10, 0, "front", KARI),
    _picture(13, 30, 0, "front", KARI, tagged=(KARI,)),
    _picture(14, 10, 0, "front"),
    _picture(14, 50, 3, "front"),
    # Another camera at the same time.
    _picture(13, 15, 3, "garden", PER),
    # A person by tag, by claim and by assignment.
    _picture(9, 10, 1, "garden", tagged=(OLA,)),
    _picture(9, 20, 3, "garden", tagged=(PER,)),
    _picture(9, 30, 3, "garden"),
    _picture(10, 10, 1, "garden"),
    _picture(10, 40, 3, "garden"),
    _picture(15, 10, 1, "porch", OLA),
    Planted("claim", _at(10, 0), 1, "garden", (OLA,)),
    Planted("hold", _at(15, 30), 1, "garden", (OLA,)),
    Planted("hold", _at(15, 40), 3, "garden", (PER,)),
    # In each hour of the logs something stays; where the first dies, its time must not stay.
    _record("entry", 12, 25, 0),
    _record("entry", 12, 55, 3, camera="garden"),
    _record("entry", 14, 5, 3, camera="garden"),
    _record("entry", 14, 15, 0),
    _record("command", 15, 15, 1, OLA),
    _record("command", 15, 20, 3, PER),
    _record("foreign line", 16, 25, 2),
    _record("foreign line", 17, 50, 3),
    _record("spooled line", 13, 5, 0),
    _record("spooled line", 13, 50, 3, camera="garden"),
    _record("spooled line", 15, 25, 1, OLA),
    _record("spooled line", 17, 55, 3, PER),
    _record("device", 16, 40, 2),
    _record("device", 18, 10, 3),
)

PERSONS = {KARI: 0, OLA: 1, PER: 3}
"""Nothing of them is left after this order."""


def canaries() -> dict[str, tuple[Canary, int]]:
    """Every canary by its label, and the number of the order that takes it."""
    lines = [(line, planted.dies) for planted in PLANTED for line in planted.canaries]
    lines += [(f"{person} text:{person}", dies) for person, dies in PERSONS.items()]
    made = read_canaries("\n".join(line for line, _ in lines).encode(), "planted")
    return {canary.label: (canary, dies) for canary, (_, dies) in zip(made, lines, strict=True)}


def shown() -> set[str]:
    """The labels of what the product shows when everything is there."""
    return {next(planted.canaries).partition(" ")[0] for planted in PLANTED if planted.what not in {"claim", "hold"}}
