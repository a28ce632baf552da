"""A key that lies about in an image is found at whatever offset, and in whatever form."""

import base64
import random
from collections.abc import Callable

import pytest

from tests.forensics.attacker import Attack, Carved, Loot, attack
from tests.forensics.every_window import every_window, file_secrets, targets, windows
from tests.forensics.test_attacker import GENERATION, Plot, plot
from tests.privacy.format_records import kek, sealed_order, two_keys

OPENS = {
    "segment": "image", "old segment": "image", "survivor": "image", "page": "page", "spool": "spool",
    "operation-log": "operation-log", "device-register": "device-register", "table": "table", "secret": "table",
    "KEK": "table",
}  # fmt: skip


@pytest.fixture(scope="module", params=[1, 2])
def made(request: pytest.FixtureRequest) -> Plot:
    return plot(request.param, secret=random.Random(7).randbytes(32), with_slot=False)


@pytest.mark.parametrize("name", OPENS)
def test_a_key_that_lies_about_is_found(name: str, made: Plot) -> None:
    key = kek(GENERATION, made.keys["secret"]) if name == "KEK" else made.keys[name]
    assert found_behind(made, key).of(OPENS[name])


def test_what_picture_keys_are_made_with_is_found(made: Plot) -> None:
    assert len(found_behind(made, b"".join(two_keys(made.keys["segment"]))).of("image")) == 2


@pytest.mark.parametrize("form", [lambda key: key.hex().encode(), base64.b64encode, base64.urlsafe_b64encode])
def test_also_in_text(form: Callable[[bytes], bytes], made: Plot) -> None:
    assert found_behind(made, form(made.keys["segment"])).of("image")


def found_behind(made: Plot, planted: bytes) -> Loot:
    """What opens by a key that is planted behind all records, in noise, where alone keys are looked for."""
    noise = random.Random(9).randbytes
    carved = Carved(made.image + noise(301) + planted + noise(300))
    return Attack(carved).run(windows(carved.image, targets(carved), len(made.image), len(carved.image)))


def test_the_key_to_the_text_of_an_order_is_found(made: Plot) -> None:
    sealed = [
        order for line in attack(made.image, [made.keys["root"]]).of("order-journal") if (order := sealed_order(line))
    ]
    key = made.keys["order"]
    aim = targets(Carved(made.image), [text for _, text in sealed])
    assert len(aim.orders) == 1
    assert windows(b"\1" + key, aim, 0, 2) == {key}
    assert not windows(b"\1" + key, targets(Carved(made.image)), 0, 2)


def test_a_secret_of_a_slot_without_its_head_is_found() -> None:
    made = plot(with_slot=False)
    carved = Carved(made.image + bytes(-len(made.image) % 512) + made.keys["secret"])
    slots = file_secrets(carved.image, targets(carved), 0, len(carved.image))
    assert Attack(carved).run((), slots).of("image")


def test_nothing_is_found_where_no_key_lies() -> None:
    carved = Carved(plot(with_slot=False).image)
    passed, slots = every_window(carved)
    assert not Attack(carved).run(passed, slots).plains
