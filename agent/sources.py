"""From the configuration to the parts it describes: cameras, serial lines, issuers."""

from itertools import combinations
from pathlib import PurePath

import msgspec

from agent.config.model import Camera as CameraSection
from agent.config.model import Config, SerialPort
from agent.config.secret import read_secret
from agent.errors import ConfigInvalid
from agent.local_orders import ISSUER
from camera.capture import Camera
from camera.login import Login
from camera.picture import Mask
from drivers.errors import DriverError
from drivers.modbus.driver import ModbusLine, Unit
from drivers.modbus.registers import load as load_map
from privacy.signing import Trust


def cameras(config: Config) -> tuple[Camera, ...]:
    """The cameras, with their logins.

    Raises:
        ConfigInvalid: a password cannot be read.
    """
    return tuple(_camera(section) for section in config.camera)


def lines(config: Config) -> tuple[ModbusLine, ...]:
    """The serial lines and the units on them.

    Raises:
        ConfigInvalid: a register map is wrong, or two units cannot be told apart.
    """
    made = tuple(_line(section) for section in config.serial)
    for earlier, later in combinations(made, 2):
        if earlier.id == later.id:
            raise ConfigInvalid(
                f"two serial ports are called {later.id.partition(':')[2]}",
                hint="their files need different names, as those in /dev/serial/by-id have",
            )
    return made


def trust(config: Config) -> Trust:
    """Whose orders are obeyed.

    Raises:
        ConfigInvalid: the file of their keys cannot be used.
    """
    if config.cloud is None:
        return Trust({})
    path = config.cloud.order_keys_file
    try:
        trusted = Trust.from_jwks(msgspec.json.decode(path.read_bytes(), type=dict))
        if any(one.name == ISSUER for one in trusted):
            raise ValueError(f"nobody but the house itself may be called {ISSUER}")  # noqa: TRY301 - wrong as the rest
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigInvalid(
            f"{path} cannot be used: {error}", hint="it is the JWK Set that `portvakt backend keys` writes"
        ) from error
    return trusted


def _camera(section: CameraSection) -> Camera:
    login = None
    if section.username is not None:
        login = Login(section.username, read_secret(section))
    return Camera(
        id=section.id,
        name=section.name,
        url=section.url,
        login=login,
        interval_seconds=section.interval_seconds,
        masks=tuple(Mask(m.left, m.top, m.width, m.height) for m in section.masks),
        subjects=frozenset(section.subjects),
    )


def _line(section: SerialPort) -> ModbusLine:
    try:
        units = [Unit(u.address, u.id, u.name, load_map(u.map)) for u in section.unit]
        return ModbusLine(
            str(section.port),
            units,
            baudrate=section.baudrate,
            parity=section.parity,
            id=f"modbus:{PurePath(section.port).name}",
        )
    except DriverError as error:
        raise ConfigInvalid(f"serial port {section.port}: {error}") from error
