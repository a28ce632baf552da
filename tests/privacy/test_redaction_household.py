import json
from pathlib import Path

import pytest

from privacy.clock import SystemClock
from privacy.errors import RedactionRefused
from privacy.redaction.household import Registry
from privacy.redaction.pseudonyms import derived
from privacy.redaction.redactor import Redactor

REGISTRY = {
    "people": [
        {
            "first": "Kåre",
            "last": "Bjørnstad",
            "name": "Kåre Bjørnstad",
            "login": "kbj82",
            "email": "storebjorn@bjornstad.no",
            "phone": "+47 912 34 567",
            "fnr": 31129912345,
            "bank": "1234.56.78903",
            "card": "4111 1111 1111 1111",
        },
        {"first": "Even", "last": "Li"},
        {"first": None},
    ],
    "addresses": ["Storgata 5B, 0155 Oslo"],
    "ssids": ["Bjørnehiet 5G"],
    "psks": ["hiet-er-varmt"],
    "macs": ["aa:bb:cc:00:11:22"],
    "ipv4": ["8.1.2.3"],
    "ipv6": ["2001:db8::9"],
    "serials": ["SN-9X77"],
    "plates": ["EL 12345"],
    "passwords": ["Sommer/2024!", "x7"],
    "pins": [4711],
    "gps": [[59.91387, 10.75225]],
}


@pytest.fixture(scope="module")
def redactor(tmp_path_factory: pytest.TempPathFactory) -> Redactor:
    path = tmp_path_factory.mktemp("registry") / "registry.json"
    path.write_text(json.dumps(REGISTRY), encoding="utf-8")
    return Redactor(derived(bytes(32)), Registry.read(path), SystemClock())


NAMES = [
    "Kåre",
    "KÅRE",
    "kåre",
    "Kare",
    "kaare",
    "K%C3%A5re",
    "K\\u00e5re",
    "Ka\u030are",
    "KÃ¥re",
    "K\udce5re",
    "Kåres",
]
VALUES = [
    *NAMES, "Bjørnstad", "Bjornstad", "Bjoernstad", "BJØRNSTAD", "Bjørnstad, Kåre", "bjornstad.kare", "kåre_bjørnstad",
    "kbjornstad", "K. Bjørnstad", "Kåre%20Bj%C3%B8rnstad", "KBJ82", "storebjorn@bjornstad.no", "storebjorn",
    "91234567", "912-34-567", "9 1 2 3 4 5 6 7", "31129912345", "311299 12345", "12345678903", "4111111111111111",
    "Even", "Li", "even li",
    "Storgata 5B", "storgata 5 b", "STORGATA 5B, 0155 OSLO", "0155 Oslo", "Bjørnehiet 5G", "bjornehiet_5g",
    "hiet-er-varmt", "HIET-ER-VARMT", "xhiet-er-varmty", "aabbcc001122", "AA-BB-CC-00-11-22",
    "8.1.2.3", "2001:DB8:0::9", "SN-9X77", "sn-9x77", "EL12345", "el 12345", "Sommer/2024!",
    "sommer%2F2024%21", "Sommer\\/2024!", "x7", "4711",
    "59.91387", "59,913", "10.7522",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("frame", ["{}", "says {} twice: {}", "({})", "a/{}/b", "x={},{}", "'{}'"])
def test_the_households_values_go_in_any_spelling(redactor: Redactor, value: str, frame: str) -> None:
    redaction = redactor.explain(frame.replace("{}", value))
    assert value not in redaction.line.text
    assert "failed" not in redaction.rules


def test_a_name_has_one_token_in_any_spelling(redactor: Redactor) -> None:
    assert len({redactor.line(name).text.removesuffix("s") for name in NAMES}) == 1


@pytest.mark.parametrize(
    "text",
    ["an even number of lights", "karena", "alive", "Polar", "47110", "EL123456", "version 8.1.2", "59.9", "Oslo"],
)
def test_what_only_resembles_them_stays(redactor: Redactor, text: str) -> None:
    assert redactor.line(text).text == text


def test_a_new_registry_replaces_the_old_one(redactor: Redactor) -> None:
    fresh = Redactor(derived(bytes(32)), Registry(), SystemClock())
    assert fresh.line("Kåre").text == "Kåre"
    fresh.know(Registry(ssids=["Kåre"]))
    assert fresh.line("Kåre").text.startswith("<ssid:")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"pass_words": ["hunter2"]}', '{"people": "hunter2"}', '{"gps": [["hunter2", 1]]}', "\xff{"]
)
def test_a_registry_that_cannot_be_used_is_one_clear_line_without_its_values(tmp_path: Path, content: str) -> None:
    path = tmp_path / "registry.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RedactionRefused) as caught:
        Registry.read(path)
    assert "is not a registry" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_registry_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RedactionRefused, match="cannot read the registry"):
        Registry.read(tmp_path / "none.json")


def test_a_large_registry_works_and_one_beyond_the_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    large = Redactor(derived(bytes(32)), Registry(serials=[f"SN-{i:06}" for i in range(2_000)]), SystemClock())
    assert large.line("sn-001999").text.startswith("<serial:")
    monkeypatch.setattr("privacy.redaction.engine.MEMORY_BUDGETS", (1 << 16,))
    with pytest.raises(RedactionRefused, match="more than the matching engine can hold"):
        large.know(Registry(serials=[f"SN-{i:06}" for i in range(2_000)]))
    assert large.line("sn-001999").text.startswith("<serial:")


def test_an_empty_registry_is_one(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text("{}", encoding="utf-8")
    assert Registry.read(path) == Registry()
