"""From a path to a `Config`, or to everything that is wrong with the file.

The usual case, a file that is right, costs neither the JSON Schema validator nor the parser that knows positions:
together they would be 4 MB of the agent's memory for good.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from agent.config import checks, strays
from agent.config.document import Document, NotToml, Table, read
from agent.config.model import Config, RegisterMapName
from agent.config.problems import Finding, Problem, dotted, report
from agent.config.schema import schema
from agent.errors import ConfigInvalid


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in `path`; `environ` is where systemd says what credentials it has handed over.

    Raises:
        ConfigInvalid: it has problems; the message lists them all, one a line.
    """
    config, problems = _examine(path, environ)
    if config is None:
        counted = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigInvalid(f"the configuration has {counted}:\n{report(path, problems)}")
    return config


def check(path: Path, environ: Mapping[str, str] = os.environ) -> list[Problem]:
    """Every problem of the configuration in `path`, in the order of its lines; empty when it can be used."""
    return _examine(path, environ)[1]


def _examine(path: Path, environ: Mapping[str, str]) -> tuple[Config | None, list[Problem]]:
    """A configuration and no problems, or none and at least one."""
    try:
        document = read(path)
    except NotToml as error:
        return None, [error.problem]
    base = path.absolute().parent
    if _foreign(document):
        return None, _located(document, [_version(document)])
    config, refused = _convert(document, base)
    shape = schema()
    found = [
        *strays.findings(document.values, shape, shape),
        *checks.findings(Table(document.values, base), environ),
    ]
    if refused:
        from agent.config import shape as shapes  # noqa: PLC0415 - see the head of this file

        found = [*shapes.findings(document.values, shape), *found] or [refused]
    if found:
        return None, _located(document, found)
    return config, []


def _convert(document: Document, base: Path) -> tuple[Config | None, Finding | None]:
    def path(kind: type, value: object) -> object:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("not a path")
        if kind is RegisterMapName:
            return RegisterMapName(base / value if value.endswith(".toml") else value)
        return base / value

    try:
        return msgspec.convert(document.values, Config, dec_hook=path), None
    except msgspec.ValidationError as error:
        return None, Finding((), str(error), "see `portvakt config schema`")


def _foreign(document: Document) -> bool:
    """Whether the file is of another version: then its keys mean something else, and no other check makes sense."""
    version = document.values.get("version")
    return isinstance(version, int) and version != 1


def _version(document: Document) -> Finding:
    right = "this Portvakt reads version = 1; nothing else was checked, because the format may differ"
    return Finding(("version",), f"is {document.values['version']}", right)


def _located(document: Document, found: list[Finding]) -> list[Problem]:
    from agent.config.positions import Positions  # noqa: PLC0415 - see the head of this file

    positions = Positions(document.text)
    problems = {Problem(*positions.of(each.at), dotted(each.at), each.wrong, each.right): None for each in found}
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0, problem.key))
