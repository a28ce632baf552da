"""How a call of the program ends: 0 fine, 1 the answer is no, 2 bad usage or input; every error is one line."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent.errors import AgentError, ConfigInvalid, Refused
from camera.errors import CameraError
from drivers.errors import DriverError
from privacy.errors import PrivacyError

if TYPE_CHECKING:
    import typer

FINE, NO, BAD_INPUT = 0, 1, 2
INTERRUPTED = 130

_BAD_INPUT_CODES = frozenset({
    "bad_range",
    "bad_value",
    "empty_scope",
    "invalid",
    "malformed",
    "not_found",
    "nothing_kept",
    "too_large",
    "unknown_camera",
    "unknown_device",
    "unknown_path",
    "unknown_snapshot",
    "usage",
})  # fmt: skip
"""Refusals that another call could avoid; any other refusal is the answer no."""


def carry_out(arguments: Sequence[str]) -> int:
    """Run the program with `arguments`, without its name, and return the exit code."""
    import typer  # noqa: PLC0415 - see `agent.cli.main`

    from agent.cli.program import program  # noqa: PLC0415 - it imports this module's neighbours

    command = typer.main.get_command(program)
    try:
        return in_one_line(lambda: command.main(args=list(arguments), prog_name="portvakt", standalone_mode=False))
    except typer.Abort:
        return _say("stopped", INTERRUPTED)
    except typer.TyperException as error:
        return _usage(error.format_message().strip(), getattr(error, "ctx", None))


def in_one_line(call: Callable[[], object]) -> int:
    """The exit code that `call` returns or that its error means; every error of ours is one line."""
    try:
        ended = call()
    except (AgentError, PrivacyError, DriverError, CameraError) as error:
        return _say(str(error), code_of(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # With a name it is a file that the caller gave.
        place, code = (f"{error.filename}: ", BAD_INPUT) if error.filename else ("", NO)
        return _say(f"{place}{error.strerror or type(error).__name__}", code)
    return ended if isinstance(ended, int) else FINE


def code_of(error: Exception) -> int:
    """The exit code that `error` means."""
    if isinstance(error, ConfigInvalid):
        return BAD_INPUT
    return BAD_INPUT if isinstance(error, Refused) and error.code in _BAD_INPUT_CODES else NO


def usage(message: str, hint: str = "") -> Refused:
    """An error in how a verb was called that only the verb itself can see."""
    return Refused("usage", message, hint=hint)


def _usage(message: str, context: "typer.Context | None") -> int:
    if context is None:
        return _say(message, BAD_INPUT)
    # Called without a verb, the "message" is the help itself.
    if "\n" in message or not message:
        sys.stderr.write((message or context.get_help()) + "\n")
        return BAD_INPUT
    return _say(f"{message.removesuffix('.')} (see `{context.command_path} --help`)", BAD_INPUT)


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"portvakt: {message}\n")
    return code
