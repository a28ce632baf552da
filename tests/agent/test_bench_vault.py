"""The suites `vault` and `erasure` at tiny sizes: each figure comes out, and everything is put back; none is judged."""

import math
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from agent.bench import run
from agent.bench.figure import Figure, Unmeasurable
from privacy.records import Scope
from tests.bench import erasure, vault
from tests.bench.bare_vault import walk
from tests.bench.medium import Hollow, no_syncs, syncs_of_at_least
from tests.bench.pictures import ORIGIN, SteppedClock, fill, opened, picture, remembered, small_picture

ROOT = Path(__file__).parents[2]
FIXED = {
    "vault": "ingest_vs_fsync_files ingest_vs_floor rebuild_index_7d_s rebuild_index_7d_cold_s rss_24h_8_cameras_mb",
    "erasure": "erase_half_10k_ms erase_half_100k_ms erase_half_1m_ms erase_half_1m_vs_find_delete"
    " erase_person_200k_ms erase_everything_ms",
}
Measure = Callable[[Path], Awaitable[Sequence[Figure]]]


def halves(place: Path) -> Awaitable[Sequence[Figure]]:
    sizes = dict(zip(erasure.HALVES, (32, 64, 800), strict=True))
    return erasure.halves(place, sizes=sizes, files=64, rounds=1)


def person(place: Path) -> Awaitable[Sequence[Figure]]:
    return erasure.person_and_everything(place, size=200, cameras=2, rounds=1)


@pytest.mark.parametrize(
    ("measure", "names"),
    [
        (lambda place: vault.ingest(place, pictures=16, rounds=1), vault.MEASUREMENTS[0].names),
        (lambda place: vault.start(place, hours=1, rounds=1), vault.MEASUREMENTS[1].names),
        (lambda place: vault.memory(place, hours=1), vault.MEASUREMENTS[2].names),
        (halves, erasure.MEASUREMENTS[0].names),
        (person, erasure.MEASUREMENTS[1].names),
    ],
    ids=["ingest", "start", "memory", "halves", "person"],
)
async def test_every_figure_comes_out(measure: Measure, names: Sequence[str], tmp_path: Path) -> None:
    before = os.fsync, os.fdatasync, os.writev
    figures = await measure(tmp_path)
    assert [each.name for each in figures] == list(names)
    for each in figures:
        assert each.ratio is not None
        assert math.isfinite(each.ratio)
        assert each.ratio > 0
        assert each.note
    assert (os.fsync, os.fdatasync, os.writev) == before


def test_the_fixed_ones_are_there() -> None:
    suites = run.suites(ROOT)
    for suite, names in FIXED.items():
        measured = [name for each in suites[suite] for name in each.names]
        assert set(names.split()) <= set(measured)
        assert len(set(measured)) == len(measured)


async def test_files_without_room_are_not_made(tmp_path: Path) -> None:
    files = tmp_path / "files"
    with pytest.raises(Unmeasurable, match="no room"):
        await erasure._find_delete(files, 10**9)
    assert not files.exists()


class TestMedium:
    def test_syncs_last_as_long_as_a_cards_and_are_carried_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        monkeypatch.setattr(os, "fdatasync", synced.append)
        with syncs_of_at_least(0.0) as took:
            os.fsync(1)
            os.fdatasync(2)
        assert synced == [1, 2]
        assert len(took) == 2
        with no_syncs():
            os.fsync(3)
            os.fdatasync(4)
        assert synced == [1, 2]

    def test_holes_are_where_images_would_be(self, tmp_path: Path) -> None:
        hollow, clock, shot = Hollow(), SteppedClock(), picture(1 << 16, 16)
        with no_syncs(), hollow.writing(), opened(tmp_path, clock) as kept:
            fill(kept, 4, 2, shot)
            hollow.on = False
            fill(kept, 2, 2, shot)
            newest = kept.vault.newest(None, 6)
            assert [kept.vault.image(shown.id) for shown in newest] == [shot.image] * 2 + [None] * 4
        segments = list((tmp_path / "vault" / "segments").iterdir())
        assert walk(segments) == 6
        (tmp_path / "vault" / "index").unlink()
        with opened(tmp_path, clock) as kept:
            assert [count for _, count, _ in kept.vault.oldest()] == [6]


def test_what_was_erased_is_put_back(tmp_path: Path) -> None:
    state, clock = tmp_path / "state", SteppedClock()
    with opened(state, clock) as kept:
        fill(kept, 8, 2, small_picture())
    middle = Scope(end=ORIGIN + (clock.now() - ORIGIN) / 2)
    for _ in range(2):
        with remembered(state, tmp_path / "beside"):
            with opened(state, clock) as kept:
                assert erasure._erase(kept, middle)[1] == 4
            assert list((state / "vault" / "pages").iterdir())
    assert not list((state / "vault" / "pages").iterdir())
