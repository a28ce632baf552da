"""Deliberately broken stores, one for each guarantee: the suite catches every one."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from privacy.operation_log import OperationLog
from privacy.records import Item, Scope
from privacy.sealed_file import reached
from privacy.store import Erasure
from tests.suites import stores
from tests.suites import test_store as every
from tests.suites.stores import ALL, FUTURE, SCOPES, Open, OperationLogs


class KeepsTheBytes(OperationLog):
    """Says that it erased, and does nothing."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = [item.id for item in self.find(scope, before)]
        return Erasure(len(found), len(found), 0)


class KeepsTheKeys(OperationLog):
    """Takes the files away, and not what opens them."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        found = len(list(self.find(scope, before)))
        for file in self._files._directory.logs():
            file.unlink()
        return Erasure(found, found, 0)


class SparesWhatIsAway(OperationLog):
    """Has die what it can read, and leaves the key of what somebody took away for a while."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        there = [file.name for file in self._files.files() if not file.missing]
        with self._files.change():
            gone = [self._files.lose(name, lambda _, item: reached(scope, before, item)) for name in there]
        erased = sum(map(len, gone))
        return Erasure(erased, erased, 0)


class WritesIntoWhatIsAway(OperationLog):
    """Makes a file anew that is away, under the key that opens what was in it."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._files.away = lambda name: False  # type: ignore[method-assign]  # noqa: ARG005 - its signature


class ScansItsIndex(OperationLog):
    """Says after an erasure what it believes, not what lies there."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._index = list(self.find(ALL, FUTURE))

    def scan(self, scope: Scope, before: datetime, marks: Sequence[bytes] = ()) -> Iterator[int]:
        yield sum(scope.covers(item) for item in self._index)


class SparesTheUndated(OperationLog):
    """Reads "nobody knows when" as "not then"."""

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return iter([item for item in super().find(scope, before) if item.at or scope == ALL])


class TakesTheWholeCamera(OperationLog):
    """Erases a person by erasing all that is near."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return super().erase(
            Scope(start=scope.start, end=scope.end) if scope.subjects and scope.start else scope, before
        )


class ReachesWhatCameSince(OperationLog):
    """Forgets that an order ends at its own time."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        return super().erase(scope, FUTURE)


class CountsWithoutReading(OperationLog):
    """Takes every record of a file for one in scope."""

    def count(self, scope: Scope, before: datetime) -> int:
        return super().count(ALL, FUTURE)


class SparesTheHeldInSilence(OperationLog):
    """Says that it erased what a hold keeps."""

    def erase(self, scope: Scope, before: datetime) -> Erasure:
        done = super().erase(scope, before)
        return Erasure(done.found, done.found, 0)


def away(*, since: bool) -> Callable[[Open], None]:
    return lambda house: every.test_a_file_that_was_away_during_an_erasure_is_dead_when_it_comes_back(
        house, SCOPES["unknown subject"], since
    )


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (KeepsTheBytes, lambda house: every.test_one_scope_means_the_same_everywhere(house, ALL)),
        (KeepsTheKeys, lambda house: every.test_a_copy_of_the_files_from_before_stays_shut(house, ALL)),
        (SparesWhatIsAway, away(since=False)),
        (WritesIntoWhatIsAway, away(since=True)),
        (ScansItsIndex, every.test_scan_trusts_no_index),
        (SparesTheUndated, every.test_the_undated_counts_as_before),
        (
            TakesTheWholeCamera,
            lambda house: every.test_one_scope_means_the_same_everywhere(house, SCOPES["subject and time"]),
        ),
        (ReachesWhatCameSince, every.test_what_was_captured_since_is_not_reached),
        (CountsWithoutReading, lambda house: every.test_one_scope_means_the_same_everywhere(house, SCOPES["an hour"])),
        (SparesTheHeldInSilence, every.test_what_is_held_is_left_and_said_why),
    ],
)
def test_a_broken_store_does_not_pass(
    tmp_path: Path, broken: type[OperationLog], check: Callable[[Open], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "OperationLog", broken)
    with pytest.raises(AssertionError):
        check(Open(tmp_path, OperationLogs))
