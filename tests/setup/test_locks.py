"""The locks hold what pyproject.toml asks for: every package pinned, hashed, and from no index in particular."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TREE = Path(__file__).parents[2]
PROJECT = tomllib.loads((TREE / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
PIN = re.compile(r"([\w.-]+)==([\w.!+-]+)( ; [^\\]+)?")


def lock(name: str) -> dict[str, set[str]]:
    """The versions of each package; more than one where machines differ."""
    pins: dict[str, set[str]] = {}
    entries = (TREE / ".setup" / f"{name}.lock").read_text().replace("\\\n", "").splitlines()
    for entry in entries:
        pin, *hashes = entry.split(" --hash=")
        match = PIN.fullmatch(pin.strip())
        assert match, f"no pin: {pin}"
        assert hashes, f"no hash: {pin}"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64} *", one.strip()) for one in hashes)
        pins.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return pins


def wanted(requirements: list[str]) -> Iterator[Requirement]:
    """They, and what our own extras among them stand for."""
    for requirement in map(Requirement, requirements):
        if requirement.name == PROJECT["project"]["name"]:
            for extra in requirement.extras:
                yield from wanted(EXTRAS[extra])
        else:
            yield requirement


RUNTIME = [*wanted([*PROJECT["project"]["dependencies"], *EXTRAS["demo"], *PROJECT["build-system"]["requires"]])]
DEV = [*RUNTIME, *wanted(PROJECT["dependency-groups"]["dev"])]


@pytest.mark.parametrize(("name", "requirements"), [("runtime", RUNTIME), ("dev", DEV)])
def test_a_lock_holds_what_is_asked_for(name: str, requirements: list[Requirement]) -> None:
    pins = lock(name)
    missing = [
        str(requirement)
        for requirement in requirements
        if not any(requirement.specifier.contains(pin) for pin in pins.get(canonicalize_name(requirement.name), ()))
    ]
    assert not missing, "run .setup/lock"


def test_the_two_locks_agree() -> None:
    runtime, dev = lock("runtime"), lock("dev")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_pip_brings_uv() -> None:
    assert list(lock("uv")) == ["uv"]


def test_every_extra_is_pinned() -> None:
    """The demo's lock pins what a gateway can be asked to carry; what it would have to compile, the dev lock."""
    demo = {requirement.name for requirement in wanted(EXTRAS["demo"])}
    compiled = {requirement.name for requirement in wanted(EXTRAS["tpm"])}
    every = {requirement.name for extra in EXTRAS.values() for requirement in wanted(extra)}
    assert every == demo | compiled
    assert compiled <= lock("dev").keys()


def test_the_peers_come_from_no_index_in_particular() -> None:
    assert '"resolved"' not in (TREE / "tests/peers/package-lock.json").read_text()
