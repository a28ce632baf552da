"""The metrics as Prometheus itself reads them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.api.contract import AuditEntry, InventoryRow, ServiceView, State
from agent.inventory import Kept, inventory
from agent.metrics import exposition
from privacy.policy import policies
from privacy.records import RecordClass, Tier

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rows() -> tuple[InventoryRow, ...]:
    kept = [
        Kept(RecordClass.SNAPSHOT, Tier.UNLINKED, 3, NOW - timedelta(hours=2)),
        Kept(RecordClass.DEVICE, Tier.UNLINKED, 1, NOW - timedelta(days=9)),
        Kept(RecordClass.OP_LOG, Tier.UNLINKED, 0),
    ]
    return inventory([kept], policies(), NOW)


def audited(*, acknowledged: bool) -> AuditEntry:
    return AuditEntry(order="o", issuer="local", kind="erased", at=NOW, jws="a.b.c", acknowledged=acknowledged)


def exposed(state: State, **parts: Any) -> str:
    receipts = [audited(acknowledged=False), audited(acknowledged=True), audited(acknowledged=False)]
    given = {"rows": rows(), "receipts": receipts, "losses": {"full": 5, "withheld": 0}, "failures": 7, "now": NOW}
    return exposition(state, **{**given, **parts})


def samples(text: str) -> dict[tuple[str, str], float]:
    """By name and the value of the one label that a sample has, if it has one."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("portvakt_")
        assert family.documentation
        for sample in family.samples:
            assert len(sample.labels) <= 1
            key = (sample.name, next(iter(sample.labels.values()), ""))
            assert key not in found, "a series stands once"
            found[key] = sample.value
    return found


@pytest.fixture
def state(api_house: Any) -> State:
    made: State = api_house.state()
    return msgspec.structs.replace(
        made, ready_at=NOW, services=(ServiceView(name="camera door", problem="unreachable"), ServiceView(name="cloud"))
    )


def test_what_prometheus_reads(state: State) -> None:
    found = samples(exposed(state))
    assert found["portvakt_info", "0.1.0"] == 1
    assert found["portvakt_start_time_seconds", ""] == NOW.timestamp()
    assert found["portvakt_link_connected", ""] == 1
    assert (found["portvakt_service_up", "camera door"], found["portvakt_service_up", "cloud"]) == (0, 1)
    assert found["portvakt_service_failures_total", ""] == 7
    assert (found["portvakt_device_reachable", "pump"], found["portvakt_camera_working", "door"]) == (1, 1)
    assert found["portvakt_records", "snapshot"] == 3
    assert found["portvakt_oldest_record_age_seconds", "snapshot"] == 7200
    assert found["portvakt_record_limit_seconds", "snapshot"] == 7 * 86_400
    assert found["portvakt_records", "op_log"] == 0
    assert ("portvakt_oldest_record_age_seconds", "op_log") not in found, "nothing has no age"
    assert ("portvakt_record_limit_seconds", "device") not in found, "it lives while it is in use"
    assert (found["portvakt_log_lines_lost_total", "full"], found["portvakt_log_lines_lost_total", "withheld"]) == (
        5,
        0,
    )
    assert found["portvakt_receipts_unacknowledged", ""] == 2
    assert (found["portvakt_records_overdue", "snapshot"], found["portvakt_records_overdue", "op_log"]) == (0, 0)


def test_what_lives_past_its_limit_is_seen_and_what_has_expired_is_nobodys_to_confirm(state: State) -> None:
    late = [Kept(RecordClass.SNAPSHOT, Tier.UNLINKED, 3, NOW - timedelta(hours=2), due=NOW - timedelta(hours=1))]
    gone = [AuditEntry(kind="expired", leaf="0" * 64)]
    found = samples(exposed(state, rows=inventory([late], policies(), NOW), receipts=gone))
    assert found["portvakt_records_overdue", "snapshot"] == 1
    assert found["portvakt_receipts_unacknowledged", ""] == 0


def test_types_are_said(state: State) -> None:
    kinds = {family.name: family.type for family in text_string_to_metric_families(exposed(state))}
    assert kinds["portvakt_log_lines_lost"] == kinds["portvakt_service_failures"] == "counter"
    assert kinds["portvakt_records"] == "gauge"


def test_a_house_with_nothing_in_it(state: State) -> None:
    empty = msgspec.structs.replace(state, services=(), devices=(), cameras=(), receipts=())
    found = samples(exposed(empty, rows=(), receipts=(), losses={}, failures=0))
    assert found["portvakt_receipts_unacknowledged", ""] == 0
    assert not any(name == "portvakt_records" for name, _ in found)


def test_ids_that_would_break_the_format_do_not(state: State) -> None:
    """Ids of ours cannot be such; this is what a forged announcement or a mistake would try."""
    awkward = 'a"b\\c\nd} 5\nportvakt_forged 1'
    named = msgspec.structs.replace(state, services=(ServiceView(name=awkward),))
    found = samples(exposed(named))
    assert found["portvakt_service_up", awkward] == 1
    assert not any("forged" in name for name, _ in found)


def test_no_personal_data_in_any_label(state: State, api_house: Any) -> None:
    api_house.add_receipt("erased")
    full = msgspec.structs.replace(
        state,
        receipts=api_house.state().receipts,
        devices=tuple(msgspec.structs.replace(d, name="Karis lampe", reason="at 192.0.2.7") for d in state.devices),
        cameras=tuple(msgspec.structs.replace(c, name="Karis dør", reason="Karis login") for c in state.cameras),
    )
    text = exposed(full)
    for personal in ("Karis", "192.0.2.7", "Desk lamp", "AA:BB:CC", "unreachable", "Gateway-4f2a", "eyJhbGci"):
        assert personal not in text
