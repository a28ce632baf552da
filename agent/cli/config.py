"""The configuration: check it, print its schema."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_CONFIG, Json
from agent.cli.outcome import NO, usage

app = typer.Typer(no_args_is_help=True, help="Check the configuration file, or print its JSON Schema.")


@app.command(epilog="Example: portvakt config check /etc/portvakt/portvakt.toml")
def check(
    file: Annotated[Path, typer.Argument(envvar="PORTVAKT_CONFIG", help="The configuration file.")] = DEFAULT_CONFIG,
    *,
    json: Json = False,
) -> None:
    """Name every problem of the file at once.

    Each with line, key, what is wrong and what would be right.
    Exit code 0 when the file can be used, 1 when it has problems, 2 when there is no such file.
    """
    from agent.config import check as check_file  # noqa: PLC0415 - only where it is used

    if not file.is_file():
        raise usage(f"{file} is not a file", "say which file to check")
    problems = check_file(file)
    if json:
        output.as_json({"ok": not problems, "file": str(file), "problems": problems})
    else:
        for problem in problems:
            output.line(f"{file}:{'' if problem.line else ' '}{problem}")
        if not problems:
            output.line(f"{file} is fine")
    raise typer.Exit(NO if problems else 0)


@app.command(epilog="Example: portvakt config schema > portvakt.schema.json")
def schema() -> None:
    """Print the JSON Schema of the file.

    Draft 2020-12; editors complete and check with it.
    """
    from agent.config import schema as make  # noqa: PLC0415 - only where it is used

    output.as_json(make())
