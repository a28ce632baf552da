"""`python -m agent` is `portvakt`."""

from agent.cli import main

main()
