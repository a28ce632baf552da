import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from privacy.clock import Clock
from privacy.entries import About
from privacy.errors import RedactionRefused, StoreBroken
from privacy.keyring import KeyRing
from privacy.records import Item, RecordClass, Scope
from privacy.redaction.line import RedactedLine, redacted
from privacy.seal import Keys
from privacy.spool import EXPIRED, FULL, HELD, Batch, Spool
from privacy.timekeeping import TimeKeeper

ALL = Scope(everything=True)
LIMIT = timedelta(hours=72)


HOUR = timedelta(hours=1)


class Hold:
    reason = "dispute"
    until = datetime.fromisoformat("2026-04-01T12:00:00+00:00")

    def __init__(self) -> None:
        self.camera = ""

    def held(self, item: Item) -> "Hold | None":
        return self if item.camera == self.camera else None


@pytest.fixture
def hold() -> Hold:
    return Hold()


@pytest.fixture
def reopened(
    tmp_path: Path, keys: Keys, open_ring: Callable[[], KeyRing], keeper: TimeKeeper, hold: Hold
) -> Callable[..., Spool]:
    def reopen(**caps: int) -> Spool:
        return Spool(tmp_path / "spool", keys, open_ring(), keeper, LIMIT, holds=hold.held, **caps)

    return reopen


@pytest.fixture
def spool(reopened: Callable[..., Spool]) -> Spool:
    return reopened()


def lines(at: datetime, *texts: str, camera: str | None = None) -> list[tuple[RedactedLine, About]]:
    return [(redacted(text), About(at, camera=camera)) for text in texts]


def said(batch: Batch | None) -> list[str]:
    return [line.text for line in batch.lines] if batch else []


def test_a_batch_comes_again_until_it_is_acknowledged(
    spool: Spool, reopened: Callable[..., Spool], clock: Clock
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


def test_an_acknowledgement_counts_once(spool: Spool, reopened: Callable[..., Spool], clock: Clock) -> None:
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


def test_the_oldest_lines_make_room_and_are_counted(
    tmp_path: Path, reopened: Callable[..., Spool], clock: Clock
) -> None:
    spool = reopened(cap=16_384)
    for number in range(400):
        spool.append(lines(clock.now(), f"line {number:04}"))
        size = sum(p.stat().st_size for p in (tmp_path / "spool").glob("*.log"))
        assert size <= 16_384
    lost = spool.dropped[FULL]
    assert lost + spool.waiting == 400
    assert said(reopened().next_batch(1)) == [f"line {lost:04}"]
    assert reopened().dropped == {FULL: lost}


def test_a_batch_that_was_dropped_for_room_does_not_block(reopened: Callable[..., Spool], clock: Clock) -> None:
    spool = reopened(cap=16_384)
    spool.append(lines(clock.now(), "first"))
    first = spool.next_batch(1)
    for number in range(400):
        spool.append(lines(clock.now(), f"line {number:04}"))
    second = spool.next_batch(1)
    assert first
    assert second
    assert first.id != second.id
    assert not spool.acknowledge(first.id)


def test_lines_go_at_the_limit_and_are_counted(spool: Spool, clock: Any) -> None:
    spool.append(lines(clock.now(), "old"))
    clock.move(hours=1)
    spool.append(lines(clock.now(), "new"))
    clock.move(hours=70)
    assert spool.expire(timedelta(minutes=59)) == 0
    assert spool.expire(HOUR) == 1
    assert spool.dropped == {EXPIRED: 1}
    assert said(spool.next_batch(10)) == ["new"]


def test_what_was_acknowledged_cannot_be_read_after_the_next_expiry(
    tmp_path: Path, spool: Spool, reopened: Callable[..., Spool], clock: Any
) -> None:
    later = clock.now() + HOUR
    spool.append(lines(clock.now(), "a", "b", "c"))
    first = spool.next_batch(2)
    assert first
    assert spool.acknowledge(first.id)
    assert sum(spool.scan(ALL, later)) == 3, "hidden, and not erased yet"
    assert spool.expire(HOUR) == 0, "they are no loss"
    assert sum(spool.scan(ALL, later)) == spool.waiting == reopened().waiting == 1
    assert spool.expire(HOUR) == 0
    second = spool.next_batch(10)
    assert said(second) == ["c"]
    assert second
    assert spool.acknowledge(second.id)
    spool.expire(HOUR)
    assert list((tmp_path / "spool").glob("*.log")) == []
    assert spool.dropped == {}
    spool.append(lines(clock.now(), "d"))
    assert spool._files.names() == ["0000000002"], "a number whose batches went out means nothing else"
    assert said(reopened().next_batch(10)) == ["d"]


def test_an_order_reaches_what_was_acknowledged_as_well(spool: Spool, clock: Any) -> None:
    spool.append(lines(clock.now(), "a", "b", camera="front"))
    first = spool.next_batch(1)
    assert first
    spool.acknowledge(first.id)
    later, scope = clock.now() + HOUR, Scope(cameras=("front",))
    assert spool.count(scope, later) == spool.erase(scope, later).erased == 2
    assert sum(spool.scan(ALL, later)) == 0


def test_an_order_and_expiry_in_one_change(spool: Spool, clock: Any) -> None:
    spool.append(lines(clock.now(), "a", "b", camera="front"))
    first = spool.next_batch(1)
    assert first
    spool.acknowledge(first.id)
    with spool._files.change():
        assert spool.erase(ALL, clock.now() + HOUR).erased == 2
        assert spool.expire(HOUR) == 0
    assert sum(spool.scan(ALL, clock.now() + HOUR)) == 0


def test_what_is_held_is_kept_and_not_sent(
    spool: Spool, reopened: Callable[..., Spool], clock: Any, hold: Hold
) -> None:
    spool.append([*lines(clock.now(), "front", camera="front"), *lines(clock.now(), "back", camera="back")])
    whole = spool.next_batch(10)
    hold.camera = "front"
    batch = spool.next_batch(10)
    assert whole
    assert batch
    assert batch.id != whole.id
    assert said(batch) == ["back"]
    assert spool.acknowledge(batch.id)
    assert spool.next_batch(10) is None
    assert spool.dropped == {HELD: 1}
    clock.move(hours=100)
    spool.expire(HOUR)
    left = spool.erase(ALL, clock.now())
    assert (left.left, [item.camera for item in spool.find(ALL, clock.now())]) == (1, ["front"])
    hold.camera = ""
    again = reopened()
    assert again.next_batch(10) is None
    again.expire(HOUR)
    assert sum(again.scan(ALL, clock.now())) == 0
    assert again.dropped == {HELD: 1}


def test_an_unreadable_line_is_exported_as_it_lies_there(spool: Spool, clock: Any) -> None:
    spool.append(lines(clock.now(), "a"))
    spool._files.append("0000000001", [(None, b"of a later version")])  # type: ignore[list-item]
    assert [payload for _, payload in spool.export(ALL)] == [b"a", b"of a later version"]
    assert said(spool.next_batch(10)) == ["a"]
    assert list(spool.moments()) == [spool._files.file("0000000001").info.moment]
    spool.redate(lambda moment: moment)
    assert list(spool.oldest()) == [(RecordClass.OP_LOG, 2, clock.now())]


def test_a_medium_that_refuses_to_make_room_costs_no_line(
    reopened: Callable[..., Spool], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = reopened(cap=16_384)

    def refuse(*_: object) -> None:
        raise StoreBroken("broken")

    with monkeypatch.context() as broken:
        broken.setattr(spool._files, "lose", refuse)
        for number in range(300):
            spool.append(lines(clock.now(), f"line {number:04}"))
    assert spool.waiting == 300
    spool.append(lines(clock.now(), "last"))
    assert spool.dropped[FULL] + spool.waiting == 301


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


def test_who_has_the_whole_batch_has_what_is_left_of_it(spool: Spool, clock: Clock) -> None:
    spool.append([*lines(clock.now(), "front", camera="front"), *lines(clock.now(), "back", camera="back")])
    first = spool.next_batch(10)
    spool.erase(Scope(cameras=("front",)), clock.now() + timedelta(seconds=1))
    assert first
    assert spool.acknowledge(first.id)
    assert spool.next_batch(10) is None


def test_an_acknowledgement_that_a_crash_cut_short_is_asked_for_again(
    spool: Spool, reopened: Callable[..., Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(lines(clock.now(), "a", "b", "c"))
    first = spool.next_batch(10)
    assert first

    def killed(_path: Path, _data: bytes) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("privacy.spool_state.write_new", killed)
        with pytest.raises(Killed):
            spool.acknowledge(first.id)
    reopened().append(lines(clock.now(), "d", "e", "f"))
    again = reopened()
    assert again.next_batch(10) == first
    assert again.acknowledge(first.id)
    second = again.next_batch(10)
    assert second
    assert said(second) == ["d", "e", "f"]
    assert second.id != first.id


def test_a_spool_opens_on_a_full_medium_and_still_uses_no_id_twice(
    spool: Spool, reopened: Callable[..., Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(lines(clock.now(), "a"))
    first = spool.next_batch(10)
    with spool._files.change():
        spool._files.lose("0000000001", lambda _sequence, _item: True)

    def full(_path: Path, _data: bytes) -> None:
        raise StoreBroken("full")

    with monkeypatch.context() as patched:
        patched.setattr("privacy.spool_state.write_new", full)
        reopened().append(lines(clock.now(), "b"))
    assert reopened()._files.names() == ["0000000002"]
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


def test_a_state_that_cannot_be_read_is_our_own_error(
    spool: Spool, reopened: Callable[..., Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append([])
    spool.append(lines(clock.now(), "a"))
    spool.next_batch(1)

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", refuse)
        with pytest.raises(StoreBroken, match="Permission denied"):
            reopened()


def test_a_state_that_does_not_open_costs_a_repetition_at_most(
    tmp_path: Path, spool: Spool, reopened: Callable[..., Spool], clock: Clock
) -> None:
    spool.append(lines(clock.now(), "a", "b"))
    spool.next_batch(1)
    state = tmp_path / "spool" / "state"
    state.write_bytes(state.read_bytes()[:-1])
    assert said(reopened().next_batch(10)) == ["a", "b"]


class Killed(BaseException):
    """Stands for a power cut."""


@pytest.mark.parametrize("survives", range(26))
def test_a_kill_at_any_step_loses_nothing_and_brings_nothing_back(
    spool: Spool, reopened: Callable[..., Spool], clock: Any, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    spool.append(lines(clock.now(), "a", "b", "c"))
    first = spool.next_batch(2)
    assert first
    left = survives

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if real is not opens or args[1] & (os.O_WRONLY | os.O_RDWR):  # to look changes nothing
                if left == 0:
                    raise Killed
                left -= 1
            return real(*args, **kwargs)

        return call

    opens = os.open
    for name in ("open", "write", "fsync", "fdatasync", "ftruncate", "replace", "unlink"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    acknowledged = appended = False
    try:
        acknowledged = spool.acknowledge(first.id)
        spool.expire(HOUR)
        spool.append(lines(clock.now(), "d"))
        appended = True
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
    assert seen in (["a", "b", "c"], ["c"], ["c", "d"])
    assert not acknowledged or "a" not in seen
    assert not appended or seen == ["c", "d"]
    assert appended or survives < 25, "every step was killed at"
    assert again.expire(HOUR) == 0
    assert sum(again.scan(ALL, clock.now() + HOUR)) == 0


class SpoolModel(RuleBasedStateMachine):
    """The spool against a plain list, with restarts anywhere."""

    slots: ClassVar[Any]
    keeper: ClassVar[TimeKeeper]

    def __init__(self) -> None:
        super().__init__()
        import tempfile  # noqa: PLC0415

        self._folder = tempfile.TemporaryDirectory()
        self._slots = SpoolModel.slots()
        self._spool = self._opened()
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
        self._spool = self._opened()

    @rule()
    def expire(self) -> None:
        assert self._spool.expire(HOUR) == 0

    def _opened(self) -> Spool:
        folder = Path(self._folder.name)
        ring = KeyRing.open(folder / "keys", self._slots, os.urandom)
        return Spool(folder / "spool", Keys(bytes(range(32))), ring, SpoolModel.keeper, LIMIT)

    @invariant()
    def counts_agree(self) -> None:
        assert self._spool.waiting == len(self._waiting)

    def teardown(self) -> None:
        self._folder.cleanup()


def test_any_life_of_a_spool(slots: Any, keeper: TimeKeeper) -> None:
    SpoolModel.slots, SpoolModel.keeper = type(slots), keeper
    run_state_machine_as_test(SpoolModel, settings=settings(max_examples=20, stateful_step_count=20, deadline=None))
