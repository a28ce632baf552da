"""The catalogues of the page: nothing is missing in either language."""

import json
import re
from pathlib import Path

WEB = Path(__file__).parents[2] / "agent/api/web"


def test_both_languages_say_the_same_things() -> None:
    english, norwegian = (json.loads((WEB / f"{name}.json").read_text()) for name in ("en", "nb"))
    assert english.keys() == norwegian.keys()
    for key, sentence in english.items():
        assert set(re.findall(r"{\w+}", sentence)) == set(re.findall(r"{\w+}", norwegian[key])), key


def test_every_sentence_asked_for_exists() -> None:
    """Literal keys only; keys made from a value are covered by the tests of the page."""
    english = json.loads((WEB / "en.json").read_text())
    code = "".join(path.read_text() for path in WEB.rglob("*.js") if path.parent.name != "vendor")
    asked = set(re.findall(r'say\(\s*"([\w.]+)"', code))
    assert len(asked) > 50
    assert {key for key in asked if key not in english and f"{key}.other" not in english} == set()
