"""The vault against a dict: pictures, orders, expiry, tags, claims, holds, restarts, and power that goes at any step.

After each rule the vault holds what the model holds: nothing is lost, nothing that died is found or opens, and nothing
is older than its limit once expiry has run. Where the power goes in the middle of an order, what it reaches is gone
or there, as a whole; carried out again, as the journal has it, it is gone.
"""

import errno
import itertools
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from camera.vault import expiring
from camera.vault.catalogue import Catalogue
from camera.vault.erasing import Erasing
from camera.vault.pictures import Pictures
from camera.vault.retention import Limits
from camera.vault.retention import due as real_due
from camera.vault.survey import Found, Survey
from camera.vault.tags import Tags
from camera.vault.writing import Writing
from privacy.errors import StoreBroken
from privacy.records import Scope

LIMIT = timedelta(days=2)
SPAN = timedelta(hours=1)
STEPS = ("fsync", "fdatasync", "pwrite", "writev", "write", "unlink", "ftruncate", "truncate")
CAMERAS = ("front", "garden")
PERSONS = ("kari", "ola")


MEMORY = Path("/dev/shm")
"""Nothing here outlives a power cut that is real, so the boxes may lie where a sync costs nothing."""


class PowerCut(BaseException):
    """Nothing that runs may catch it."""


@dataclass
class Shot:
    """A picture of the model."""

    camera: str
    at: datetime
    persons: set[str]
    segment_began: datetime
    tagged: set[str] = field(default_factory=set)
    synced: bool = False


@contextmanager
def failing(step: int, error: Callable[[], BaseException]) -> Iterator[None]:
    """The `step`th call to the system that changes the disk does not happen, nor any after it."""
    left = itertools.count(step, -1)
    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            real = getattr(os, name)

            def call(*args: Any, _real: Callable[..., Any] = real, **kwargs: Any) -> Any:
                if next(left) <= 0:
                    raise error()
                return _real(*args, **kwargs)

            patch.setattr(os, name, call)
        yield


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


instants = st.integers(0, 12).map(lambda back: timedelta(minutes=25 * back))
places = st.integers(0, 30)
"""Of a picture among those that there are: a bound of time falls on it."""
bounded = st.fixed_dictionaries(
    {"start": places},
    optional={
        "cameras": st.sampled_from([("front",), ("garden",), CAMERAS]),
        "subjects": st.sampled_from([("kari",), ("ola",), PERSONS]),
        "end": places,
    },
)
persons = st.fixed_dictionaries({"subjects": st.sampled_from([("kari",), ("ola",), PERSONS])})
scopes = st.one_of(bounded, bounded, bounded, persons, st.just({}))


class VaultModel(RuleBasedStateMachine):
    """`make_box` is the fixture of `tests/camera/conftest.py`."""

    make_box: Callable[..., Any]

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        self.box = self.make_box(state=self.folder, limits=Limits(LIMIT))
        self.shots: dict[str, Shot] = {}
        self.segments: dict[str, datetime] = {}
        self.claims: list[tuple[str, str, datetime, datetime]] = []
        self.hold: Any = None
        self.held_scope = Scope()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.box.vault.close()
            shutil.rmtree(self.folder)

    # -- what happens; before each, a few pictures are taken, so that there is something that it can happen to

    def life_goes_on(self) -> None:
        for number in range(4):
            self.take(CAMERAS[number % 2], {PERSONS[0]} if number == 3 else set())

    def take(self, camera: str, persons: set[str]) -> None:
        record = self.box.keep(camera, *persons)
        at = self.box.clock.wall
        self.shots[record] = Shot(camera, at, persons, self.began(record, at))
        self.box.clock.pass_by(minutes=7)

    def began(self, record: str, at: datetime) -> datetime:
        """When the first picture of its segment was captured, which may have died since."""
        return self.segments.setdefault(record[:32], at)

    @rule(
        camera=st.sampled_from(CAMERAS), persons=st.sets(st.sampled_from(PERSONS), max_size=1), count=st.integers(1, 4)
    )
    def capture(self, camera: str, persons: set[str], count: int) -> None:
        for _ in range(count):
            self.take(camera, persons)

    @rule(hours=st.sampled_from([1, 2, 20, 46, 50]))
    def time_passes(self, hours: int) -> None:
        self.life_goes_on()
        self.box.clock.pass_by(hours=hours)
        self.box.time.tick()
        self.box.vault.expire()
        self.expired()

    @rule()
    def flush(self) -> None:
        self.life_goes_on()
        self.box.vault.flush()
        self.all_synced()

    @rule()
    def reclaim(self) -> None:
        self.life_goes_on()
        self.box.vault.reclaim(2)

    @rule(person=st.sampled_from(PERSONS), which=st.randoms(use_true_random=False))
    def tag(self, person: str, which: random.Random) -> None:
        self.life_goes_on()
        shown = [record for record, shot in self.shots.items() if not self.is_held(record, shot)]
        chosen = which.sample(shown, min(3, len(shown)))
        assert self.box.vault.tag(person, chosen) == len(chosen)
        for record in chosen:
            self.shots[record].tagged.add(person)

    @rule(person=st.sampled_from(PERSONS), camera=st.sampled_from(CAMERAS), start=instants, end=instants)
    def claim(self, person: str, camera: str, start: timedelta, end: timedelta) -> None:
        self.life_goes_on()
        now = self.box.clock.wall
        self.box.vault.claim(person, camera, now - start, now - end)
        self.claims.append((person, camera, now - start, now - end))
        self.box.clock.pass_by(minutes=1)

    @precondition(lambda self: self.hold is None)
    @rule(scope=scopes.filter(bool))
    def place_hold(self, scope: dict[str, Any]) -> None:
        self.life_goes_on()
        held_scope = self.scope(scope)
        if held_scope.backwards:
            return  # refused: nobody has such a hold
        self.held_scope = held_scope
        self.hold = self.box.hold(
            **{key: value for key, value in msgspec.structs.asdict(self.held_scope).items() if value}
        )

    @precondition(lambda self: self.hold is not None)
    @rule()
    def release_hold(self) -> None:
        self.life_goes_on()
        if self.holding:
            self.box.holds.release(self.hold.id, self.hold.by)
        self.hold = None

    @rule(scope=scopes)
    def erase(self, scope: dict[str, Any]) -> None:
        self.life_goes_on()
        self.carry_out(self.scope(scope), self.box.clock.wall)

    @rule(scope=scopes, step=st.integers(1, 40))
    def power_goes_during_an_order(self, scope: dict[str, Any], step: int) -> None:
        self.life_goes_on()
        wanted, before = self.scope(scope), self.box.clock.wall
        self.box.vault.flush()
        self.all_synced()
        meant = self.meant(wanted, before)
        try:
            with failing(step, PowerCut):
                self.box.vault.erase(wanted, before)
        except PowerCut:
            self.crash()
            assert self.box.ids() in (set(self.shots), set(self.shots) - meant), "all of it, or nothing"
        self.carry_out(wanted, before)

    @rule(scope=scopes, step=st.integers(1, 40))
    def the_medium_refuses_during_an_order(self, scope: dict[str, Any], step: int) -> None:
        self.life_goes_on()
        wanted, before = self.scope(scope), self.box.clock.wall
        try:
            with failing(step, no_space):
                self.box.vault.erase(wanted, before)
        except StoreBroken:
            pass
        self.carry_out(wanted, before)

    @rule(step=st.integers(1, 12))
    def power_goes_during_an_append(self, step: int) -> None:
        self.life_goes_on()
        try:
            with failing(step, PowerCut):
                self.box.keep("front")
                self.box.vault.flush()
        except PowerCut:
            pass
        self.crash()
        there = self.box.ids()
        assert {record for record, shot in self.shots.items() if shot.synced} <= there, "never what was flushed"
        self.shots = {record: shot for record, shot in self.shots.items() if record in there}
        for record in there - self.shots.keys():
            (item,) = (item for item in self.box.vault.find(Scope(everything=True), _FUTURE) if item.id == record)
            assert item.at
            self.shots[record] = Shot("front", item.at, set(), self.began(record, item.at))
        self.all_synced()
        self.box.clock.pass_by(minutes=7)

    @rule(step=st.integers(1, 40))
    def power_goes_during_expiry(self, step: int) -> None:
        self.life_goes_on()
        self.box.vault.flush()
        self.all_synced()
        try:
            with failing(step, PowerCut):
                self.box.vault.expire()
        except PowerCut:
            self.crash()
        self.box.vault.expire()
        self.expired()

    @rule()
    def restart(self) -> None:
        self.life_goes_on()
        self.box.restart()
        self.all_synced()

    @rule()
    def lose_the_index(self) -> None:
        self.life_goes_on()
        self.box.vault.close()
        (self.folder / "vault" / "index").unlink()
        self.box.start()
        self.all_synced()

    # -- what has to hold

    @invariant()
    def nothing_is_lost_and_nothing_comes_back(self) -> None:
        if not hasattr(self, "box"):
            return
        vault = self.box.vault
        assert self.box.ids() == self.shots.keys()
        assert vault.count(Scope(everything=True), _FUTURE) == len(self.shots)
        shown = {record for record, shot in self.shots.items() if not self.is_held(record, shot)}
        assert {shot.id for shot in vault.newest(None, 10_000)} == shown
        assert sum(span.count for span in vault.spans().values()) == len(shown)
        for item in vault.find(Scope(everything=True), _FUTURE):
            shot = self.shots[item.id]
            assert (item.at, item.camera, item.subjects) == (shot.at, shot.camera, self.persons(shot))
            assert (vault.image(item.id) is not None) == (item.id in shown)

    # -- the model

    def scope(self, parts: dict[str, Any]) -> Scope:
        times = sorted(shot.at for shot in self.shots.values()) or [self.box.clock.wall]
        bounds = {key: times[parts[key] % len(times)] for key in ("start", "end") if key in parts}
        rest = {key: parts[key] for key in ("cameras", "subjects") if key in parts}
        return Scope(**bounds, **rest) if parts else Scope(everything=True)

    def persons(self, shot: Shot) -> frozenset[str]:
        claimed = {who for who, camera, start, end in self.claims if camera == shot.camera and start <= shot.at < end}
        return frozenset(shot.persons | shot.tagged | claimed)

    def in_scope(self, scope: Scope, shot: Shot) -> bool:
        return (
            (not scope.cameras or shot.camera in scope.cameras)
            and (not scope.subjects or bool(self.persons(shot) & set(scope.subjects)))
            and (not scope.start or shot.at >= scope.start)
            and (not scope.end or shot.at < scope.end)
        )

    def is_held(self, _record: str, shot: Shot) -> bool:
        return self.holding and self.in_scope(self.held_scope, shot)

    @property
    def holding(self) -> bool:
        return self.hold is not None and self.box.clock.wall < self.hold.until

    def meant(self, scope: Scope, before: datetime) -> set[str]:
        """What an order takes: not what is held."""
        return {
            record
            for record, shot in self.shots.items()
            if shot.at < before and self.in_scope(scope, shot) and not self.is_held(record, shot)
        }

    def carry_out(self, scope: Scope, before: datetime) -> None:
        vault, meant = self.box.vault, self.meant(scope, before)
        found = [shot for shot in self.shots.values() if shot.at < before and self.in_scope(scope, shot)]
        erasure = vault.erase(scope, before)
        there = set(self.shots) - meant
        assert self.box.ids() == there
        assert (erasure.erased, erasure.left) in {(len(meant), len(found) - len(meant)), (0, len(found) - len(meant))}
        assert erasure.left == sum(one.count for one in erasure.exemptions)
        self.shots = {record: self.shots[record] for record in there}
        if not erasure.left:
            self.claims = [claim for claim in self.claims if not _claim_dies(claim, scope, before)]
            assert sum(vault.scan(scope, before, [erasure.marks] if erasure.marks else [])) == 0
            assert vault.erase(scope, before).found == 0

    def expired(self) -> None:
        now, there = self.box.clock.wall, self.box.ids()
        for record, shot in list(self.shots.items()):
            if record in there:
                assert now - shot.at < LIMIT or self.is_held(record, shot), "late"
            else:
                assert now - shot.segment_began >= LIMIT - SPAN, "too early"
                assert not self.is_held(record, shot)
                del self.shots[record]
        if not self.holding:
            self.claims = [claim for claim in self.claims if claim[3] + LIMIT > now]

    def all_synced(self) -> None:
        for shot in self.shots.values():
            shot.synced = True

    def crash(self) -> None:
        """The power is back. What was written is there, as after a kill; `test_vault_opening.py` has torn tails."""
        for writer in self.box.vault._catalogue.writers.values():
            writer.close()
        self.box.vault._catalogue.close()
        self.box.start()
        while self.box.vault.reclaim():
            pass


_quick = settings(max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
_FUTURE = datetime(2027, 1, 1, tzinfo=UTC)


def _claim_dies(claim: tuple[str, str, datetime, datetime], scope: Scope, before: datetime) -> bool:
    person, camera, start, end = claim
    who = not scope.subjects or person in scope.subjects
    where = not scope.cameras or camera in scope.cameras
    when = (not scope.start or start >= scope.start) and (not scope.end or end <= scope.end)
    return who and where and when and (bool(scope.subjects) or scope.everything or end <= before)


def test_never_lost_never_shown_never_late(make_box: Callable[..., Any]) -> None:
    machine = type("Model", (VaultModel,), {"make_box": staticmethod(make_box)})
    run_state_machine_as_test(machine, settings=_quick)


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_the_same_at_length(make_box: Callable[..., Any]) -> None:
    """About eight minutes of one core."""
    machine = type("Model", (VaultModel,), {"make_box": staticmethod(make_box)})
    run_state_machine_as_test(machine, settings=settings(_quick, max_examples=1000, stateful_step_count=40))


def _spares_a_part(self: Erasing, doomed: Found) -> Any:
    survivors, pictures = _real_part(self, doomed), Pictures(self._catalogue, doomed.segment, None)
    return survivors and msgspec.structs.replace(survivors, page=pictures.survivors(b"".join(pictures.ids)))


def _takes_what_was_said(
    self: Erasing, _change: Any, whole: Any, parts: Any = (), dies: Any = lambda _record: False
) -> None:
    dying = dict.fromkeys([*whole, *(one.segment.id for one in parts)])
    self._tags.erase(dying, dies)


_real_part = Erasing._part
BROKEN = {
    "leaves in the page what died": (Erasing, "_part", _spares_a_part),
    "takes the whole hour": (Erasing, "_part", lambda _self, _doomed: None),
    "goes on in a segment that an erasure touched": (Writing, "retire", lambda _self, _segments: None),
    "expires nothing": (expiring, "due", lambda *_: []),
    "expires too much": (expiring, "due", lambda kept, limits, _: real_due(kept, Limits(limits.site / 2), True)),
    "spares what was said of a person": (Tags, "erase", lambda *_: None),
    "takes what was said and leaves the pictures": (Erasing, "stage", _takes_what_was_said),
    "shows what is held": (Survey, "kept", lambda _self, _segment: 0),
    "erases what is held": (Survey, "held", lambda _self, _segment: iter(())),
    "believes its rows after a change": (Catalogue, "_follow", lambda _self, _entries: None),
}


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_vault_does_not_pass(
    make_box: Callable[..., Any], broken: tuple[Any, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*broken)
    machine = type("Model", (VaultModel,), {"make_box": staticmethod(make_box)})
    until_it_fails = settings(_quick, max_examples=400, stateful_step_count=25, phases=[Phase.generate], database=None)
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(machine, settings=until_it_fails)
