"""The power goes, or the medium refuses, at every step of a life of the key ring: it is generation g or g+1, whole."""

import itertools
import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.errors import StoreBroken
from privacy.key_files import KeyFiles
from privacy.key_root import Found, Root
from privacy.key_table import KeyTable
from privacy.keyring import KeyRing

LIFE: Any = runpy.run_path(str(Path(__file__).with_name("keyring_life.py")))
Medium, CUTS, FAULTS, OUTCOMES = (LIFE[name] for name in ("Medium", "CUTS", "FAULTS", "OUTCOMES"))
lived, cut_off, cut_again, faulted, Life = (LIFE[name] for name in ("lived", "cut_off", "cut_again", "faulted", "Life"))
SHORT, PROGRAM = LIFE["SHORT"], LIFE["PROGRAM"]
IN_THE_CHANGE = 32
"""A step of SHORT, before its change commits. What comes before it is for the deep test."""
USES = ("change", "add", "note", "sync")


@pytest.fixture
def media(tmp_path: Path) -> Iterator[Any]:
    """Fresh ones, without end."""

    def fresh(number: int) -> Any:
        root = tmp_path / str(number)
        root.mkdir()
        return Medium(root)

    return map(fresh, itertools.count())


def problems(media: Iterator[Any], befalls: str, outcome: str, ring: type[KeyRing] = KeyRing) -> Iterator[str]:
    """One line for each step at which a cut leaves something wrong behind."""
    for step in itertools.count(1):
        medium = next(media)
        medium.arm(step, befalls)
        life, cut = lived(medium, ring_class=ring)
        if not cut:
            # the life came to its end before this step
            assert step > 80, "the life is too short to say anything"
            return
        try:
            problem = cut_off(life, outcome)
        except StoreBroken as error:
            problem = str(error)
        if problem:
            yield f"{befalls} step {step} ({medium.steps[-1]}), {outcome}: {problem}"


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("befalls", CUTS)
def test_a_cut_at_every_step(media: Iterator[Any], befalls: str, outcome: str) -> None:
    assert list(problems(media, befalls, outcome)) == []


def problems_twice(
    media: Iterator[Any],
    how: tuple[str, str],
    ring: type[KeyRing] = KeyRing,
    program: tuple[tuple[str, ...], ...] = SHORT,
    first: int = 1,
) -> Iterator[str]:
    """One line for each pair of cuts, in a life and in the start that follows, that leaves something wrong.

    `how`: the outcome of the first, and what befalls the step of the second.
    """
    outcome, again_befalls = how
    for step in itertools.count(first):
        for again in itertools.count(1):
            medium = next(media)
            medium.arm(step, "before")
            life, cut = lived(medium, program, ring)
            if not cut:
                return
            try:
                if not cut_again(life, outcome, again, again_befalls):
                    break
                problem = cut_off(life, "head")
            except StoreBroken as error:
                problem = str(error)
            if problem:
                yield f"step {step}, {outcome}, then {again_befalls} step {again} ({medium.steps[-1]}): {problem}"


def faults(media: Iterator[Any], befalls: str, after: str, ring: type[KeyRing] = KeyRing) -> Iterator[str]:
    """One line for each step whose failure leaves something wrong."""
    for step in itertools.count(1):
        medium = next(media)
        medium.arm(step, befalls)
        try:
            problem = faulted(Life(medium, ring), befalls, USES[step % len(USES)], after)
        except StoreBroken as error:
            problem = str(error)
        if not medium.struck:
            assert step > 80, "the life is too short to say anything"
            return
        if problem:
            yield f"{befalls} at step {step}, {after}: {problem}"


def test_a_second_cut_in_the_start_that_follows(media: Iterator[Any]) -> None:
    assert list(problems_twice(media, ("killed", "during"), first=IN_THE_CHANGE - 10)) == []


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("befalls", CUTS)
def test_every_second_cut_in_the_start_that_follows(media: Iterator[Any], befalls: str, outcome: str) -> None:
    assert list(problems_twice(media, (outcome, befalls), program=PROGRAM)) == []


@pytest.mark.parametrize("after", ["", "synced", "lost"])
@pytest.mark.parametrize("befalls", FAULTS)
def test_a_fault_at_every_step(media: Iterator[Any], befalls: str, after: str) -> None:
    assert list(faults(media, befalls, after)) == []


def _overwrite_without_sync(files: KeyFiles, number: int, data: bytes) -> None:
    files._paths[number].touch()
    handle = os.open(files._paths[number], os.O_WRONLY)
    os.write(handle, data)
    os.ftruncate(handle, len(data))
    os.close(handle)


KINDS = st.sampled_from("abcdef")
EDITS = st.builds("".join, st.tuples(st.sampled_from("-+=*"), KINDS))
OPS = st.one_of(
    st.tuples(st.just("add"), KINDS),
    st.tuples(st.just("note"), st.just("time"), st.sampled_from("123")),
    st.just(("sync",)),
    # One edit an entry: what two of them make of it is for the unit tests.
    st.lists(EDITS, max_size=4, unique_by=lambda edit: edit[1]).map(lambda edits: ("change", *edits)),
)


@given(
    program=st.lists(OPS, min_size=1, max_size=12).map(tuple),
    step=st.integers(1, 120),
    befalls=st.sampled_from(CUTS),
    outcome=st.sampled_from(OUTCOMES),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_of_any_life(
    media: Iterator[Any], program: tuple[tuple[str, ...], ...], step: int, befalls: str, outcome: str
) -> None:
    medium = next(media)
    medium.arm(step, befalls)
    life, _ = lived(medium, program)
    assert cut_off(life, outcome) == ""


class CommitsBeforeTheTableIsSynced(KeyRing):
    """The table is written, and on the medium only once the old slot is gone."""

    def _commit(self, staged: Any) -> None:
        table, held, key, data = _next(self, staged)
        with self._writing():
            _overwrite_without_sync(self._files, table.generation % 2, data)
            self._root.commit(held)
            self._root.destroy_other(held.generation)
            self._files.overwrite(1 - table.generation % 2, data)
            self._files.sync()
        self._adopt(table, key)


class CopiesBeforeItDestroys(KeyRing):
    """Both tables before the old slot goes: then nothing is left if the new slot is torn."""

    def _commit(self, staged: Any) -> None:
        table, held, key, data = _next(self, staged)
        with self._writing():
            self._files.overwrite(table.generation % 2, data)
            self._root.commit(held)
            self._files.overwrite(1 - table.generation % 2, data)
            self._root.destroy_other(held.generation)
        self._adopt(table, key)


class CopiesBeforeItCommits(KeyRing):
    """Both tables before the new slot."""

    def _commit(self, staged: Any) -> None:
        table, held, key, data = _next(self, staged)
        with self._writing():
            self._files.overwrite(table.generation % 2, data)
            self._files.overwrite(1 - table.generation % 2, data)
            self._root.commit(held)
            self._root.destroy_other(held.generation)
        self._adopt(table, key)


class NeverSettles(KeyRing):
    """Goes on after a failure as if nothing had been."""

    def _settle(self) -> None:
        self._settled = True


class TakesTheDisksWord(KeyRing):
    """After a failure, leaves the tables alone."""

    def _write_both(self, table: KeyTable, key: Any, first: int) -> None:
        if not hasattr(self, "_table"):
            super()._write_both(table, key, first)


def _next(ring: Any, staged: Any) -> Any:
    table = KeyTable(ring.generation + 1, ring.cipher, staged.survivors(), dict(ring._table.notes))
    held, key = ring._root.next_secret(table.generation)
    data = key.close(table)
    table.size = len(data)
    return table, held, key, data


@pytest.mark.parametrize("variant", [CommitsBeforeTheTableIsSynced, CopiesBeforeItCommits])
def test_a_change_in_the_wrong_order_is_caught(media: Iterator[Any], variant: type[KeyRing]) -> None:
    assert any(next(problems(media, "during", outcome, variant), None) for outcome in OUTCOMES)


def test_a_copy_before_the_old_slot_is_gone_is_caught(media: Iterator[Any]) -> None:
    assert next(problems_twice(media, ("killed", "during"), CopiesBeforeItDestroys, first=IN_THE_CHANGE), None)


@pytest.mark.parametrize("variant", [NeverSettles, TakesTheDisksWord])
def test_a_ring_that_does_not_settle_is_caught(media: Iterator[Any], variant: type[KeyRing]) -> None:
    assert any(next(faults(media, befalls, after, variant), None) for after in ("", "synced") for befalls in FAULTS)


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [
        (Root, "destroy_other", lambda *_: None),
        (Root, "settle_slots", lambda root, found: root.destroy_other(found.held.generation)),
        (KeyFiles, "sync", lambda *_: None),
        (KeyFiles, "overwrite", _overwrite_without_sync),
    ],
    ids=["the old slot stays", "an unsure slot is trusted", "lines are not synced", "tables are not synced"],
)
def test_a_missing_step_is_caught(
    media: Iterator[Any], monkeypatch: pytest.MonkeyPatch, owner: type, name: str, wrong: Callable[..., None]
) -> None:
    monkeypatch.setattr(owner, name, wrong)
    assert any(
        next(problems(media, befalls, outcome), None)
        for befalls, outcome in itertools.product(CUTS, ("lost", "killed"))
    )


def test_a_torn_tail_that_stays_is_caught(media: Iterator[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    real = Root.find

    def find(root: Root) -> Found | None:
        found = real(root)
        if found:
            found.both_whole = True
        return found

    monkeypatch.setattr(Root, "find", find)
    assert any(next(problems(media, befalls, outcome), None) for befalls, outcome in itertools.product(CUTS, OUTCOMES))
