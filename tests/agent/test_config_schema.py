"""The published schema, the decoder and the places of keys agree with each other, whatever the document."""

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import given
from hypothesis import strategies as st

from agent.config import checks, loading, schema, shape, strays
from agent.config.document import Document, Table
from agent.config.positions import Positions
from agent.config.problems import Keys

HOUSE: dict[str, Any] = {
    "version": 1,
    "gateway": {"id": "gw-1", "epoch": 1, "state_dir": "state", "systems": ["smart_home"]},
    "controller": {"name": "Kari", "contact": "kari@example.org"},
    "keys": {"root": "nvram", "path": "/dev/nvram", "tcti": "t"},
    "vault": {"quota_mb": 0, "reserve_mb": 256},
    "api": {"port": 0, "socket": "s"},
    "discovery": {"interfaces": ["eth0"]},
    "lan": {"port": 8443, "addresses": ["192.0.2.1"]},
    "cloud": {
        "host": "h",
        "port": 1,
        "order_keys_file": "o",
        "tls": {"ca_file": "a", "cert_file": "c", "key_file": "k"},
    },
    "household": {"registry_file": "r"},
    "log": {"keep_hours": 72},
    "serial": [
        {"port": "p", "baudrate": 9600, "parity": "N", "unit": [{"address": 1, "id": "a", "name": "n", "map": "m"}]}
    ],
    "camera": [
        {
            "id": "c",
            "name": "n",
            "url": "http://c/",
            "username": "u",
            "password_file": "p",
            "credential": "c",
            "interval_seconds": 0.2,
            "keep_seconds": 604_800,
            "masks": [{"left": 0, "top": 0, "width": 0.25, "height": 1.0}],
            "subjects": ["s"],
        }
    ],
}


def leaves(value: object, at: Keys = ()) -> Iterator[Keys]:
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from leaves(item, (*at, key))


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-1, 700_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1, 100).map(round).map(float),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=90),
    st.dates(),
    st.just([]),
    st.just({}),
    st.lists(st.integers(0, 1), max_size=5),
)
GONE = object()


def mutated(at: Keys, new: object) -> dict[str, Any]:
    house = copy.deepcopy(HOUSE)
    holder: Any = house
    for key in at[:-1]:
        holder = holder[key]
    if new is GONE:
        del holder[at[-1]]
    else:
        holder[at[-1]] = new
    return house


def test_the_schema_is_a_schema_and_knows_every_key() -> None:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    assert list(jsonschema.Draft202012Validator(made).iter_errors(HOUSE)) == []
    definitions: Any = made["$defs"]
    assert all(definition["additionalProperties"] is False for definition in definitions.values())
    assert set(HOUSE) == set(definitions["Config"]["properties"])
    assert set(HOUSE["camera"][0]) == set(definitions["Camera"]["properties"])


@given(at=st.sampled_from(list(leaves(HOUSE))), new=st.one_of(st.just(GONE), VALUES))
def test_what_the_decoder_refuses_the_checker_explains_and_the_other_way_round(at: Keys, new: object) -> None:
    house = mutated(at, new)
    config, _ = loading._convert(Document("", house), Path("/base"))
    explained = list(shape.findings(house, schema()))
    assert (config is None) == bool(explained)
    table = Table(house, Path("/nowhere"))
    found = [*explained, *strays.findings(house, schema(), schema()), *checks.findings(table, {})]
    assert all(finding.wrong and finding.right for finding in found)


KEYS = st.sampled_from(["a", "b-1", '"c d"', "'e.f'", '"æ\\u00f8"', "a.b", 'x."y z".w', '"]"', '"#"'])
SCALARS = st.sampled_from(
    [
        "1",
        "0.5",
        '"# [x]"',
        "'''\n[no]\ny = 1\n'''",
        '"""\n\\"""æ\n"""',
        "[]",
        "[1, [2, 3], # c\n 4,\n]",
        "{}",
        "{ a = [ { b = 1 } ] }",
        "1979-05-27",
    ]
)
PAIRS = st.builds("{} = {}".format, KEYS, SCALARS)
HEADERS = st.one_of(st.builds("[{}]".format, KEYS), st.builds("[[ {} ]]".format, KEYS))
LINES = st.lists(st.one_of(PAIRS, HEADERS, st.sampled_from(["# æ = 1", "", "\t"])), max_size=12)


@given(LINES)
def test_every_key_of_any_document_has_its_place(lines: list[str]) -> None:
    text = ""
    values: dict[str, Any] = {}
    for line in lines:
        try:
            values = tomllib.loads(f"{text}{line}\n")
        except tomllib.TOMLDecodeError:
            continue
        text += f"{line}\n"
    positions = Positions(text)
    rows = text.split("\n")
    for at in leaves(values):
        assert at in positions._places
        line_number, column = positions.of(at)
        written = rows[line_number - 1][column - 1 :]
        last = at[-1]
        assert (
            isinstance(last, int) or written.lstrip("[ \"'").startswith(last[:1]) or "." in written or "\\u" in written
        )


def test_the_place_of_a_key_counts_characters_not_bytes() -> None:
    positions = Positions('a = [ "æøå", { b = 1 } ]\n[[c]]\n[[c]]\nd = 1\n')
    assert positions.of(("a", 1, "b")) == (1, 16)
    assert positions.of(("c", 1, "d")) == (4, 1)
    assert positions.of(("c", 1, "missing")) == (3, 1)
    assert positions.of(("c", 0)) == (2, 1)
    assert positions.of(("nowhere",)) == (1, 1)
