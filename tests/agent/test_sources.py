"""From the configuration to the parts it describes, and everything that can be wrong with what it points at."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import sources
from agent.config.model import Camera, Cloud, Config, Gateway, Mask, RegisterMapName, SerialPort, SerialUnit
from agent.errors import ConfigInvalid
from privacy.signing import SigningKey

PUMP = SerialUnit(address=1, id="pump", name="Heat pump", map=RegisterMapName("demo_heat_pump"))


def config(**sections: Any) -> Config:
    return Config(version=1, gateway=Gateway(id="gw-1"), **sections)


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "password"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def test_a_house_without_anything() -> None:
    empty = config()
    assert sources.cameras(empty) == ()
    assert sources.lines(empty) == ()
    assert list(sources.trust(empty)) == []


def test_a_camera_as_configured(secret: Callable[[str], Path]) -> None:
    section = Camera(
        id="front",
        name="Front door",
        url="http://192.0.2.5/snapshot.jpg",
        username="kari",
        password_file=secret("hemmelig\n"),
        interval_seconds=2,
        masks=(Mask(left=0, top=0, width=0.25, height=1),),
        subjects=("person-1",),
    )
    bare = Camera(id="back", name="Garden", url="http://192.0.2.6/snapshot.jpg")
    front, back = sources.cameras(config(camera=(section, bare)))
    assert (front.id, front.name, front.url, front.interval_seconds) == ("front", "Front door", section.url, 2)
    assert front.login
    assert (front.login.user, front.login.password) == ("kari", "hemmelig")
    assert [(m.left, m.top, m.width, m.height) for m in front.masks] == [(0, 0, 0.25, 1)]
    assert front.subjects == {"person-1"}
    assert (back.login, back.masks, back.subjects) == (None, (), frozenset())
    for text in (repr(front), str(front)):
        assert "hemmelig" not in text
        assert "192.0.2.5" not in text


@pytest.mark.parametrize("text", [None, "", "two\nlines"])
def test_a_password_that_cannot_be_used(text: str | None, secret: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "missing" if text is None else secret(text)
    section = Camera(id="front", name="F", url="http://192.0.2.5/", username="kari", password_file=path)
    with pytest.raises(ConfigInvalid, match="camera front"):
        sources.cameras(config(camera=(section,)))


def test_a_credential_that_nobody_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    section = Camera(id="front", name="F", url="http://192.0.2.5/", username="kari", credential="front-password")
    with pytest.raises(ConfigInvalid, match="not handed over"):
        sources.cameras(config(camera=(section,)))


def test_a_serial_line_as_configured() -> None:
    port = Path("/dev/serial/by-id/usb-adapter")
    [line] = sources.lines(config(serial=(SerialPort(port=port, unit=(PUMP,), baudrate=19_200, parity="E"),)))
    assert line.id == "modbus:usb-adapter"
    assert [(device.id, device.name, device.family) for device in line.devices] == [("pump", "Heat pump", "modbus")]
    assert (line._port.baudrate, line._port.parity) == (19_200, "E")


def unit(**fields: Any) -> SerialUnit:
    return SerialUnit(**{"address": 2, "id": "fan", "name": "Fan", "map": PUMP.map, **fields})


@pytest.mark.parametrize(
    ("units", "wrong"),
    [
        ((unit(map=RegisterMapName("no_such_map")),), "no register map called no_such_map"),
        ((unit(map=RegisterMapName("/missing/map.toml")),), "cannot be read"),
        ((PUMP, unit(address=1)), "have the address 1"),
        ((PUMP, unit(id="pump")), "have the device id pump"),
        ((unit(address=248),), "address 248"),
        ((unit(id="a b"),), "cannot be used"),
        ((), "no units"),
    ],
)
def test_serial_units_that_cannot_be_used(units: tuple[SerialUnit, ...], wrong: str) -> None:
    with pytest.raises(ConfigInvalid, match=wrong) as invalid:
        sources.lines(config(serial=(SerialPort(port=Path("/dev/ttyUSB0"), unit=units),)))
    assert "/dev/ttyUSB0" in str(invalid.value)


def test_a_map_with_faults(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text("version = 1\nmodel = 'X'\n[[register]]\ncapability = 5\n")
    faulty = unit(map=RegisterMapName(tmp_path / "map.toml"))
    with pytest.raises(ConfigInvalid, match="register 1"):
        sources.lines(config(serial=(SerialPort(port=Path("/dev/ttyUSB0"), unit=(faulty,)),)))


def test_two_ports_that_could_not_be_told_apart() -> None:
    """A line is known by its port's name: with two of one name, the second could not be started."""
    one = SerialPort(port=Path("/dev/left/bus"), unit=(PUMP,))
    other = SerialPort(port=Path("/dev/right/bus"), unit=(unit(),))
    with pytest.raises(ConfigInvalid, match="called bus"):
        sources.lines(config(serial=(one, other)))


def cloud(keys: Path) -> Config:
    return config(cloud=Cloud(host="127.0.0.1", order_keys_file=keys))


def test_whose_orders_are_obeyed(tmp_path: Path) -> None:
    key = SigningKey.generate()
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{**key.public_jwk(), "issuer": "cloud"}]}))
    [issuer] = sources.trust(cloud(tmp_path / "keys.json"))
    assert (issuer.name, issuer.kid) == ("cloud", key.kid)


JWK = SigningKey.generate().public_jwk()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, "No such file"),
        ("", "truncated"),
        ("not JSON", "malformed"),
        ("\xff", "utf-8|malformed"),
        ("[]", "Expected `object`"),
        ("[" * 100_000, "recursion|truncated|Expected"),
        ("{}", "JWK Set"),
        ('{"keys": []}', "at least one key"),
        ('{"keys": [5]}', "key 1 is no Ed25519 key"),
        (json.dumps({"keys": [{**JWK, "kty": "RSA"}]}), "key 1 is no Ed25519 key"),
        (json.dumps({"keys": [{**SigningKey.generate().to_jwk(), "issuer": "cloud"}]}), "private key"),
        (json.dumps({"keys": [JWK]}), "lacks `kid` or `issuer`"),
        (json.dumps({"keys": [{**JWK, "issuer": "cloud", "x": "AAAA"}]}), "not an Ed25519 public key"),
        (json.dumps({"keys": [{**JWK, "issuer": "cloud"}] * 2}), "stands twice"),
        (json.dumps({"keys": [{**JWK, "issuer": "local"}]}), "nobody but the house"),
    ],
)
def test_keys_that_cannot_be_used(tmp_path: Path, text: str | None, wrong: str) -> None:
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigInvalid, match=f"(?i){wrong}") as invalid:
        sources.trust(cloud(path))
    assert str(path) in str(invalid.value)
    assert "backend keys" in invalid.value.hint
