"""The vault at work: how fast it stores, how fast it starts, and what it holds in memory."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

from agent.bench.figure import Figure, Measurement, Unmeasurable, figure
from camera.vault.metadata import PictureMetadata
from tests.bench.bare_vault import plain_files, sealed_files, walk
from tests.bench.house import running
from tests.bench.measure import Run, in_turn
from tests.bench.medium import CARD_SYNC_SECONDS, Hollow, forget_cached, no_syncs, syncs_of_at_least
from tests.bench.pictures import (
    IMAGE_BYTES,
    INTERVAL,
    ORIGIN,
    THUMBNAIL_BYTES,
    SteppedClock,
    fill,
    opened,
    picture,
)

CAMERAS = 8
PER_HOUR = timedelta(hours=1) // INTERVAL
HOUR_OF_PICTURES = CAMERAS * PER_HOUR
INGEST_ROUNDS = 3
START_ROUNDS = 1
COLD_SEGMENTS = 64
MEGABYTE = 1024 * 1024
CHECKOUT = Path(__file__).parents[2]
DAY_PROGRAM = "tests.bench.programs.day_of_pictures"


async def ingest(place: Path, *, pictures: int = HOUR_OF_PICTURES, rounds: int = INGEST_ROUNDS) -> Sequence[Figure]:
    """As many pictures as there are in an hour of eight cameras, as fast as they go in."""
    shot = picture()
    metadata = PictureMetadata.of(ORIGIN, shot.width, shot.height, ()).to_bytes()
    syncs: dict[str, list[float]] = {}

    def taken(name: str, store: Callable[[Path], float], least: float) -> Run:
        async def once() -> float:
            return _once(store)

        def _once(store: Callable[[Path], float]) -> float:
            folder = place / "state"
            folder.mkdir()
            try:
                with syncs_of_at_least(least) as took:
                    seconds = store(folder)
                syncs.setdefault(name, []).extend(took)
                return seconds
            finally:
                shutil.rmtree(folder)

        return once

    def ours(folder: Path) -> float:
        with opened(folder, SteppedClock()) as kept:
            began = perf_counter()
            fill(kept, pictures, CAMERAS, shot)
            return perf_counter() - began

    def files(folder: Path) -> float:
        began = perf_counter()
        plain_files(folder, pictures, shot)
        return perf_counter() - began

    def floor(folder: Path) -> float:
        began = perf_counter()
        sealed_files(folder, pictures, CAMERAS, shot, metadata)
        return perf_counter() - began

    card = CARD_SYNC_SECONDS
    costs = await in_turn(
        rounds,
        {"ours": taken("ours", ours, card), "files": taken("files", files, card), "floor": taken("floor", floor, card)},
    )
    real = syncs["ours"] + syncs["files"] + syncs["floor"]
    quick = await in_turn(rounds, {"ours": taken("quick", ours, 0), "floor": taken("quick", floor, 0)})
    rate = {name: pictures / median(seconds) for name, seconds in costs.items()}
    per_picture = {name: len(syncs[name]) / rounds / pictures for name in ("ours", "files", "floor")}
    said = (
        f"Rounds of {pictures} pictures of {IMAGE_BYTES // 1024} KB, a thumbnail of {THUMBNAIL_BYTES // 1024} KB each, "
        f"{CAMERAS} cameras, as fast as they go in, so a flush comes with every 4 MiB. One interposer makes each sync "
        f"of all sides last {1000 * card:g} ms at least; by itself one took {1000 * median(real):.2f} ms (median). "
        f"Syncs a picture: ours {per_picture['ours']:.3f}, "
    )
    return [
        figure(
            "ingest_vs_fsync_files",
            rate["ours"],
            rate["files"],
            reference_name="a plain file a snapshot with fsync: no encryption, no thumbnail, no sync of the folder",
            unit="pictures/s",
            n=rounds,
            more_is_better=True,
            note=said + f"files {per_picture['files']:.3f}.",
        ),
        figure(
            "ingest_vs_floor",
            rate["ours"],
            rate["floor"],
            reference_name="the same three AEAD calls under a fresh key, writes and fdatasyncs, nothing around them",
            unit="pictures/s",
            n=rounds,
            more_is_better=True,
            note=said + f"floor {per_picture['floor']:.3f}. Without the interposer: "
            f"{median(quick['floor']) / median(quick['ours']):.3f} of the floor.",
        ),
    ]


async def start(place: Path, *, hours: int = 7 * 24, rounds: int = START_ROUNDS) -> Sequence[Figure]:
    """Open a vault of seven days with its index, and without."""
    state, clock = place / "state", SteppedClock()
    pictures = _full(state, clock, hours)
    segments = state / "vault" / "segments"

    async def with_index() -> float:
        return _opening(state, clock, pictures)

    async def without() -> float:
        (state / "vault" / "index").unlink()
        return _opening(state, clock, pictures)

    async def without_and_cold() -> float:
        forget_cached(segments.iterdir())
        return await without()

    async def headers() -> float:
        return _walked(list(segments.iterdir()), pictures)

    async def headers_cold() -> float:
        sample = sorted(segments.iterdir())[:COLD_SEGMENTS]
        forget_cached(sample)
        share = len(sample) / (hours * CAMERAS)
        return _walked(sample, round(pictures * share)) / share

    runs = {"without": without, "index": with_index, "floor": headers, "cold": without_and_cold, "walk": headers_cold}
    costs = await in_turn(rounds, runs)
    took = {name: median(seconds) for name, seconds in costs.items()}
    size = sum(path.stat().st_size for path in segments.iterdir()) / MEGABYTE / 1024
    said = (
        f"{pictures:,} pictures, {CAMERAS} cameras over {hours} h, {hours * CAMERAS} segments, {size:.1f} GB of which "
        f"the images are holes, but for the last of each segment, which a start opens. "
    )
    return [
        figure(
            "rebuild_index_7d_s",
            took["without"],
            took["floor"],
            reference_name="every record's header read by one pread after the other, nothing kept",
            unit="s",
            n=rounds,
            note=said + "Without the index, by the footer of each segment; what it reads is in the page cache. A start "
            f"that has its index: {took['index']:.3f} s.",
        ),
        figure(
            "rebuild_index_7d_cold_s",
            took["cold"],
            took["walk"],
            reference_name="every record's header read by one pread after the other, nothing kept",
            unit="s",
            n=rounds,
            note=said + "The same, and nothing of the segments is in the page cache of this machine. The reference is "
            f"reckoned from {min(COLD_SEGMENTS, hours * CAMERAS)} segments. On a card every random read takes longer.",
        ),
        figure(
            "open_7d_s",
            took["index"],
            took["without"],
            reference_name="a start that has lost its index",
            unit="s",
            n=rounds,
            note=said,
        ),
    ]


async def memory(place: Path, *, hours: int = 24) -> Sequence[Figure]:
    """A day of eight cameras in a process of its own."""
    listed, log = place / "rss.json", place / "day.log"
    command = (sys.executable, "-m", DAY_PROGRAM, place / "state", listed, str(hours), str(CAMERAS))
    environ = {"PYTHONPATH": str(CHECKOUT)}
    async with running(*command, log=log, environ=environ) as process:
        await process.wait()
    if process.returncode:
        raise Unmeasurable("the day of pictures broke off", hint=log.read_text(errors="replace")[-500:])
    told = json.loads(listed.read_bytes())
    hourly = told["hourly_mb"]
    return [
        figure(
            "rss_24h_8_cameras_mb",
            hourly[-1],
            hourly[0],
            reference_name="the same process after its first hour",
            unit="MB",
            n=1,
            note=f"{told['pictures']:,} pictures of {told['picture_bytes'] / 1024:.0f} KB in {hours} h of a "
            "simulated clock; a flush in 10 s, the newest 24 looked up each minute, an expiry each hour; syncs are "
            f"left out, as they hold no memory. RSS before the first picture {told['start_mb']:.1f} MB, after 1 h "
            f"{hourly[0]:.1f}, half-way {hourly[(hours - 1) // 2]:.1f}, at the end {hourly[-1]:.1f}, at its peak "
            f"{told['peak_mb']:.1f}.",
        )
    ]


def _full(state: Path, clock: SteppedClock, hours: int) -> int:
    """Fill a vault with hours of pictures; returns how many."""
    shot, hollow = picture(thumbnail_bytes=16), Hollow()
    with no_syncs(), hollow.writing(), opened(state, clock) as kept:
        for _ in range(hours):
            hollow.on = True
            fill(kept, (PER_HOUR - 1) * CAMERAS, CAMERAS, shot)
            hollow.on = False
            fill(kept, CAMERAS, CAMERAS, shot)
    return hours * PER_HOUR * CAMERAS


def _walked(segments: Sequence[Path], pictures: int) -> float:
    began = perf_counter()
    found = walk(segments)
    took = perf_counter() - began
    if found != pictures:
        raise Unmeasurable(f"of {pictures} pictures in {len(segments)} segments {found} were found")
    return took


def _opening(state: Path, clock: SteppedClock, pictures: int) -> float:
    began = perf_counter()
    with opened(state, clock) as kept:
        took = perf_counter() - began
        [(_, count, _)] = kept.vault.oldest()
        if count != pictures:
            raise Unmeasurable(f"of {pictures} pictures {count} were found again")
    return took


MEASUREMENTS = (
    Measurement(("ingest_vs_fsync_files", "ingest_vs_floor"), ingest),
    Measurement(("rebuild_index_7d_s", "rebuild_index_7d_cold_s", "open_7d_s"), start),
    Measurement(("rss_24h_8_cameras_mb",), memory),
)
