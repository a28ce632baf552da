import io
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.redaction.cli import main


def run(data: bytes, *, explain: bool = False, registry: Path | None = None) -> list[bytes]:
    out = io.BytesIO()
    assert main(registry, explain, stdin=io.BytesIO(data), stdout=out) == 0
    text = out.getvalue()
    assert not text or text.endswith(b"\n")
    return text.split(b"\n")[:-1]


def test_one_line_out_for_each_line_in() -> None:
    assert run(b"") == []
    assert run(b"plain\n\nmail kari@canary.no\r\nlast")[:2] == [b"plain", b""]
    lines = run(b"plain\n\nmail kari@canary.no\r\nlast")
    assert lines[2].startswith(b"mail <email:")
    assert lines[2].endswith(b">\r")
    assert lines[3] == b"last"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_keep_their_line_count(pieces: list[bytes]) -> None:
    data = b"\n".join(pieces)
    assert len(run(data)) == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def test_bytes_that_are_not_text_are_shown_and_looked_through() -> None:
    assert run(b"\xe5\xff kari@canary.no\n")[0].startswith(rb"\udce5\udcff <email:")


class Drip(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = data, step

    def read1(self, _size: int) -> bytes:
        piece, self._data = self._data[: self._step], self._data[self._step :]
        return piece


@pytest.mark.parametrize("step", [1000, 65_536, 10_000_000])
def test_a_line_too_long_to_hold_is_still_one_line(step: int) -> None:
    out = io.BytesIO()
    data = b"a\n" + b"secret kari@canary.no " * 20_000 + b"\nb\n" + b"x" * 100_000
    main(None, True, stdin=cast("BinaryIO", Drip(data, step)), stdout=out)
    assert out.getvalue().split(b"\n") == [b"a", b"<line>\t# too-long", b"b", b"<line>\t# too-long", b""]


def test_explain_names_the_rules_and_not_the_values() -> None:
    assert run(b"from 10.1.2.3, password=hunter2\nplain\n", explain=True)[0].endswith(b"\t# ipv4 named-secret")
    assert run(b"plain\n", explain=True) == [b"plain"]


def test_a_registry_is_used(tmp_path: Path) -> None:
    registry = tmp_path / "registry.json"
    registry.write_text('{"people": [{"first": "K\u00e5re"}]}', encoding="utf-8")
    assert run(b"kaare was here\n", registry=registry)[0].startswith(b"<name:")


def test_a_bad_registry_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = tmp_path / "registry.json"
    registry.write_text("no", encoding="utf-8")
    assert main(registry, False, stdin=io.BytesIO(b"kari@canary.no\n"), stdout=io.BytesIO()) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_it_streams_and_a_reader_that_leaves_does_no_harm() -> None:
    code = "import sys; from privacy.redaction.cli import main; sys.exit(main(None, False))"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"first\n")
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 100) == b"first\n"  # before stdin ends
        process.stdout.close()
        process.stdin.write(b"second\n" * 10)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0
