from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from privacy.clock import Clock
from privacy.entries import About
from privacy.errors import RedactionRefused, StoreBroken
from privacy.records import RecordClass, Scope
from privacy.redaction.line import RedactedLine, redacted
from privacy.seal import Keys
from privacy.spool import EXPIRED, FULL, Batch, Spool

ALL = Scope(everything=True)
LIMIT = timedelta(hours=72)


@pytest.fixture
def spool(tmp_path: Path, keys: Keys) -> Spool:
    return Spool(tmp_path / "spool", keys, LIMIT)


@pytest.fixture
def reopened(tmp_path: Path, keys: Keys) -> Callable[[], Spool]:
    return lambda: Spool(tmp_path / "spool", keys, LIMIT)


def lines(at: datetime, *texts: str, camera: str | None = None) -> list[tuple[RedactedLine, About]]:
    return [(redacted(text), About(at, camera=camera)) for text in texts]


def said(batch: Batch | None) -> list[str]:
    return [line.text for line in batch.lines] if batch else []


def test_a_batch_comes_again_until_it_is_acknowledged(
    spool: Spool, reopened: Callable[[], Spool], clock: Clock
) -> None:
    assert spool.next_batch(10) is None
    spool.append(lines(clock.now(), "a", "b", "c"))
    first = spool.next_batch(2)
    assert first
    assert said(first) == ["a", "b"]
    spool.append(lines(clock.now(), "d"))
    assert spool.next_batch(100) == first
    again = reopened()
    assert again.next_batch(1) == first
    assert again.acknowledge(first.id)
    assert said(reopened().next_batch(100)) == ["c", "d"]


def test_an_acknowledgement_counts_once(spool: Spool, reopened: Callable[[], Spool], clock: Clock) -> None:
    spool.append(lines(clock.now(), "a", "b"))
    first = spool.next_batch(1)
    assert first
    assert not spool.acknowledge("another")
    assert spool.acknowledge(first.id)
    assert not spool.acknowledge(first.id)
    assert not reopened().acknowledge(first.id)
    assert spool.waiting == 1
    second = spool.next_batch(1)
    assert second
    assert second.id != first.id


def test_a_batch_id_is_never_used_for_other_lines(spool: Spool, clock: Clock) -> None:
    spool.append(lines(clock.now(), "a"))
    first = spool.next_batch(1)
    spool.erase(ALL, clock.now() + timedelta(1))
    spool.append(lines(clock.now(), "b"))
    second = spool.next_batch(1)
    assert first
    assert second
    assert said(second) == ["b"]
    assert first.id != second.id


@pytest.mark.parametrize("forged", ["text", object(), None])
def test_only_redacted_lines_are_accepted(spool: Spool, clock: Clock, forged: Any) -> None:
    with pytest.raises(RedactionRefused):
        spool.append([(forged, About(clock.now()))])
    assert spool.waiting == 0


def test_the_oldest_lines_make_room_and_are_counted(tmp_path: Path, keys: Keys, clock: Clock) -> None:
    spool = Spool(tmp_path / "small", keys, LIMIT, cap=16_384)
    for number in range(400):
        spool.append(lines(clock.now(), f"line {number:04}"))
        size = sum(p.stat().st_size for p in (tmp_path / "small").glob("*.log"))
        assert size <= 16_384
    lost = spool.dropped[FULL]
    assert lost + spool.waiting == 400
    assert said(Spool(tmp_path / "small", keys, LIMIT).next_batch(1)) == [f"line {lost:04}"]
    assert Spool(tmp_path / "small", keys, LIMIT).dropped == {FULL: lost}


def test_a_batch_that_was_dropped_for_room_does_not_block(tmp_path: Path, keys: Keys, clock: Clock) -> None:
    spool = Spool(tmp_path / "small", keys, LIMIT, cap=16_384)
    spool.append(lines(clock.now(), "first"))
    first = spool.next_batch(1)
    for number in range(400):
        spool.append(lines(clock.now(), f"line {number:04}"))
    second = spool.next_batch(1)
    assert first
    assert second
    assert first.id != second.id
    assert not spool.acknowledge(first.id)


def test_lines_go_at_the_limit_and_are_counted(spool: Spool, clock: Clock) -> None:
    now = clock.now()
    spool.append([*lines(now, "old"), *lines(now + timedelta(hours=1), "new")])
    assert spool.expire(now + timedelta(hours=72)) == 1
    assert spool.dropped == {EXPIRED: 1}
    assert said(spool.next_batch(10)) == ["new"]


def test_an_erasure_reaches_waiting_lines_and_a_batch_on_its_way(spool: Spool, clock: Clock) -> None:
    later = clock.now() + timedelta(seconds=1)
    spool.append([*lines(clock.now(), "front", camera="front"), *lines(clock.now(), "back", camera="back")])
    first = spool.next_batch(10)
    scope = Scope(cameras=("front",))
    assert [item.record_class for item in spool.find(scope, later)] == [RecordClass.OP_LOG]
    assert spool.erase(scope, later).left == 0
    rest = spool.next_batch(10)
    assert said(rest) == ["back"]
    assert first
    assert rest
    assert rest.id != first.id
    assert spool.acknowledge(rest.id)
    assert spool.next_batch(10) is None


def test_a_batch_that_the_limit_thins_goes_out_under_another_id(spool: Spool, clock: Clock) -> None:
    now = clock.now()
    spool.append([*lines(now, "old"), *lines(now + timedelta(hours=1), "new")])
    first = spool.next_batch(10)
    spool.expire(now + LIMIT)
    rest = spool.next_batch(10)
    assert first
    assert rest
    assert said(rest) == ["new"]
    assert rest.id != first.id


def test_who_has_the_whole_batch_has_what_is_left_of_it(spool: Spool, clock: Clock) -> None:
    spool.append([*lines(clock.now(), "front", camera="front"), *lines(clock.now(), "back", camera="back")])
    first = spool.next_batch(10)
    spool.erase(Scope(cameras=("front",)), clock.now() + timedelta(seconds=1))
    assert first
    assert spool.acknowledge(first.id)
    assert spool.next_batch(10) is None


def test_the_id_of_an_acknowledged_batch_is_not_used_again_after_a_crash(
    spool: Spool, reopened: Callable[[], Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(lines(clock.now(), "a", "b", "c"))
    first = spool.next_batch(10)
    assert first

    def killed(_path: Path, _data: bytes) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("privacy.spool.write_new", killed)
        with pytest.raises(Killed):
            spool.acknowledge(first.id)
    reopened().append(lines(clock.now(), "d", "e", "f"))
    second = reopened().next_batch(10)
    assert second
    assert said(second) == ["d", "e", "f"]
    assert second.id != first.id


def test_a_spool_opens_on_a_full_medium_and_still_uses_no_id_twice(
    tmp_path: Path, spool: Spool, reopened: Callable[[], Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(lines(clock.now(), "a"))
    first = spool.next_batch(10)
    (tmp_path / "spool" / "0000000001.log").unlink()

    def full(_path: Path, _data: bytes) -> None:
        raise StoreBroken("full")

    with monkeypatch.context() as patched:
        patched.setattr("privacy.spool.write_new", full)
        reopened().append(lines(clock.now(), "b"))
    assert [path.name for path in (tmp_path / "spool").glob("*.log")] == ["0000000002.log"]
    second = reopened().next_batch(10)
    assert first
    assert second
    assert second.id != first.id


def test_nothing_readable_is_on_the_disk(tmp_path: Path, spool: Spool, clock: Clock) -> None:
    spool.append(lines(clock.now(), "a telling line", camera="front-door"))
    spool.next_batch(1)
    for path in (tmp_path / "spool").iterdir():
        content = path.read_bytes()
        assert b"telling" not in content
        assert b"front-door" not in content


def test_a_state_that_does_not_open_costs_a_repetition_at_most(
    tmp_path: Path, spool: Spool, reopened: Callable[[], Spool], clock: Clock
) -> None:
    spool.append(lines(clock.now(), "a", "b"))
    spool.next_batch(1)
    state = tmp_path / "spool" / "state"
    state.write_bytes(state.read_bytes()[:-1])
    assert said(reopened().next_batch(10)) == ["a", "b"]


class Killed(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("survives", range(4))
def test_a_kill_at_any_write_loses_nothing_and_brings_nothing_back(
    spool: Spool, reopened: Callable[[], Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    spool.append(lines(clock.now(), "a", "b", "c"))
    first = spool.next_batch(2)
    assert first
    left = survives

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return real(*args)

        return call

    import privacy.sealed_folder  # noqa: PLC0415 - their names are patched where they are used
    import privacy.sealed_log  # noqa: PLC0415
    import privacy.spool  # noqa: PLC0415

    for module, name in (
        (privacy.spool, "write_new"),
        (privacy.sealed_log, "write_new"),
        (privacy.sealed_folder, "remove"),
    ):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
    acknowledged = False
    try:
        acknowledged = spool.acknowledge(first.id)
        spool.append(lines(clock.now(), "d"))
    except Killed:
        pass
    monkeypatch.undo()
    again = reopened()
    seen: list[str] = []
    while batch := again.next_batch(10):
        if not acknowledged and said(batch) == ["a", "b"]:
            assert batch.id == first.id
        seen += said(batch)
        assert again.acknowledge(batch.id)
    assert seen[-2:] == ["c", "d"] or seen[-1:] == ["c"]
    assert seen[:-2] in ([], ["a"], ["a", "b"]) or seen == ["a", "b", "c"]
    if acknowledged:
        assert "a" not in seen


class SpoolModel(RuleBasedStateMachine):
    """The spool against a plain list, with restarts anywhere."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile  # noqa: PLC0415

        self._folder = tempfile.TemporaryDirectory()
        self._keys = Keys(bytes(range(32)))
        self._spool = Spool(Path(self._folder.name), self._keys, LIMIT)
        self._now = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
        self._waiting: list[str] = []
        self._batch: Batch | None = None
        self._ids: dict[str, list[str]] = {}
        self._number = 0

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        texts = [f"{self._number + i}" for i in range(count)]
        self._number += count
        self._spool.append(lines(self._now, *texts))
        self._waiting += texts

    @rule(limit=st.integers(1, 7))
    def take(self, limit: int) -> None:
        batch = self._spool.next_batch(limit)
        assert (batch is None) == (not self._waiting)
        if batch and self._batch:
            assert batch == self._batch
        if batch:
            assert said(batch) == self._waiting[: len(batch.lines)]
            assert self._ids.setdefault(batch.id, said(batch)) == said(batch)
        self._batch = batch

    @precondition(lambda self: self._batch)
    @rule()
    def acknowledge(self) -> None:
        assert self._batch
        assert self._spool.acknowledge(self._batch.id)
        self._waiting = self._waiting[len(self._batch.lines) :]
        self._batch = None

    @rule()
    def restart(self) -> None:
        self._spool = Spool(Path(self._folder.name), self._keys, LIMIT)

    @invariant()
    def counts_agree(self) -> None:
        assert self._spool.waiting == len(self._waiting)

    def teardown(self) -> None:
        self._folder.cleanup()


TestSpoolModel = SpoolModel.TestCase
TestSpoolModel.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
