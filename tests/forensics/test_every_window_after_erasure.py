"""Every 32 bytes of a medium on which orders were carried out, tried as a key: nothing that they named opens.

What lives does open: the root key and the root's secret lie there, as they must on a medium without a TPM.
"""

from pathlib import Path

import pytest

from tests.forensics import judge
from tests.forensics.attacker import Attack, Carved, Loot, attack
from tests.forensics.every_window import WINDOW, every_window, targets, windows
from tests.forensics.image import blank
from tests.forensics.neighbour import KeyBook, Told, neighbour
from tests.privacy.format_records import sealed_order

pytestmark = [pytest.mark.root, pytest.mark.deep, pytest.mark.timeout(3600)]
LAST = 2
"""The last order: the one after it takes all there is."""


def erased(folder: Path) -> tuple[bytes, Told]:
    """The medium, and behind it what lies on it in several pieces."""
    told = Told(KeyBook())
    with blank(folder) as medium, neighbour() as house:
        for about, *what in house.run(told, "live", medium):
            if [about, *what] == ["done", LAST]:
                cut = medium.cut()
                return cut + medium.scattered(cut), told
    raise AssertionError("it ended before")


def everything_that_opens(image: bytes, told: Told) -> Loot:
    journal = attack(image, [told.keys.root]).of("order-journal")
    carved = Carved(image)
    passed, slots = every_window(carved, [order[1] for line in journal if (order := sealed_order(line))])
    return Attack(carved).run({told.keys.root, *passed}, slots)


def test_no_window_opens_what_was_erased(tmp_path: Path) -> None:
    image, told = erased(tmp_path)
    loot = everything_that_opens(image, told)
    assert judge.opened(loot, LAST) == []
    assert not told.keys.dead & loot.keys.keys()


def test_a_dead_key_that_lies_about_would_be_found(tmp_path: Path) -> None:
    image, told = erased(tmp_path)
    keys = [key for key in told.keys.dead if len(key) == WINDOW]
    carved = Carved(image + b"?" + b"?".join(keys))
    found = windows(carved.image, targets(carved), len(image), len(carved.image))
    wrong = judge.opened(Attack(carved).run({told.keys.root, *found}), LAST)
    assert "picture-13.10.40/image can be read in ['image']" in wrong
