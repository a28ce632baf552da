import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Refused
from agent.people.contact import LONGEST_NAME, email, name, phone


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Kari  Nordmann ", "Kari Nordmann"),
        ("A\u030ase", "Åse"),
        ("O'Brien-Sørli", "O'Brien-Sørli"),
        ("李", "李"),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
    ],
)
def test_a_name_is_one_line_in_one_form(typed: str, kept: str) -> None:
    assert name(typed) == kept


@pytest.mark.parametrize(
    "typed", ["", " \n", "x" * (LONGEST_NAME + 1), "<b>Kari", "Ka\x00ri", "Ka\u202eri", "Ka\u200bri"]
)
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(Refused) as refused:
        name(typed)
    assert refused.value.code == "bad_name"


@given(st.text(max_size=200))
def test_a_name_that_is_taken_is_taken_as_it_is_the_second_time(typed: str) -> None:
    try:
        kept = name(typed)
    except Refused:
        return
    assert name(kept) == kept
    assert kept.isprintable() or " " in kept


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" kari@Example.org ", "kari@example.org"),
        ("kari+alarm@example.org", "kari+alarm@example.org"),
        ("kåre@blåbær.no", "kåre@blåbær.no"),
    ],
)
def test_an_address_is_kept_as_it_is_compared(typed: str, kept: str) -> None:
    assert email(typed) == kept


@pytest.mark.parametrize("typed", ["ola", "ola@", "@ola.no", "ola@ola", "o la@ola.no", "ola@ola.no\nBcc: y"])
def test_what_is_no_address_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(Refused) as refused:
        email(typed)
    assert refused.value.code == "bad_email"
    assert typed not in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("22 22 55 55", "+4722225555"), ("0047 91234567", "+4791234567"), ("+46 8 123 456 78", "+46812345678")],
)
def test_a_number_has_its_country(typed: str, kept: str) -> None:
    assert phone(typed) == kept


@pytest.mark.parametrize("typed", ["", "12", "22 22 55 5", "kari", "+999 12345678", "9" * 40])
def test_what_is_no_number_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(Refused) as refused:
        phone(typed)
    assert refused.value.code == "bad_phone"
    assert not typed or typed not in str(refused.value)
