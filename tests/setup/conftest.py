"""A clone to set up."""

from pathlib import Path

import pytest

from tests.setup.clone import Clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)
