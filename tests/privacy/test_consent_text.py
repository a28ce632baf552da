"""The texts that people agree to: in both languages, as the policy has it, and never changed once they were seen."""

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.consent_text import CLASSES, FOLDER, LANGUAGES, Kind, Language, texts
from privacy.errors import PrivacyError
from privacy.policy import known_systems, policies

TEXTS = texts(policies())
PUBLISHED = {
    # What was agreed to is in the records as these. A change of a word is another version, below the others.
    (Kind.CAMERA, 1, "nb"): "0aa77a829ccf531a0b1152406f20cbe28f1f3bd45721ddbfd0adfe41cd7140e8",
    (Kind.CAMERA, 1, "en"): "a9a5a93582250021679dee1e7df64bd356b1204afa0847fe47d7c686bc126c0a",
    (Kind.PRESENCE, 1, "nb"): "02d78495451171bb22245085cf8569c0148bb63da91b98bdf8bcd3bd858d3394",
    (Kind.PRESENCE, 1, "en"): "4f52b8b8f06146a3958793b140df35bb0ab22402cfdb3c6e141005e241b98ff9",
    (Kind.POSITION, 1, "nb"): "57a999de3dbd3407942b6798fa5769a9bddff2955975d5aeb3931b67a516ee1e",
    (Kind.POSITION, 1, "en"): "48f28ea34d009bc5d445eeb4aaa0eb4190a047b4cbdd7cacb9aa7427a05356c7",
    (Kind.HISTORY, 1, "nb"): "cc7460d419014cfffecd301cb883cfa800dffe70d0dc18cb3963c5b2663dfdea",
    (Kind.HISTORY, 1, "en"): "bf954da0cfde8a52d2f2890fc0ce9a40da7983f83072e790578fe0ed0f7dff1b",
}
GOOD = (FOLDER / "camera.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("kind", "number", "language"), PUBLISHED)
def test_no_published_text_was_changed(kind: Kind, number: int, language: Language) -> None:
    assert TEXTS[kind].sha256(number, language) == PUBLISHED[kind, number, language]


def test_every_text_is_published() -> None:
    every = {(kind, v.number, language) for kind, of in TEXTS.items() for v in of.versions for language in LANGUAGES}
    assert every == set(PUBLISHED)
    assert len(set(PUBLISHED.values())) == len(PUBLISHED)


@pytest.mark.parametrize("kind", set(Kind) - {Kind.POSITION})
@pytest.mark.parametrize("language", LANGUAGES)
def test_they_say_how_long_as_the_policy_does(kind: Kind, language: Language) -> None:
    limit = policies()[CLASSES[kind]].limit
    assert limit
    assert f"{limit.days} da" in TEXTS[kind].newest.text(language).how_long


def test_a_position_goes_with_the_alarm() -> None:
    limits = {str(limit.after): limit.said for limit in policies(("pocket",))[CLASSES[Kind.POSITION]].limits}
    assert limits["alarm_closed"] == "at once"
    assert "while the alarm is open" in TEXTS[Kind.POSITION].newest.en.how_long


def test_the_two_languages_are_two() -> None:
    for of_kind in TEXTS.values():
        for version in of_kind.versions:
            assert version.text("nb") is version.nb
            assert version.text("en") is version.en
            assert {version.nb.title, version.nb.what}.isdisjoint({version.en.title, version.en.what})


def test_they_fit_every_gateway() -> None:
    for number in range(1, len(known_systems()) + 1):
        for systems in combinations(known_systems(), number):
            assert set(texts(policies(systems))) == set(Kind)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in Kind:
        (tmp_path / f"{kind}.toml").write_text((FOLDER / f"{kind}.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def second(old: str) -> str:
    """The file with another version below, in other words."""
    head, _, version = old.partition("[[versions]]")
    newer = version.replace("number = 1", "number = 2").replace("7 da", "6 da")
    return f"{head}[[versions]]{version}\n[[versions]]{newer}"


class TestVersions:
    def test_the_newest_is_shown_and_the_old_count(self, folder: Path) -> None:
        (folder / "camera.toml").write_text(second(GOOD), encoding="utf-8")
        camera = texts(policies(), folder)[Kind.CAMERA]
        assert camera.newest.number == 2
        first, newer = camera.sha256(1, "nb"), camera.sha256(2, "nb")
        assert first == PUBLISHED[Kind.CAMERA, 1, "nb"] != newer
        assert newer
        assert first
        assert camera.counts(1, "nb", first)
        assert camera.counts(2, "nb", newer)
        assert not camera.counts(2, "nb", first), "other words than those that were agreed to"
        assert not camera.counts(1, "en", first)
        assert not camera.counts(3, "nb", newer), "there is no such version here"
        assert camera.sha256(3, "nb") is None

    def test_where_it_means_something_else_all_are_asked_anew(self, folder: Path) -> None:
        changed = second(GOOD).replace("counts_from = 1", "counts_from = 2")
        (folder / "camera.toml").write_text(changed, encoding="utf-8")
        camera = texts(policies(), folder)[Kind.CAMERA]
        assert not camera.counts(1, "nb", PUBLISHED[Kind.CAMERA, 1, "nb"])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[[versions]]", "[[versions", r"camera\.toml cannot be read: "),
        ('basis = "consent"', "", r"camera\.toml: .*`basis`"),
        ('basis = "consent"', 'basis = "because"', r"camera\.toml: .*because"),
        (
            'basis = "consent"',
            'basis = "contract"',
            r"camera\.toml speaks of contract, and snapshot rests on consent / ",
        ),
        ('basis = "consent"', 'basis = "legal duty"', r"camera\.toml speaks of legal duty"),
        ("counts_from = 1", "counts_from = 0", r"camera\.toml: .*>= 1.*counts_from"),
        ("counts_from = 1", "counts_from = 2", r"camera\.toml: counts_from names no version"),
        ("number = 1", "number = 2", r"camera\.toml: its versions are \[2\]"),
        ("number = 1", 'number = "1"', r"camera\.toml: .*`int`"),
        ("[versions.en]", "[versions.de]", r"camera\.toml: .*`de`"),
        ('how_long = "7 days', 'how_lang = "7 days', r"camera\.toml: .*`how_lang`"),
        ("7 days at most.", "<b>7 days</b>", r"camera\.toml: .*regex"),
        ("7 days at most.", "7 days\\nat most.", r"camera\.toml: .*regex"),
        ("7 days at most.", "7 days" * 100, r"camera\.toml: .*<= 400"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    (folder / "camera.toml").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(PrivacyError, match=says) as raised:
        texts(policies(), folder)
    assert raised.value.hint


def test_one_that_is_missing_is_named(folder: Path) -> None:
    (folder / "history.toml").unlink()
    with pytest.raises(PrivacyError, match=r"history\.toml cannot be read"):
        texts(policies(), folder)


def test_what_speaks_of_the_contract_may_not_rest_on_consent(folder: Path) -> None:
    history = (FOLDER / "history.toml").read_text(encoding="utf-8")
    changed = history.replace('basis = "contract"', 'basis = "consent"')
    (folder / "history.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(PrivacyError, match=r"history\.toml speaks of consent, and sensor_history rests on contract"):
        texts(policies(), folder)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_file_or_are_refused(folder: Path, data: bytes) -> None:
    (folder / "camera.toml").write_bytes(data)
    with pytest.raises(PrivacyError, match=r"camera\.toml"):
        texts(policies(), folder)
