"""`portvakt redact`: lines in on stdin, exactly one line out for each on stdout, as they come.

Pseudonyms hold for one run: the key is random, so two runs cannot be joined. With `--explain` the rules that fired
follow the line after a tab and `#`, for example `<ip:q3...> answered	# ipv4`; never the values.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from privacy.clock import Clock, SystemClock
from privacy.errors import RedactionRefused
from privacy.redaction.household import Registry
from privacy.redaction.labels import Label
from privacy.redaction.pseudonyms import derived
from privacy.redaction.redactor import LONGEST_LINE, Redactor
from privacy.seal import KEY_BYTES, RandomBytes

CHUNK = 256 * 1024
FINE, BAD_INPUT = 0, 2


def main(  # noqa: PLR0913 - what comes from outside is an argument
    registry: Path | None,
    explain: bool,  # noqa: FBT001 - the flag of a verb
    *,
    stdin: BinaryIO | None = None,
    stdout: BinaryIO | None = None,
    clock: Clock | None = None,
    random_bytes: RandomBytes = os.urandom,
) -> int:
    """Redact stdin to stdout; returns the exit code, 2 where the registry cannot be used."""
    try:
        known = Registry.read(registry) if registry else Registry()
        redactor = Redactor(derived(random_bytes(KEY_BYTES)), known, clock or SystemClock())
    except RedactionRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return BAD_INPUT
    out = stdout or sys.stdout.buffer
    try:
        for lines in _lines(stdin or sys.stdin.buffer):
            out.writelines(_redact(redactor, line, explain=explain) for line in lines)
            out.flush()
    except BrokenPipeError:
        # The reader has gone (`| head`); the interpreter must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FINE


def _redact(redactor: Redactor, line: bytes | None, *, explain: bool) -> bytes:
    if line is None:
        return f"<{Label.LINE}>".encode() + (b"\t# too-long\n" if explain else b"\n")
    ending = b"\r\n" if line.endswith(b"\r") else b"\n"
    redaction = redactor.explain(line.removesuffix(b"\r").decode("utf-8", "surrogateescape"))
    clean = redaction.line.text
    if explain and redaction.rules:
        clean += f"\t# {' '.join(redaction.rules)}"
    return clean.encode() + ending


def _lines(source: BinaryIO) -> Iterator[list[bytes | None]]:
    """The lines that each read completes, without their line break; None for one that is too long to hold."""
    rest = bytearray()
    too_long = False
    read = getattr(source, "read1", source.read)
    while chunk := read(CHUNK):
        *whole, last = chunk.split(b"\n")
        lines: list[bytes | None] = []
        for piece in whole:
            line = bytes(rest) + piece
            lines.append(None if too_long or len(line) > LONGEST_LINE else line)
            rest.clear()
            too_long = False
        rest += last
        if len(rest) > LONGEST_LINE:
            rest.clear()
            too_long = True
        if lines:
            yield lines
    if rest or too_long:
        yield [None if too_long else bytes(rest)]
