"""What every suite does alike: take turns, and say p50 and p99."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import quantiles

from agent.bench.figure import Figure, figure

Run = Callable[[], Awaitable[float]]
"""Does it once, and says what it cost."""


async def in_turn(rounds: int, runs: Mapping[str, Run]) -> dict[str, list[float]]:
    """Each of `runs` once a round, every other round in reverse: what drifts in the machine meets all alike."""
    costs: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs)
    for _ in range(rounds):
        for name in order:
            costs[name].append(await runs[name]())
        order.reverse()
    return costs


def percentile(samples: Sequence[float], percent: int) -> float:
    """The value that `percent` (1 to 99) of the samples do not exceed, interpolated between neighbours."""
    if len(samples) == 1:
        return samples[0]
    return quantiles(samples, n=100, method="inclusive")[percent - 1]


def p50_and_p99(
    name: str, ours: Sequence[float], reference: Sequence[float], *, reference_name: str, note: str = ""
) -> list[Figure]:
    """The figures `<name>_p50` and `<name>_p99`, in milliseconds, of samples in seconds."""
    return [
        figure(
            f"{name}_p{percent}",
            1000 * percentile(ours, percent),
            1000 * percentile(reference, percent),
            reference_name=reference_name,
            unit="ms",
            n=len(ours),
            note=note,
        )
        for percent in (50, 99)
    ]
