"""The command line, `portvakt`: one file a group of verbs, each thin over the part that does the work."""

import sys

from agent.cli.outcome import carry_out


def main() -> None:
    """Entry point of the program."""
    sys.exit(carry_out(sys.argv[1:]))
