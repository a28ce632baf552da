from datetime import timedelta

import pytest

from privacy.errors import PrivacyError
from privacy.policy import parse, policies
from privacy.records import RecordClass


def test_every_class_has_a_policy_and_the_promised_limits_stand() -> None:
    every = policies()
    assert set(every) == set(RecordClass)
    assert every[RecordClass.SNAPSHOT].limit == timedelta(days=7)
    assert every[RecordClass.OP_LOG].limit == timedelta(hours=72)
    assert every[RecordClass.SUPPORT_CASE].limit == timedelta(days=3 * 365)
    assert every[RecordClass.DEVICE].limit is None


def test_a_site_shortens_and_never_lengthens() -> None:
    assert policies({RecordClass.SNAPSHOT: timedelta(days=2)})[RecordClass.SNAPSHOT].limit == timedelta(days=2)
    with pytest.raises(PrivacyError, match="never lengthen"):
        policies({RecordClass.SNAPSHOT: timedelta(days=8)})
    with pytest.raises(PrivacyError, match="never lengthen"):
        policies({RecordClass.SNAPSHOT: timedelta(0)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[snapshot", "cannot be used"),
        ("[snapshots]\npurpose='x'\nbasis='consent'", "cannot be used"),
        ("[snapshot]\npurpose='x'\nbasis='because'", "cannot be used"),
        ("[snapshot]\npurpose='x'\nbasis='consent'", "no policy for activity"),
    ],
)
def test_bad_data_is_one_clear_line(text: str, says: str) -> None:
    with pytest.raises(PrivacyError, match=says):
        parse(text, {})


def test_a_bad_limit_says_what_a_limit_looks_like() -> None:
    rows = "\n".join(f"[{c}]\npurpose='x'\nbasis='consent'\nlimit='soon'" for c in RecordClass)
    with pytest.raises(PrivacyError, match='looks like "72h"'):
        parse(rows, {})
