"""Deliberately broken KeyStores, one for each guarantee: the suite catches every one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from privacy.errors import StoreBroken
from privacy.keystore.contract import Held, Slot
from privacy.keystore.nvram import Nvram
from tests.suites import test_keystore as every
from tests.suites import test_keystore_in_place as in_place
from tests.suites.keystore_media import InNvram


class DoesNotOverwrite(Nvram):
    """Destroys a slot by its head alone."""

    def destroy(self, slot: Slot) -> None:
        with self._opened(os.O_RDWR, "destroy") as handle:
            self._overwrite(handle, slot * self._layout.stride, bytes(48))


class DoesNotReadBack(Nvram):
    """Believes what the medium says."""

    def _overwrite(self, handle: int, offset: int, content: bytes) -> None:
        os.pwrite(handle, content, offset)
        self._sync(handle)


class DoesNotSync(Nvram):
    """Leaves it to the system when a slot is written."""

    def _sync(self, handle: int) -> None:
        pass


class TakesAnything(Nvram):
    """Asks of no medium whether it is ours."""

    def _recognise(self, handle: int) -> bool:
        return True


class BelievesTheHead(Nvram):
    """Takes the secret beside a head that is whole."""

    def read(self, slot: Slot) -> Held | None:
        held = super().read(slot)
        with self._opened(os.O_RDONLY, "read") as handle:
            content = self._whole(handle, slot * 128, 80)
        return held or (
            Held(int.from_bytes(content[8:16], "big"), content[48:]) if content[:8] == b"PVSLOT1\n" else None
        )


class TakesAFaultForEmpty(Nvram):
    """Says "empty" of a medium that cannot be read."""

    def read(self, slot: Slot) -> Held | None:
        try:
            return super().read(slot)
        except StoreBroken:
            return None


class WritesANewFile(Nvram):
    """Replaces the file, as one does with files that matter."""

    def destroy(self, slot: Slot) -> None:
        content = bytearray(self._path.read_bytes())
        content[slot * 128 : slot * 128 + 80] = bytes(80)
        new = self._path.with_name("new")
        new.write_bytes(content)
        new.replace(self._path)


class LabelsLast(Nvram):
    """Says whose the medium is when it is too late."""

    def write(self, slot: Slot, held: Held) -> None:
        with self._opened(os.O_RDWR, "write") as handle:
            self._overwrite(handle, slot * self._layout.stride, self._layout.slot.encode(held))
            self._overwrite(handle, self._layout.label_at, b"PVSLOTS\n")


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (DoesNotOverwrite, every.test_nothing_is_left_of_what_was_destroyed_or_overwritten),
        (DoesNotReadBack, every.test_a_medium_that_says_it_wrote_and_did_not_is_found_out),
        (DoesNotSync, in_place.test_what_returns_was_synced),
        (TakesAnything, every.test_what_is_somebody_elses_is_neither_read_nor_touched),
        (BelievesTheHead, in_place.test_a_torn_slot_is_empty_or_what_it_was),
        (BelievesTheHead, in_place.test_a_flipped_bit_is_no_other_secret),
        (
            TakesAFaultForEmpty,
            lambda medium: every.test_a_medium_that_fails_at_any_step_says_so(medium, "read", "once"),
        ),
        (WritesANewFile, in_place.test_slots_stay_where_they_are),
        (LabelsLast, in_place.test_the_label_comes_first),
    ],
)
def test_a_broken_keystore_does_not_pass(tmp_path: Path, broken: type[Nvram], check: Callable[[Any], None]) -> None:
    medium = InNvram(tmp_path)
    medium.kind = broken
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(medium)
