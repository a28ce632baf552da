"""How long to wait before the next try: a pure function."""

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 30.0


def delay(failures: int, jitter: float) -> float:
    """Seconds to wait after `failures` failures in a row (1 or more).

    Doubles from 0.25 s to 30 s; `jitter` in [0, 1) takes off up to half, so that a fleet does not come back in step.
    """
    exponent = min(failures - 1, 16)
    return min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**exponent) * (1 - jitter / 2)
