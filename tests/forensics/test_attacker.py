"""The attacker is worth something: it opens every leak that is made on purpose, and nothing where there is none."""

import base64
import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from tests.forensics.attacker import attack, read_time
from tests.forensics.writer import Writer, expand, metadata, picture_key, slot, table_key
from tests.privacy.format_records import Slot, kek, places, slot_at

GENERATION = 6
ORDER = b"eyJ the text of an order"
NOISE = random.Random(4)


@dataclass
class Plot:
    """A medium with one of everything, and the keys to it."""

    image: bytes
    keys: dict[str, bytes]
    pictures: list[bytes]
    writer: Writer


def jpeg(number: int) -> bytes:
    return b"\xff\xd8\xff\xe0 picture " + str(number).encode() + bytes(300)


def block(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4096)


def plot(cipher: int = 1, *, secret: bytes = b"", with_slot: bool = True) -> Plot:
    writer = Writer(cipher)
    new = writer.new
    secret = secret or new(65_536)
    names = ("segment", "old segment", "page", "spool", "operation-log", "device-register", "root", "order")
    keys = {name: new(32) for name in names} | {"table": table_key(GENERATION, secret), "secret": secret}
    segment, thinned, page_file = new(16), new(16), new(16)
    records = [new(16) for _ in range(4)]
    pictures = [jpeg(number) for number in range(4)]
    sealed = [
        writer.picture(id_, keys[key], record, [metadata(number), b"\xff\xd8\xff small", pictures[number]])
        for number, (id_, key, record) in enumerate(
            zip([segment] * 2 + [thinned] * 2, ["segment"] * 2 + ["old segment"] * 2, records, strict=True)
        )
    ]
    # Of the second segment, one picture survived in a page.
    keys["survivor"] = picture_key(keys["old segment"], records[3])
    page = writer.page(keys["page"], page_file, thinned, {records[3]: keys["survivor"]})
    entries = [
        writer.segment_entry(segment, keys["segment"]),
        writer.segment_entry(thinned, keys["page"], [page_file, 28, len(page), 1]),
        writer.entry(new(16), "spool", keys["spool"], ["0000000001", None]),
    ]
    order = base64.b64encode(writer.seal(keys["order"], b"portvakt/v1/order", ORDER)).decode()
    intent = json.dumps({"type": "intent", "key": new(16).hex(), "sealed": order}).encode()
    lines = [
        ["key", writer.entry(new(16), "operation-log", keys["operation-log"], ["2026-03-01T12", None])],
        ["note", "time", b"later"],
        ["key", writer.entry(new(16), "device-register", keys["device-register"], ["", None])],
    ]
    about = [None, "front", None, ["kari"]]
    files = [
        slot(GENERATION, secret) if with_slot else b"",
        writer.table(GENERATION, keys["table"], entries, lines),
        writer.file_head(b"PVSG", segment) + sealed[0] + sealed[1],
        writer.file_head(b"PVSG", thinned) + sealed[2] + sealed[3],
        writer.file_head(b"PVPG", page_file) + page,
        writer.log(keys["spool"], "spool", [msgspec.msgpack.encode([about, "a line"])]),
        writer.log(keys["operation-log"], "operation-log", [b"\x84 an entry"]),
        writer.log(keys["device-register"], "device-register", [b'{"id":"lamp-1"}']),
        Writer(1).log(expand(keys["root"], b"order-journal"), "order-journal", [intent]),
    ]
    noise = [NOISE.randbytes(4096) for _ in files]
    image = b"".join(before + block(file) for before, file in zip(noise, files, strict=True))
    return Plot(image, keys, pictures, writer)


@pytest.mark.parametrize("cipher", [1, 2])
def test_a_slot_opens_everything_that_hangs_on_it(cipher: int) -> None:
    made = plot(cipher)
    loot = attack(made.image)
    assert loot.of("image") == {made.pictures[number] for number in (0, 1, 3)}
    assert {read_time(text) % 10 for text in loot.of("metadata")} == {0, 1, 3}
    assert loot.of("thumbnail") == {b"\xff\xd8\xff small"}
    assert loot.of("operation-log") == {b"\x84 an entry"}
    assert loot.of("device-register") == {b'{"id":"lamp-1"}'}
    assert len(loot.of("spool")) == len(loot.of("table")) == len(loot.of("page")) == 1
    assert len(loot.of("line")) == 3
    assert not loot.of("order-journal")
    known = {made.keys[name] for name in ("segment", "page", "survivor", "spool", "operation-log", "device-register")}
    assert known <= loot.keys.keys()
    assert not {made.keys["old segment"], made.keys["root"]} & loot.keys.keys()


def test_a_slot_of_hardware_lies_elsewhere() -> None:
    secret = bytes(range(100, 132))
    made = plot(secret=secret, with_slot=False)
    assert not attack(made.image).plains
    assert attack(made.image, secrets=[Slot(GENERATION, secret)]).of("image")
    assert slot_at(slot(GENERATION, secret), 0) == Slot(GENERATION, secret)


def test_nothing_opens_without_a_key_or_with_a_wrong_one() -> None:
    made = plot(with_slot=False)
    assert attack(made.image, [NOISE.randbytes(32)]).plains == set()
    assert attack(made.image, secrets=[Slot(GENERATION, NOISE.randbytes(65_536))]).plains == set()
    assert attack(NOISE.randbytes(1 << 20)).plains == set()


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("segment", {"metadata": 2, "thumbnail": 1, "image": 2}),
        ("old segment", {"metadata": 2, "thumbnail": 1, "image": 2}),
        ("survivor", {"metadata": 1, "thumbnail": 1, "image": 1}),
        ("page", {"page": 1, "metadata": 1, "thumbnail": 1, "image": 1}),
        ("spool", {"spool": 1}),
        ("operation-log", {"operation-log": 1}),
        ("device-register", {"device-register": 1}),
        ("root", {"order-journal": 1}),
        ("table", {"table": 1, "line": 3, "image": 3, "spool": 1}),
    ],
)
@pytest.mark.parametrize("cipher", [1, 2])
def test_a_key_that_leaked_opens_what_is_its_own(name: str, opens: dict[str, int], cipher: int) -> None:
    made = plot(cipher, with_slot=False)
    loot = attack(made.image, [made.keys[name]])
    found = {what: len(loot.of(what)) for what in {plain.what for plain in loot.plains}}
    assert found | opens == found
    assert name == "table" or found == opens


@pytest.mark.parametrize("cipher", [1, 2])
def test_the_text_of_an_order_needs_both_its_keys(cipher: int) -> None:
    made = plot(cipher, with_slot=False)
    for names, found in (
        (["root"], set()),
        (["order"], set()),
        (["root", "order"], {ORDER}),
        (["order", "root"], {ORDER}),
    ):
        assert attack(made.image, [made.keys[name] for name in names]).of("order") == found


def test_a_secret_or_kek_among_the_candidates_opens_its_table() -> None:
    secret = bytes(range(32))
    made = plot(secret=secret, with_slot=False)
    assert attack(made.image, [secret]).of("image")
    assert attack(made.image, [kek(GENERATION, secret)]).of("image")


@pytest.mark.parametrize("cipher", [1, 2])
def test_a_page_in_the_clear_is_read(cipher: int) -> None:
    made = plot(cipher, with_slot=False)
    records = [made.image[at + 4 : at + 20] for at in places(made.image, b"PVSR")][2:]
    keys = [picture_key(made.keys["old segment"], record) for record in records]
    plain = b"".join(records) + b"".join(key[:16] for key in keys) + b"".join(key[16:] for key in keys)
    assert attack(made.image + NOISE.randbytes(77) + plain).of("image") == set(made.pictures[2:])
    assert not attack(made.image + NOISE.randbytes(77) + plain[:-17]).of("image")


def _torn_segment(image: bytes) -> bytes:
    """The head of the first segment is gone."""
    at = image.index(b"PVSG")
    return image[:at] + bytes(28) + image[at + 28 :]


def _torn_table(image: bytes) -> bytes:
    """The end of the table's last line is gone."""
    at = image.rindex(b"PVKL") + 60
    return image[:at] + bytes(4096 - at % 4096) + image[at + 4096 - at % 4096 :]


def _scattered(image: bytes) -> bytes:
    """The page lies three blocks behind the head of its file."""
    at = image.index(b"PVPG")
    page, behind = image[at + 28 : at + 200], at + 3 * 4096 + 28
    image = image[: at + 28] + bytes(172) + image[at + 200 :]
    return image + bytes(-len(image) % 4096) + bytes(28) + page if behind else image


@pytest.mark.parametrize(("damage", "left"), [(_torn_segment, 3), (_torn_table, 3), (_scattered, 3)])
def test_damage_hides_little(damage: Callable[[bytes], bytes], left: int) -> None:
    made = plot()
    image = damage(made.image)
    assert image != made.image
    assert len(attack(image).of("image")) == left


def test_half_a_picture_is_read_without_its_tag() -> None:
    made = plot()
    at = made.image.index(b"PVSR")
    cut = at + 200  # in the first image
    image = made.image[:cut] + NOISE.randbytes(50) + made.image[cut + 50 :]
    halves = [text for text in attack(image).of("image") if text not in made.pictures]
    assert len(halves) == 1
    assert halves[0].startswith(jpeg(0)[:20])


def test_a_table_that_was_overwritten_leaves_lines_behind() -> None:
    """The next generation's table, written in place, is shorter than the one before."""
    made = plot(with_slot=False)
    at = made.image.index(b"PVKT")
    line = made.image.index(b"PVKL")
    newer = made.writer.table(GENERATION + 1, made.writer.new(32), [], [])
    assert len(newer) < line - at
    image = made.image[:at] + newer + made.image[at + len(newer) :]
    loot = attack(image, [made.keys["table"]])
    assert not loot.of("table")
    assert loot.of("operation-log") == {b"\x84 an entry"}
    assert struct.pack(">Q", GENERATION) not in loot.of("line")
