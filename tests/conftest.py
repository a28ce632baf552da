"""What holds for every test."""

import os

import pytest

# Debian keeps daemons where only root's PATH looks.
os.environ["PATH"] += ":/usr/sbin:/sbin"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that lacks its rights fails by name: it is not skipped."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.fail("needs network namespaces of its own: run it as root, or in .setup/with-namespaces", pytrace=False)
