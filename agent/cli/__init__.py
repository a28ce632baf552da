"""The command line, `portvakt`: one file a group of verbs, each thin over the part that does the work."""

import sys
from pathlib import Path

from agent.cli.outcome import carry_out, in_one_line


def main() -> None:
    """Entry point of the program."""
    match sys.argv[1:]:
        # As a service it runs for months, and what parses the other verbs (typer, rich) would be 9 MB of its memory
        # for good, measured: 73 MB idle with it, 64 MB without. So the one call that the unit makes is read here.
        case ["run", "--config", path] if path:
            from agent.main import run  # noqa: PLC0415 - the whole agent, which no other verb needs

            sys.exit(in_one_line(lambda: run(Path(path))))
        case arguments:
            sys.exit(carry_out(arguments))
