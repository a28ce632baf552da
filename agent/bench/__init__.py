"""`portvakt bench`: figures of ours beside a reference's, both measured in the same run. The suites: `tests/bench`."""

from agent.bench.run import main

__all__ = ["main"]
