"""The house as Prometheus metrics."""

from datetime import UTC, datetime
from typing import Any

from agent.metrics import exposition

NOW = datetime(2026, 12, 1, tzinfo=UTC)


async def test_unacknowledged_receipts_are_counted_over_the_whole_log(api_house: Any) -> None:
    for number in range(25):
        api_house.add_receipt("erased", f"order-{number}", acknowledged=number > 3)
    text = exposition(api_house.state(), (), await api_house.audit(), {}, 0, NOW)
    assert "portvakt_receipts_unacknowledged 4.0\n" in text
