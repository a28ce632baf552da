"""After an order nothing on the raw medium says what was erased, and everything else is there.

Each of four orders in turn is carried out by the product on an ext4 of its own; then the image is searched as it lies
there, and attacked with what lies in it and with every key that survived.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from privacy.audit import verify_log
from tests.forensics import judge
from tests.forensics.attacker import attack
from tests.forensics.image import Medium, blank
from tests.forensics.neighbour import KeyBook, Neighbour, Told, neighbour
from tests.forensics.planted import ORDERS

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

WRONG = {
    "keeps the old slot": "2 slots hold a secret",
    "unlinks and forgets nothing": "can be read in ['image']",
    "names somebody in the index": "ola-5c1e77a20b lies in the clear",
    "leaves a copy of the table": "keys/table.a.new is left",
    "seals under the root key": "can be read in ['image']",
    "keeps the text of orders": "ola-5c1e77a20b can be read in ['order']",
}
"""What it is caught by. What hides between two steps is for `test_cut_during_erasure.py`."""


@pytest.fixture(scope="module")
def house() -> Iterator[Neighbour]:
    with neighbour() as made:
        yield made


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Medium]:
    with blank(tmp_path) as made:
        yield made


def lived(house: Neighbour, medium: Medium, variant: str = "") -> Generator[tuple[int, list[str]], None, None]:
    """What is wrong after planting (-1), and after each order."""
    told = Told(KeyBook())
    for about, *what in house.run(told, "live", medium, variant=variant):
        done = what[0] if what else -1
        if about in {"planted", "done"}:
            yield done, problems(medium, told, done)


def problems(medium: Medium, told: Told, done: int) -> list[str]:
    image, keys = medium.cut(), told.keys
    wrong = judge.in_the_clear(image, keys) + judge.strangers(medium.root / "state")
    files = medium.scattered(image)
    loot = attack(image + files, [keys.root])
    wrong += judge.opened(loot, done) + judge.dead_keys(loot, keys)
    with_all = attack(image + files, [keys.root, *keys.living])
    wrong += [f"with every living key: {line}" for line in judge.opened(with_all, done)]
    if done >= 0:
        receipts = verify_log(told.receipts, told.public)
        if [receipt.kind for receipt in receipts] != ["erased", "verified"] * (done + 1):
            wrong.append(f"there are {len(receipts)} receipts")
        wrong += [f"{receipt.order.id} is not complete" for receipt in receipts if not receipt.complete]
    return wrong


def test_an_order_leaves_nothing_of_what_it_names_and_all_else(house: Neighbour, medium: Medium) -> None:
    found = dict(lived(house, medium))
    assert found == {number: [] for number in range(-1, len(ORDERS))}


def test_the_dead_bytes_lie_there_still_and_their_keys_would_open_them(house: Neighbour, medium: Medium) -> None:
    """Else nothing above would prove anything."""
    told = Told(KeyBook())
    for words in house.run(told, "live", medium):
        if words == ["done", 0]:
            found = judge.opened(attack(medium.cut(), told.keys.dead), 0)
    readable = {line.split()[0] for line in found if "can be read" in line}
    assert {"picture-13.10.40/image", "picture-12.30.20/time", "entry-14.15.15/password"} <= readable


@pytest.mark.parametrize("variant", WRONG)
def test_a_house_that_is_wrong_is_caught(house: Neighbour, medium: Medium, variant: str) -> None:
    with closing(lived(house, medium, variant)) as lives:
        assert any(WRONG[variant] in line for _, wrong in lives for line in wrong)
