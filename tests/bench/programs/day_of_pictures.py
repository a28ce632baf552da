"""Hours of pictures go into a vault by a simulated clock, and the memory of this process is noted after each.

python -m tests.bench.programs.day_of_pictures STATE OUTPUT HOURS CAMERAS
"""

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from tests.bench.medium import no_syncs
from tests.bench.pictures import INTERVAL, Kept, SteppedClock, fill, opened, picture

IMAGE_BYTES, THUMBNAIL_BYTES = 30 * 1024, 3 * 1024
SHOWN = 24
"""Pictures on a page of the app."""


def hour(kept: Kept, cameras: int) -> None:
    """An hour as the agent lives it: pictures, flushes, ticks of the clock, somebody who looks, an expiry."""
    shot = picture(IMAGE_BYTES, THUMBNAIL_BYTES)
    for minute in range(60):
        for _ in range(timedelta(minutes=1) // INTERVAL):
            fill(kept, cameras, cameras, shot)
            kept.vault.reclaim()
        kept.time.tick()
        for shown in kept.vault.newest(None, SHOWN):
            kept.vault.thumbnail(shown.id)
        if not minute:
            kept.vault.expire()


def memory_mb(kind: str) -> float:
    """Of this process: `VmRSS`, or `VmHWM`, the most that it was (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise OSError("the kernel does not say the memory of this process")


def main(state: Path, output: Path, hours: int, cameras: int) -> None:
    try:
        with no_syncs(), opened(state, SteppedClock()) as kept:
            start, hourly = memory_mb("VmRSS"), []
            for _ in range(hours):
                hour(kept, cameras)
                hourly.append(memory_mb("VmRSS"))
            [(_, pictures, _)] = kept.vault.oldest()
    finally:
        shutil.rmtree(state, ignore_errors=True)
    peak = max(memory_mb("VmHWM"), *hourly)  # the kernel's own figures lag behind by some pages
    told = {"start_mb": start, "hourly_mb": hourly, "peak_mb": peak, "pictures": pictures}
    output.write_text(json.dumps({**told, "picture_bytes": IMAGE_BYTES + THUMBNAIL_BYTES}))


main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
