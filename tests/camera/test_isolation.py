"""The worker's prison is real: what works outside it does not work inside, and decoding still does."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROBE = Path(__file__).with_name("isolation_probe.py")
WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


def probe(jpeg: bytes, how: str, through: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the probe reports."""
    command = (*through, sys.executable, "-I", "-B", str(PROBE), how)
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, input=jpeg, capture_output=True, check=False, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_outside_every_attempt_succeeds(make_jpeg: Callable[..., bytes]) -> None:
    # Else a refusal inside would prove nothing.
    report = probe(make_jpeg(), "open")
    assert {name: outcome for name, outcome in report["outcomes"].items() if outcome != "done"} == {}


@pytest.mark.parametrize("through", [(), WITHOUT_PRIVILEGES], ids=["as it is", "without privileges"])
def test_inside_every_attempt_fails_and_decoding_works(
    make_jpeg: Callable[..., bytes], through: tuple[str, ...]
) -> None:
    report = probe(make_jpeg((1600, 1200)), "locked", through=through)
    assert {name for name, outcome in report["outcomes"].items() if outcome == "done"} == set()
    assert len(report["outcomes"]) > 15
    assert report["decodes"]


def test_limits_alone_are_no_prison(make_jpeg: Callable[..., bytes]) -> None:
    """Were the filter lost, the test above would fail; that no descriptor can be had holds without it."""
    outcomes = probe(make_jpeg(), "unfiltered")["outcomes"]
    assert outcomes["stat /"] == outcomes["new code"] == outcomes["ptrace"] == "done"
    assert "done" not in {outcomes["read /etc/passwd"], outcomes["socket"], outcomes["pipe"]}
