"""What the machine says of its clocks: in the files of the kernel and of systemd, and by adjtimex."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from privacy import clock
from privacy.clock import BOOT_ID_VARIABLE, MachineClock, SystemClock
from privacy.errors import PrivacyError

BOOT_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def machine(root: Path) -> SystemClock:
    return SystemClock(proc=root / "proc", sys=root / "sys", run=root / "run")


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_machine_tells_its_boot() -> None:
    here: MachineClock = SystemClock()
    assert len(here.boot_id()) == 16
    assert here.boot_id() == SystemClock().boot_id()
    assert here.monotonic() <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert here.synchronised() in {True, False}


def test_the_boot_id_is_the_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOOT_ID_VARIABLE, "ff" * 16)
    written(tmp_path / "proc/sys/kernel/random/boot_id", BOOT_ID + "\n")
    assert machine(tmp_path).boot_id().hex() == BOOT_ID.replace("-", "")


def test_where_the_kernels_files_are_hidden_the_unit_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOOT_ID_VARIABLE, BOOT_ID.replace("-", ""))
    assert machine(tmp_path).boot_id().hex() == BOOT_ID.replace("-", "")


@pytest.mark.parametrize("told", [None, "", "%b"])
def test_without_a_boot_id_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None
) -> None:
    monkeypatch.delenv(BOOT_ID_VARIABLE, raising=False)
    if told is not None:
        monkeypatch.setenv(BOOT_ID_VARIABLE, told)
    with pytest.raises(PrivacyError, match=f"Environment={BOOT_ID_VARIABLE}=%b"):
        machine(tmp_path).boot_id()


@pytest.mark.parametrize(("error", "synchronised"), [(0, True), (15_999_999, True), (16_000_000, False)])
def test_the_kernel_knows_how_wrong_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, *, synchronised: bool
) -> None:
    def adjtimex(timex: clock._Timex) -> int:
        assert timex.modes == 0, "only reads"
        timex.maxerror = error
        return 5

    monkeypatch.setattr(clock, "_adjtimex", adjtimex)
    written(tmp_path / "run/systemd/timesync/synchronized", "")
    assert machine(tmp_path).synchronised() is synchronised


def test_where_the_kernel_may_not_be_asked_timesyncd_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_adjtimex", lambda _timex: -1)
    assert not machine(tmp_path).synchronised()
    written(tmp_path / "run/systemd/timesync/synchronized", "")
    assert machine(tmp_path).synchronised()


def test_a_battery_clock_is_read(tmp_path: Path) -> None:
    assert machine(tmp_path).battery_clock() is None
    written(tmp_path / "sys/class/rtc/rtc0/since_epoch", "1772366400\n")
    assert machine(tmp_path).battery_clock() == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_of_two_the_one_that_set_the_time_counts(tmp_path: Path) -> None:
    for name, seconds, set_the_time in (("rtc0", "86400", "0"), ("rtc1", "1772366400", "1")):
        written(tmp_path / f"sys/class/rtc/{name}/since_epoch", seconds)
        written(tmp_path / f"sys/class/rtc/{name}/hctosys", set_the_time + "\n")
    assert machine(tmp_path).battery_clock() == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("said", ["", "nonsense", "9" * 30, "9" * 12, None])
def test_a_battery_clock_that_stood_still_says_nothing(tmp_path: Path, said: str | None) -> None:
    (tmp_path / "sys/class/rtc/rtc0").mkdir(parents=True)
    if said is not None:
        written(tmp_path / "sys/class/rtc/rtc0/since_epoch", said)
    assert machine(tmp_path).battery_clock() is None
