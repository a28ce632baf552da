import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera.vault.picture_keys import picture_key, picture_keys
from privacy.seal import expand

KEYS = st.binary(min_size=32, max_size=32)
IDS = st.lists(st.binary(min_size=16, max_size=16), max_size=5)


@given(key=KEYS, ids=IDS)
def test_in_bulk_they_are_what_the_library_expands(key: bytes, ids: list[bytes]) -> None:
    assert picture_keys(key, ids) == [expand(key, b"snapshot/" + record_id) for record_id in ids]
    assert picture_keys(key, ids) == [picture_key(key, record_id) for record_id in ids]


@given(key=KEYS, ids=IDS)
def test_a_key_is_one_hmac_as_the_format_says(key: bytes, ids: list[bytes]) -> None:
    assert picture_keys(key, ids) == [
        hmac.digest(key, b"portvakt/v1/snapshot/" + record_id + b"\x01", "sha256") for record_id in ids
    ]


def test_a_key_by_its_bytes() -> None:
    # As `openssl mac -digest SHA256 -macopt hexkey:000102…1f HMAC` gives it, which shares no code with ours.
    expected = bytes.fromhex("4d07e43be75bbea9ef4d3b0677589d23bf3534407fcccd90095fb865407c1616")
    assert picture_key(bytes(range(32)), bytes(range(16))) == expected
    assert picture_keys(bytes(range(32)), [bytes(range(16))]) == [expected]


@pytest.mark.parametrize(
    ("key", "info", "output"),
    [
        pytest.param(
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            bytes(range(0xF0, 0xFA)),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
            id="A.1",
        ),
        pytest.param(
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            bytes(range(0xB0, 0x100)),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
            id="A.2",
        ),
        pytest.param(
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            b"",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
            id="A.3",
        ),
    ],
)
def test_the_vectors_of_rfc_5869(monkeypatch: pytest.MonkeyPatch, key: str, info: bytes, output: str) -> None:
    """Their first blocks, with the vector's info in the place of ours."""
    monkeypatch.setattr("camera.vault.picture_keys._INFO", b"")
    assert picture_keys(bytes.fromhex(key), [info]) == [bytes.fromhex(output)]
