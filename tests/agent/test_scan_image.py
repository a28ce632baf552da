"""`portvakt scan-image`: planted values are found in every form, wherever they lie, and none is ever shown."""

import base64
import json
import os
import random
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import scan_image
from agent.canaries import read_canaries
from agent.cli.outcome import carry_out
from agent.cli.scan_image import SCAN_IMAGE_EXAMPLE
from agent.scan_image import CHUNK, scan

SECRET = 'Bjørn Ås\'s "blue/door"'
RAW = bytes.fromhex("0197a00000007fed80abcdef0123452a")
AT = datetime(2026, 3, 1, 12, 34, 56, 789_000, UTC)
MICROSECONDS = 1_772_368_496_789_000
NOISE = random.Random(3).randbytes(60_000)

PLANTED: list[tuple[str, bytes, str]] = [
    (f"text:{SECRET}", SECRET.encode(), "UTF-8"),
    (f"text:{SECRET}", SECRET.encode("utf-16-le"), "UTF-16 LE"),
    (f"text:{SECRET}", SECRET.encode("utf-16-be"), "UTF-16 BE"),
    (f"text:{SECRET}", json.dumps(SECRET).encode(), "JSON"),
    (f"text:{SECRET}", json.dumps(SECRET).replace("u00f8", "u00F8").replace("u00c5", "u00C5").encode(), "JSON"),
    (f"text:{SECRET}", json.dumps(SECRET, ensure_ascii=False).encode(), "JSON"),
    (f"text:{SECRET}", SECRET.encode("latin-1"), "Latin-1"),
    (f"text:{SECRET}", SECRET.replace("Å", "A\N{COMBINING RING ABOVE}").encode(), "UTF-8"),
    (f"text:{SECRET}", b"Bj%C3%B8rn%20%C3%85s%27s%20%22blue%2Fdoor%22", "URL"),
    (f"text:{SECRET}", b"Bj%c3%b8rn%20%c3%85s%27s%20%22blue%2fdoor%22", "URL"),
    (f"text:{SECRET}", SECRET.encode().hex().upper().encode(), "hex"),
    *((f"text:{SECRET}", base64.b64encode(bytes(n) + SECRET.encode() + b"?"), "base64") for n in range(5)),
    ("text:\u65e5\u672c\u8a9e", "\u65e5\u672c\u8a9e".encode("utf-16-le"), "UTF-16 LE"),
    (f"hex:{RAW.hex()}", RAW, "as given"),
    (f"hex:{RAW.hex()}", b"0197a000-0000-7fed-80ab-cdef0123452a", "UUID"),
    (f"hex:{RAW.hex()}", b"0197A000-0000-7FED-80AB-CDEF0123452A", "UUID"),
    (f"hex:{RAW.hex()}", base64.urlsafe_b64encode(b"\xff" + RAW), "base64url"),
    ("base64:+/v7+/v7gICA", base64.urlsafe_b64encode(base64.b64decode("+/v7+/v7gICA")), "base64url"),
    (f"base64:{base64.b64encode(NOISE).decode()}", NOISE[8192:12_288], "as given"),
    (f"base64:{base64.b64encode(NOISE).decode()}", base64.b64encode(NOISE[8191:12_288]), "base64"),
    ("int:1772368496789000", struct.pack("<q", MICROSECONDS), "64-bit LE"),
    ("int:1772368496789000", struct.pack(">q", MICROSECONDS), "64-bit BE"),
    ("int:1772368496789000", struct.pack("<d", MICROSECONDS), "float64 LE"),
    ("int:-1772368496789000", b'{"at":-1772368496789000}', "UTF-8"),
    *(
        (f"time:{AT.isoformat()}", pattern, encoding)
        for pattern, encoding in [
            (b"2026-03-01T12:34:56Z", "ISO text, UTF-8"),
            (b"2026-03-01T12:34:56.789000+00:00", "ISO text, UTF-8"),
            (b"2026-03-01 12:34:56.789", "ISO text, UTF-8"),
            (b"20260301T123456Z", "ISO text, UTF-8"),
            (b"2026:03:01 12:34:56", "ISO text, UTF-8"),
            ("2026-03-01T12:34:56".encode("utf-16-be"), "ISO text, UTF-16 BE"),
            (base64.b64encode(b'{"at":"2026-03-01T12:34:56Z"}'), "ISO text, base64"),
            (b"Sun, 01 Mar 2026 12:34:56 GMT", "HTTP date"),
            (b"1772368496.789", "decimal seconds"),
            (struct.pack("<q", 1_772_368_496), "64-bit seconds LE"),
            (struct.pack(">q", 1_772_368_496_789), "64-bit milliseconds BE"),
            (struct.pack(">q", MICROSECONDS), "64-bit microseconds BE"),
            (struct.pack("<q", MICROSECONDS * 1000), "64-bit nanoseconds LE"),
            (struct.pack("<d", 1_772_368_496.789), "float64 seconds LE"),
            (struct.pack(">d", 1_772_368_496.0), "float64 seconds BE"),
            (msgspec.msgpack.encode(AT), "MessagePack timestamp"),
            (msgspec.msgpack.encode(AT.replace(microsecond=0)), "MessagePack timestamp"),
        ]
    ),
    ("time:2026-03-01T13:34:56+01:00", b"2026-03-01T12:34:56", "ISO text, UTF-8"),
    ("time:2026-03-01T13:34:56+01:00", b"2026-03-01T13:34:56", "ISO text, UTF-8"),
    ("time:9000-01-01T00:00:01Z", struct.pack(">q", 221_845_392_001), "64-bit seconds BE"),
]


@pytest.mark.parametrize(("line", "lying", "encoding"), PLANTED)
def test_every_form_is_found_where_it_lies(line: str, lying: bytes, encoding: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(5000) + lying + bytes(700))
    (finding,) = scan(image, read_canaries(line.encode(), "canaries")).findings
    assert encoding in {place.encoding for place in finding.places}
    # UTF-16 of one byte order begins one byte before the other's.
    assert all(4999 <= place.offset < 5000 + len(lying) for place in finding.places)


def test_the_seams_between_chunks_hide_nothing(tmp_path: Path) -> None:
    image = tmp_path / "image"
    noise = random.Random(1).randbytes(CHUNK)
    word = b"the front door"
    at = [0, CHUNK - 15, CHUNK - 14 + 20, 2 * CHUNK - 1, 3 * CHUNK, 5 * CHUNK - 7, 6 * CHUNK + 100 - len(word)]
    data = bytearray(noise + bytes(3 * CHUNK) + noise + bytes(CHUNK + 100))
    for offset in at:
        data[offset : offset + len(word)] = word
    image.write_bytes(data)
    heard: list[tuple[int, int]] = []
    done = scan(image, read_canaries(b"text:the front door", ""), progress=lambda *args: heard.append(args))
    assert done.bytes == len(data)
    assert [place.offset for place in done.findings[0].places] == sorted(at)
    assert heard == [(min(n * CHUNK, len(data)), len(data)) for n in range(1, 8)]


def test_a_sparse_image_is_searched_where_it_has_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.seek(20 * CHUNK - 5)
        file.write(b"the front door")
        file.truncate(64 * CHUNK)
    read = []
    pread = os.pread
    monkeypatch.setattr(scan_image.os, "pread", lambda *args: read.append(args[2]) or pread(*args))
    (finding,) = scan(image, read_canaries(b"text:the front door", "")).findings
    assert [place.offset for place in finding.places] == [20 * CHUNK - 5]
    assert set(read) <= {19 * CHUNK, 20 * CHUNK}


def test_findings_go_to_their_canaries_and_are_counted_beyond_the_places_kept(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"Kari Nordmann " * 500)
    canaries = (
        b"# who\n\nname text:Kari Nordmann\r\nsame text:Kari Nordmann\nlast text:Nordmann\nother text:Ola Nordmann\n"
    )
    findings = scan(image, read_canaries(canaries, "")).findings
    assert [(finding.canary.line, finding.canary.label, finding.count) for finding in findings] == [
        (3, "name", 500), (4, "same", 500), (5, "last", 500), (6, "other", 0),
    ]  # fmt: skip
    assert [place.offset for place in findings[0].places] == [14 * n for n in range(100)]


@pytest.fixture
def portvakt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    (tmp_path / "canaries").write_text(f"door text:{SECRET}\nhex:{RAW.hex()}\n")
    (tmp_path / "image").write_bytes(bytes(100) + NOISE)

    def run(*arguments: str, image: Path = tmp_path / "image") -> tuple[int, str, str]:
        code = carry_out(["scan-image", str(image), "--canaries", str(tmp_path / "canaries"), *arguments])
        return code, *capsys.readouterr()

    return run


def test_what_is_found_is_told_and_not_shown(portvakt: Any, tmp_path: Path) -> None:
    assert portvakt()[0] == 0
    (tmp_path / "image").write_bytes(bytes(100) + SECRET.encode() + RAW * 9)
    code, out, err = portvakt()
    assert (code, err) == (1, "")
    heads, door, key = out.splitlines()
    assert heads == "canary\tkind\tfound\tat"
    assert door == "door\ttext\t1\t0x64 UTF-8"
    assert key.startswith("line 2\thex\t9\t0x7c as given, ")
    assert key.endswith(", …")
    assert "Bj" not in out
    assert RAW.hex() not in out


def test_json(portvakt: Any, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(SECRET.encode() + bytes(10))
    code, out, _ = portvakt("--json")
    assert code == 1
    assert json.loads(out) == {
        "found": True,
        "bytes": len(SECRET.encode()) + 10,
        "canaries": [
            {"line": 1, "label": "door", "kind": "text", "count": 1, "places": [{"offset": 0, "encoding": "UTF-8"}]},
            {"line": 2, "label": "line 2", "kind": "hex", "count": 0, "places": []},
        ],
    }


def test_the_example_in_the_help_is_one(tmp_path: Path) -> None:
    lines = SCAN_IMAGE_EXAMPLE.partition("canaries.txt:\n")[2]
    read = read_canaries("\n".join(line.removeprefix("  ") for line in lines.splitlines()).encode(), "")
    assert [canary.kind for canary in read] == ["text", "base64", "time", "hex", "int"]


@pytest.mark.parametrize(
    ("canary", "said"),
    [
        (b"", "holds no canary"),
        (b"# nothing\n", "holds no canary"),
        (b"hunter2 is the password", "line 1: not a canary"),
        (b"two words text:hunter2", "line 1: not a canary"),
        (b"\ntext:hunter\xff2", "line 2: not UTF-8"),
        (b"text:short", "too plain"),
        (b"text:", "too plain"),
        (b"text:        ", "too plain"),
        (b"hex:hunter2", "not hex"),
        (b"hex:000000000000000000", "too plain"),
        (b"hex:" + b"00" * 5000, "too plain"),
        (b"base64:hunter2!", "not base64"),
        (b"time:hunter2", "not a time"),
        (b"time:2026-03-01T12:00:00", "without its zone"),
        (b"int:hunter2", "not a whole number"),
        (b"int:5", "by chance"),
        (b"int:99999999999999999999", "64 bits"),
    ],
)
def test_a_bad_canary_is_one_line_that_does_not_repeat_it(
    canary: bytes, said: str, portvakt: Any, tmp_path: Path
) -> None:
    (tmp_path / "canaries").write_bytes(canary)
    code, out, err = portvakt()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert str(tmp_path / "canaries") in err
    assert "hunter" not in err


def test_a_bad_image_is_one_line(portvakt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").touch()
    pread = os.pread
    monkeypatch.setattr(scan_image.os, "pread", lambda fd, length, at: pread(fd, min(length, 7), at))
    for image, said in [
        (tmp_path / "empty", "is empty"),
        (tmp_path / "missing", "No such file"),
        (tmp_path, "neither a file nor a block device"),
        (Path("/dev/null"), "neither a file nor a block device"),
        (tmp_path / "image", "became shorter"),
    ]:
        code, out, err = portvakt(image=image)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert said in err

    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(scan_image.os, "pread", broken)
    code, _, err = portvakt()
    assert code == 2
    assert "cannot be read near byte 0: Input/output error (copy it with ddrescue" in err


def test_many_forms_take_the_smaller_automaton_and_find_the_same(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(NOISE)
    every = b"".join(b"hex:" + NOISE[at : at + 20].hex().encode() + b"\n" for at in range(0, 12_000, 40))
    canaries = read_canaries(every, "")
    assert sum(len(canary.forms) for canary in canaries) > scan_image._SMALL
    assert [finding.places[0].offset for finding in scan(image, canaries).findings] == list(range(0, 12_000, 40))
