"""The options that say which records: one scope language for erasure and hold."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from agent.cli import output
from agent.cli.outcome import usage
from privacy.records import ID_IN_WORDS, RecordClass, Scope, is_identifier

Choice = TypeVar("Choice", bound=StrEnum)

Cameras = Annotated[list[str] | None, typer.Option("--camera", metavar="ID", help="A camera's id; may be given again.")]
DeviceIds = Annotated[
    list[str] | None, typer.Option("--device", metavar="ID", help="A device's id; may be given again.")
]
Subjects = Annotated[
    list[str] | None, typer.Option("--subject", metavar="ID", help="A person's id; may be given again.")
]
Classes = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help="A record class of `portvakt inventory`; may be given again."),
]
Start = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="From this time on, such as 2026-01-31T08:00+01:00.")
]
End = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Up to this time, not included.")]
Everything = Annotated[bool, typer.Option("--everything", help="All there is, of everybody.")]


def scope_of(  # noqa: PLR0913 - the options above
    *,
    camera: list[str] | None,
    device: list[str] | None,
    subject: list[str] | None,
    record_class: list[str] | None,
    start: str | None,
    end: str | None,
    everything: bool,
) -> Scope:
    """What the options say.

    Raises:
        Refused: `usage`; they name nothing, or end before they begin; or a time, an id or a class is none.
    """
    scope = Scope(
        everything=everything,
        classes=tuple(chosen(name, RecordClass, "--class") for name in record_class or ()),
        cameras=tuple(identifier(name, "--camera") for name in camera or ()),
        devices=tuple(identifier(name, "--device") for name in device or ()),
        subjects=tuple(identifier(name, "--subject") for name in subject or ()),
        start=moment(start, "--from"),
        end=moment(end, "--to"),
    )
    if not scope.named:
        raise usage("nothing is named", "say what, or --everything; see --help")
    if scope.backwards:
        raise usage("what is named ends before it begins", "--to must be later than --from")
    return scope


def chosen(text: str, choices: type[Choice], option: str) -> Choice:
    """One of `choices`, as somebody typed it.

    Raises:
        Refused: `usage`; it is none of them, and which there are.
    """
    try:
        return choices(text)
    except ValueError:
        raise usage(f"{option} cannot be {text!r}", f"it is one of {', '.join(choices)}") from None


def identifier(text: str, option: str) -> str:
    """An id that somebody typed.

    Raises:
        Refused: `usage`; it cannot be one.
    """
    if not is_identifier(text):
        raise usage(f"{option} is not an id: {text!r}", f"an id has {ID_IN_WORDS}")
    return text


def moment(text: str | None, option: str) -> datetime | None:
    """A time that somebody typed; without a zone it is the time on their wall.

    Raises:
        Refused: `usage`; it is no time.
    """
    return None if text is None else time_of(text, option)


def time_of(text: str, option: str) -> datetime:
    """As `moment`, of what must be said."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise usage(f"{option} is not a time", "write it like 2026-01-31T08:00+01:00") from None


def words(scope: Scope) -> str:
    """A scope for people."""
    if scope == Scope(everything=True):
        return "EVERYTHING that is kept"
    parts = [
        *(f"class {name}" for name in scope.classes),
        *(f"camera {name}" for name in scope.cameras),
        *(f"device {name}" for name in scope.devices),
        *(f"person {name}" for name in scope.subjects),
    ]
    times = [f"from {output.moment(scope.start)}"] * bool(scope.start) + [f"to {output.moment(scope.end)}"] * bool(
        scope.end
    )
    return "what is kept of " + ", ".join([*(parts or ["everything"]), *times])
