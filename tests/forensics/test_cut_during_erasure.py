"""The power goes at any step of an erasure: copies of the raw medium, each mounted and recovered by the product.

Copied before the order was durable, all is there. Copied later, nothing in its scope is readable after the recovery,
for the product or the attacker, and nothing else is lost. Where a receipt lies on the copy, nothing in scope was
readable even before that.
"""

import ctypes
import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest

from privacy.audit import verify_log
from privacy.errors import ReceiptInvalid
from tests.forensics import judge
from tests.forensics.attacker import attack
from tests.forensics.image import Medium, after_a_cut, blank
from tests.forensics.neighbour import KeyBook, Neighbour, Told, neighbour
from tests.forensics.planted import ORDERS

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

BOUNDED = 12
"""Copies that `make test` recovers."""


@dataclass(frozen=True)
class Cut:
    """A copy of the medium, and what had been said when it was made."""

    where: str
    image: bytes
    keys: KeyBook
    acknowledged: int
    """The number of the last order that was; -1: none."""


@pytest.fixture(scope="module")
def house() -> Iterator[Neighbour]:
    with neighbour() as made:
        yield made


def synced_alone(_medium: Medium) -> None:
    """What was not synced is lost."""


def all_written(medium: Medium) -> None:
    """The kernel has written everything back, as it may at any time."""
    fd = os.open(medium.root, os.O_RDONLY)
    try:
        assert not ctypes.CDLL(None, use_errno=True).syncfs(fd)
    finally:
        os.close(fd)


def cuts(
    house: Neighbour, medium: Medium, written: Callable[[Medium], None], variant: str = ""
) -> Generator[Cut, None, None]:
    """A copy before each step and after the last of every order, where it differs from the one before."""
    told, acknowledged, last = Told(KeyBook()), -1, b""
    for about, *what in house.run(told, "live", medium, pause=True, variant=variant):
        if about == "admitted":
            acknowledged = what[0]
            continue
        written(medium)
        image = medium.cut()
        if (digest := hashlib.sha256(image).digest()) != last:
            yield Cut(f"{about} {what}", image, told.keys.copy(), acknowledged)
        last = digest


def as_it_lies(medium: Medium, cut: Cut) -> list[str]:
    """What is wrong with a copy before anything recovers."""
    done, receipt = judge.ordered(medium.root / "state")
    wrong = ["an order was acknowledged and is not in the journal"] if done < cut.acknowledged else []
    # Whatever becomes of the order under way, those before it are done, and nothing that none names is lost.
    # Its own text dies last of all, when it has both receipts.
    loot = attack(cut.image + medium.scattered(cut.image), [cut.keys.root])
    loot.plains -= {plain for plain in loot.plains if plain.what == "order"}
    dying = {canary.label for canary, dies in judge.CANARIES.values() if dies == done}
    before = judge.opened(loot, done if receipt else done - 1)
    return wrong + [f"before: {line}" for line in before if receipt or line.split()[0] not in dying]


def problems(house: Neighbour, folder: Path, cut: Cut) -> list[str]:
    """What is wrong with a copy, as it is and when the product has recovered."""
    with after_a_cut(folder, cut.image) as medium:
        told = Told(cut.keys.copy())
        done, _ = judge.ordered(medium.root / "state")
        wrong = as_it_lies(medium, cut)
        for about, *_ in house.run(told, "recover", medium):
            assert about == "recovered"
            image = medium.cut()
            wrong += judge.in_the_clear(image, told.keys) + judge.strangers(medium.root / "state")
            loot = attack(image + medium.scattered(image), [told.keys.root])
            wrong += judge.opened(loot, done) + judge.dead_keys(loot, told.keys)
            wrong += judge.by_the_product(told.shown, done) + _receipts(told, done)
    return wrong


def _receipts(told: Told, done: int) -> list[str]:
    try:
        receipts = verify_log(told.receipts, told.public) if told.receipts else []
    except ReceiptInvalid as error:
        return [f"the receipts do not verify: {error}"]
    problems = [f"{receipt.order.id} is not complete" for receipt in receipts if not receipt.complete]
    if [receipt.kind for receipt in receipts] != ["erased", "verified"] * (done + 1):
        problems.append(f"there are {len(receipts)} receipts of {done + 1} orders")
    return problems


def all_problems(
    house: Neighbour, folder: Path, written: Callable[[Medium], None], variant: str = "", most: int | None = None
) -> Iterator[tuple[str, list[str]]]:
    """For each copy where it was made, and what is wrong with it; of all, `most` that lie evenly apart."""
    with blank(folder) as medium:
        made = list(cuts(house, medium, written, variant))
    chosen = made if most is None else [made[number * (len(made) - 1) // (most - 1)] for number in range(most)]
    for cut in chosen:
        yield cut.where, problems(house, folder, cut)


def test_a_cut_leaves_all_or_nothing(house: Neighbour, tmp_path: Path) -> None:
    found = dict(all_problems(house, tmp_path, synced_alone, most=BOUNDED))
    assert len(found) == BOUNDED
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("written", [synced_alone, all_written])
def test_a_cut_at_every_step_leaves_all_or_nothing(
    house: Neighbour, tmp_path: Path, written: Callable[[Medium], None]
) -> None:
    found = dict(all_problems(house, tmp_path, written))
    assert len(found) > 10 * len(ORDERS)
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


def test_a_receipt_before_the_commit_is_caught(house: Neighbour, tmp_path: Path) -> None:
    with blank(tmp_path) as medium, closing(cuts(house, medium, synced_alone, "receipt before the commit")) as all_cuts:
        made = list(takewhile(lambda cut: cut.where != "done [0]", all_cuts))
    caught = []
    for cut in reversed(made):
        with after_a_cut(tmp_path, cut.image) as medium:
            if caught := as_it_lies(medium, cut):
                break
    assert any("picture-13.10.40/image can be read" in line for line in caught)
