"""Houses that are deliberately wrong: each is caught, by a life that nothing befalls or by the cuts that hit it."""

from typing import Any

import pytest

from tests.crash.variants import VARIANTS

UNCUT = {
    *("skips the spool", "leaves the old slot", "takes the whole hour", "takes no part of an hour", "never unlinks"),
    *("takes whatever is of the class", "unlinks what the index does not know", "knows no holds"),
    "ends a hold unasked",
}
COMMIT = "pwrite keys/slots"
CUT = {
    # By which death, at which steps.
    "receipt before erasing": ("before", COMMIT),
    "receipt before the commit": ("before", COMMIT),
    "acknowledges before it journals": ("before", "journal$"),
    "does not journal what it found": ("lost", "keys/slots"),
    "destroys the old slot before it commits": ("lost", COMMIT),
    "forgets its orders": ("before", COMMIT),
    "flushes no keys": ("lost", COMMIT),
    "never syncs the journal": ("lost", "journal$"),
    "never syncs the key tables": ("lost", COMMIT),
    "never syncs the slots": ("lost", "unlink .*log$"),
    "never syncs pages": ("lost", COMMIT),
    "never syncs segments": ("lost", "journal$"),
    "never syncs a log that it rewrites": ("lost", COMMIT),
    "never syncs the logs": ("lost", "write keys/table"),
    "never syncs folders of logs": ("lost", COMMIT),
}
NOT_WRONG_WITH_A_CHIP = {"never syncs the slots"}
OF_PERSONS = {
    # As `CUT`; some need none.
    "takes what was said of pictures, and leaves them": None,
    "the same, and scans without marks": None,
    "notes nothing of the dying": ("lost", COMMIT),
    "notes the dying once they are dead": ("before", "keys/slots"),
}
TWICE = {"copies the table before the old slot is destroyed"}


def test_every_variant_is_tried() -> None:
    assert UNCUT | CUT.keys() | OF_PERSONS.keys() | TWICE == VARIANTS.keys()


@pytest.mark.parametrize("variant", sorted(UNCUT))
def test_a_house_that_is_wrong_is_caught(street: Any, variant: str) -> None:
    assert street.uncut(variant=variant)


@pytest.mark.parametrize("variant", sorted(CUT))
def test_a_house_that_is_wrong_is_caught_by_a_cut(street: Any, variant: str) -> None:
    befalls, at = CUT[variant]
    assert street.uncut(variant=variant) == [], "a cut is not needed to catch it"
    steps = street.deaths(befalls, at, variant=variant)
    caught = any(street.cut(step, befalls, variant) for step in steps)
    assert caught != (street.root == "nvram" and variant in NOT_WRONG_WITH_A_CHIP)


@pytest.mark.parametrize("variant", sorted(OF_PERSONS))
def test_a_house_that_is_wrong_about_persons_is_caught(street: Any, variant: str) -> None:
    if cut := OF_PERSONS[variant]:
        befalls, at = cut
        steps = street.deaths(befalls, at, do="person", variant=variant)
        assert any(street.cut_for_persons(step, befalls, variant) for step in steps)
        return
    wrong = street.cut_for_persons(0, "", variant)
    assert any("it is erased, and" in one for one in wrong)
    # The scan lets no second receipt be issued, unless it is wrong itself.
    assert any("not carried out" in one for one in wrong) == ("scans" not in variant)
    assert any("it is verified, and" in one for one in wrong) == ("scans" in variant)


@pytest.mark.parametrize("variant", sorted(TWICE))
def test_a_house_that_is_wrong_is_caught_by_a_second_cut(street: Any, variant: str) -> None:
    steps = street.deaths("before", COMMIT, variant=variant)
    seconds = street.deaths("during", COMMIT, do="recover")[:1]
    assert any(street.cut_twice(step, "before", second, "during", variant) for step in steps for second in seconds)
    assert not any(street.cut_twice(step, "before", second, "during") for step in steps for second in seconds)
