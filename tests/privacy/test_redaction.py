import ast
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest

import privacy
from privacy import entries
from privacy.clock import Clock
from privacy.entries import (
    COARSEN,
    ERASE,
    KEEP,
    PSEUDONYM,
    TEXT,
    Entry,
    ForeignLine,
    Handling,
    ServiceDown,
    handling_of,
)
from privacy.errors import RedactionRefused
from privacy.redaction.detectors import DETECTORS
from privacy.redaction.engine import Detector, Finding, Match
from privacy.redaction.household import Registry
from privacy.redaction.labels import Label
from privacy.redaction.line import RedactedLine
from privacy.redaction.pseudonyms import derived
from privacy.redaction.redactor import FAILED, Redactor

KEY = bytes(range(32))
NOW = datetime(2026, 3, 1, 12, 30, 59, 999_999, tzinfo=UTC)


@pytest.fixture
def redactor(clock: Clock) -> Redactor:
    return Redactor(derived(KEY), Registry(), clock)


def parsed(line: RedactedLine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line.text)
    return found


EVERY_ENTRY = [kind for kind in vars(entries).values() if isinstance(kind, type) and issubclass(kind, Entry)]


def leaks(redactor: Redactor, kind: type[Entry]) -> list[str]:
    """Plant a canary of its own in every field; return the fields that did not do what their class says."""
    wrong: list[str] = []
    canaries: dict[str, Any] = {"at": NOW}
    for number, field in enumerate(fields(kind)):
        if field.name != "at":
            handling, _ = handling_of(kind, field.name)
            canaries[field.name] = {
                Handling.KEEP: f"kept-{number}",
                Handling.TEXT: f"before kari{number}@canary.no after",
                Handling.COARSEN: 1234567 + number,
            }.get(handling, f"Canary Nummer{number}")
    line = redactor.entry(kind(**canaries))
    clean = parsed(line)["fields"]
    for name, canary in canaries.items():
        if name == "at":
            continue
        handling, label = handling_of(kind, name)
        text = str(clean[name])
        good = {
            Handling.KEEP: text == canary,
            Handling.TEXT: text.startswith("before <email:") and text.endswith("> after"),
            Handling.COARSEN: text == "1200000",
            Handling.PSEUDONYM: text.startswith(f"<{label}:"),
            Handling.ERASE: text == "<erased>",
        }[handling]
        if not good or (handling is not Handling.KEEP and str(canary) in line.text):
            wrong.append(name)
    return wrong


@dataclass(frozen=True, slots=True)
class EveryHandling(Entry):
    kept: Annotated[str, KEEP]
    text: Annotated[str, TEXT]
    coarse: Annotated[int, COARSEN]
    pseudonym: Annotated[str, PSEUDONYM, Label.NAME]
    erased: Annotated[str, ERASE]
    silent: str


@pytest.mark.parametrize("kind", [*EVERY_ENTRY, EveryHandling], ids=lambda kind: kind.__name__)
def test_no_canary_leaves_in_any_entry(redactor: Redactor, kind: type[Entry]) -> None:
    assert leaks(redactor, kind) == []


def test_the_leak_test_catches_an_open_allow_list(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_list(_entry: type, _field: str) -> tuple[Handling, Label]:
        return Handling.KEEP, Label.ERASED

    monkeypatch.setattr("privacy.redaction.redactor.handling_of", open_list)
    assert set(leaks(redactor, EveryHandling)) >= {"pseudonym", "erased", "silent", "coarse"}


def test_the_leak_test_catches_a_missing_detector(clock: Clock) -> None:
    blind = Redactor(derived(KEY), Registry(), clock, [d for d in DETECTORS if d.rule != "email"])
    assert leaks(blind, EveryHandling) == ["text"]


def test_an_entry_is_one_object_with_stable_keys(redactor: Redactor) -> None:
    line = redactor.entry(ServiceDown(NOW, "modbus", "timeout\nafter 3 s"))
    assert parsed(line) == {
        "at": "2026-03-01T12:30:59Z",
        "level": "warning",
        "event": "service_down",
        "fields": {"service": "modbus", "reason": "timeout\\nafter 3 s"},
    }


def test_a_field_that_holds_others_is_erased_whatever_its_class(redactor: Redactor) -> None:
    hidden: Any = {"kari@canary.no": ["31129912345"]}
    line = redactor.entry(ForeignLine(NOW, hidden, hidden))
    assert parsed(line)["fields"] == {"source": "<erased>", "text": "<erased>"}


@pytest.mark.parametrize(
    ("value", "leaves"),
    [(4711, 4711), (12.5, 12.5), (True, True), (float("nan"), "nan"), (31129912345, "<national-id>"), (None, None)],
)
def test_numbers_are_looked_at_too(redactor: Redactor, value: Any, leaves: Any) -> None:
    assert parsed(redactor.entry(ForeignLine(NOW, value, "")))["fields"]["source"] == leaves


def broken(_match: Match, _data: bytes) -> Finding | None:
    raise ZeroDivisionError("kari@canary.no")


def test_what_cannot_be_redacted_does_not_leave(clock: Clock) -> None:
    redactor = Redactor(derived(KEY), Registry(), clock, [*DETECTORS, Detector("broken", b"secret", broken)])
    line = redactor.entry(ServiceDown(NOW, "modbus", "secret of kari@canary.no"))
    assert parsed(line) == {"event": "service_down", "error": FAILED}
    assert redactor.line("secret of kari@canary.no").text == f"<line> {FAILED}"
    assert redactor.failures == 2
    assert redactor.line("nothing special").text == "nothing special"


def test_an_engine_that_gives_up_lets_nothing_pass(redactor: Redactor) -> None:
    class Silent:
        def Match(self, _data: bytes) -> list[int]:  # noqa: N802 - RE2's name
            return []

    redactor._scanner._set = Silent()
    assert redactor.line("kari@canary.no").text == f"<line> {FAILED}"


def test_only_the_redactor_makes_redacted_lines() -> None:
    forged: Any = RedactedLine
    with pytest.raises(RedactionRefused):
        forged("kari@canary.no", object())
    with pytest.raises(TypeError):
        forged("kari@canary.no")


def test_the_redactor_and_the_spool_alone_import_the_mint() -> None:
    importers = set()
    root = Path(privacy.__file__).parents[1]
    for package in ("agent", "camera", "drivers", "privacy"):
        for path in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
                if names & {"redacted", "_MINT"}:
                    importers.add(path.relative_to(root).as_posix())
    assert importers == {"privacy/redaction/redactor.py", "privacy/spool.py"}


def token(redactor: Redactor, text: str) -> str:
    clean = redactor.line(text).text
    assert clean.startswith("<")
    assert clean.endswith(">")
    return clean


@pytest.mark.parametrize(
    "spellings",
    [
        ["aa:bb:cc:00:11:22", "AA-BB-CC-00-11-22", "aabb.cc00.1122", "AABBCC001122"],
        ["kari@example.no", "KARI@Example.NO", "kari%40example.no", "kari\\u0040example.no", "kari&#64;example.no"],
        ["91234567", "912 34 567", "+47 91 23 45 67", "0047 91234567", "+4791234567"],
        ["192.168.1.20", "192.168.001.020", "::ffff:192.168.1.20"],
        ["2001:db8::9", "2001:0DB8:0:0:0:0:0:9"],
    ],
    ids=lambda spellings: spellings[0],
)
def test_one_value_has_one_token_in_any_spelling(redactor: Redactor, spellings: list[str]) -> None:
    assert len({token(redactor, spelling) for spelling in spellings}) == 1


def test_a_typed_field_and_free_text_share_the_token(redactor: Redactor) -> None:
    found = redactor.entry(entries.DeviceFound(NOW, "modbus", "Lamp", "192.168.1.20"))
    assert parsed(found)["fields"]["address"] == token(redactor, "192.168.1.20")


def test_tokens_last_a_day_and_differ_between_values_and_households(redactor: Redactor, clock: Any) -> None:
    first = token(redactor, "192.168.1.20")
    assert token(redactor, "192.168.1.21") != first
    assert token(Redactor(derived(bytes(32)), Registry(), clock), "192.168.1.20") != first
    clock.move(hours=11, minutes=59)
    assert token(redactor, "192.168.1.20") == first
    clock.move(minutes=1)
    assert token(redactor, "192.168.1.20") != first


@pytest.mark.parametrize(
    "text",
    ["31129912345", "311299 12345", "4111 1111 1111 1111", "NO93 8601 1117 947", "1234.56.78903", "59.91387, 10.75225"],
)
def test_what_can_be_guessed_gets_no_token(redactor: Redactor, text: str) -> None:
    assert ":" not in token(redactor, text)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x0bb", "a\x85b", "a\u2028b", "\x1b[2J", "\udce5", "\ud800\n", ""])
def test_a_redacted_line_is_one_line_of_valid_text(redactor: Redactor, text: str) -> None:
    clean = redactor.line(text).text
    assert len(clean.splitlines()) <= 1
    assert clean.encode().decode() == clean


def test_a_line_over_the_limit_leaves_as_its_class(redactor: Redactor) -> None:
    assert redactor.line("x" * 65_536).text == "x" * 65_536
    assert redactor.line("x" * 65_537).text == "<line>"
    assert redactor.line("å" * 40_000).text == "<line>"
