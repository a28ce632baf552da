"""What tests against peers on a network of their own share."""

from collections.abc import Iterator

import pytest

from tests.peers.cable import Namespaces, laid


@pytest.fixture
def cable() -> Iterator[Namespaces]:
    with laid() as both:
        yield both
