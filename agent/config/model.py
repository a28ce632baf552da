"""The configuration as typed, frozen classes. What stands here is what `config schema` prints.

A `title` says in words what the value should be; the checker shows it beside whatever is wrong.
Paths are relative to the folder of the configuration file, and absolute once loaded.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from privacy.records import Identifier

SNAPSHOT_KEEP_SECONDS = 7 * 86_400
"""The limit of the record class `snapshot`. A site can shorten it, never lengthen it."""
OP_LOG_KEEP_HOURS = 72
"""The limit of the record class `op_log`, in hours. A site can shorten it, never lengthen it."""

Id = Annotated[
    Identifier, Meta(title="1 to 64 letters, digits, '_', '.', ':' or '-', of which the first is a letter or digit")
]
Name = Annotated[str, Meta(min_length=1, max_length=80, title="a name that people use, 1 to 80 characters")]
Host = Annotated[
    str, Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$", title="a host name or an address, no more")
]
Port = Annotated[int, Meta(ge=1, le=65_535, title="a port, a whole number from 1 to 65535")]
FilePath = Annotated[Path, Meta(title="a path; a relative one starts at the folder of this file")]
Credential = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        title="the name of a systemd credential (LoadCredential= in the unit): letters, digits, '_', '.' or '-'",
    ),
]
System = Literal["smart_home", "portal", "pocket", "safemate_pro", "sensornordic"]
Share = Annotated[float, Meta(ge=0, le=1, title="a share from 0 to 1")]


class RegisterMapName(str):
    """The name of a shipped register map, or the absolute path of one's own, ending in `.toml`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """This box."""

    id: Annotated[Id, Meta(description="Also the MQTT client id.", examples=["gw-1"])]
    epoch: Annotated[int, Meta(ge=1, title="a whole number from 1", description="Counts the enrolments.")] = 1
    state_dir: Annotated[
        FilePath,
        Meta(
            description="Where keys, journal and sealed data are kept.",
            extra_json_schema={"default": "/var/lib/portvakt"},
        ),
    ] = field(default_factory=lambda: Path("/var/lib/portvakt"))
    systems: Annotated[
        tuple[System, ...],
        Meta(
            min_length=1,
            title="at least one of smart_home, portal, pocket, safemate_pro, sensornordic",
            description="Whose promises hold on this gateway; of several the shortest time of each class counts.",
        ),
    ] = ("smart_home",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Who answers for what is processed here (GDPR, article 4(7)); it heads the record of processing activities."""

    name: Annotated[Name, Meta(examples=["Kari Nordmann"])]
    contact: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=254,
            title="an e-mail address or a telephone number",
            examples=["kari@example.org"],
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where the root of all keys lives. Its tier is what an erasure can promise; it cannot be changed afterwards."""

    root: Annotated[
        Literal["file", "nvram", "tpm"],
        Meta(
            description="tpm: TPM 2.0 (tier A); nvram: battery-backed NVRAM or FRAM as a device file (tier A); file: a"
            " file or raw partition, overwritten in place (tier B).",
        ),
    ] = "file"
    path: Annotated[
        FilePath | None,
        Meta(
            description="The device file of nvram, or a raw partition for file; left out: keys/slots in state_dir.",
            examples=["/dev/mmcblk0p4"],
        ),
    ] = None
    tcti: Annotated[
        str,
        Meta(
            max_length=256, title="a TCTI", description="How to reach the TPM (tpm2-tss), such as device:/dev/tpmrm0."
        ),
    ] = "device:/dev/tpmrm0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """The buffer of sealed pictures."""

    quota_mb: Annotated[
        int,
        Meta(
            ge=0,
            title="megabytes, or 0 for as much as fits",
            description="At most this much is kept; then the oldest go first.",
        ),
    ] = 0
    reserve_mb: Annotated[
        int,
        Meta(ge=0, title="megabytes", description="Kept free on the file system; when short, the oldest go first."),
    ] = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The page for people, on loopback, and the socket for the command line."""

    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_535,
            title="a port, a whole number from 1 to 65535, or 0 for any that is free",
            description="TCP port of the page, on loopback only.",
        ),
    ] = 8480
    socket: Annotated[
        FilePath,
        Meta(description="Unix socket of the command line.", extra_json_schema={"default": "/run/portvakt/api.sock"}),
    ] = field(default_factory=lambda: Path("/run/portvakt/api.sock"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lan:
    """The page for phones, over HTTPS. Without this section no port is open on the LAN."""

    port: Annotated[Port, Meta(description="TCP port of the page.")] = 8443
    addresses: Annotated[
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=80, title="an address of this machine")], ...],
            Meta(min_length=1, title="at least one address of this machine"),
        ]
        | None,
        Meta(
            description="This machine's addresses to listen on and to be found at; left out: all, of which loopback is"
            " told to nobody.",
            examples=[["192.168.1.2"]],
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Where to look for devices by mDNS."""

    interfaces: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=80, title="an address of this machine")], ...] | None,
        Meta(
            description="This machine's addresses on the networks to look on; left out: all but loopback;"
            " empty: do not look.",
            examples=[["192.168.1.2"]],
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS with a client certificate."""

    cert_file: Annotated[FilePath, Meta(description="The gateway's certificate, PEM.")]
    key_file: Annotated[FilePath, Meta(description="Its private key, PEM, not readable by others.")]
    ca_file: Annotated[
        FilePath | None, Meta(description="Who signed the broker's certificate; without it the system's authorities.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """The broker. Without this section the house runs on its own."""

    host: Annotated[Host, Meta(examples=["broker.example.net"])]
    port: Port = 8883
    order_keys_file: Annotated[
        FilePath, Meta(description="JWK Set (RFC 7517) with the public Ed25519 keys whose orders are obeyed.")
    ]
    tls: Annotated[Tls | None, Meta(description="Optional for a broker on this machine alone.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """What the household's own registry knows, so that redaction finds it in log lines."""

    registry_file: Annotated[
        FilePath | None, Meta(description="JSON, as `portvakt redact --registry` takes it; not readable by others.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The raw operation log, which never leaves the gateway."""

    keep_hours: Annotated[
        float,
        Meta(
            gt=0,
            le=OP_LOG_KEEP_HOURS,
            title="hours, more than 0 and at most 72; a site can shorten this limit, never lengthen it",
        ),
    ] = OP_LOG_KEEP_HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialUnit:
    """One Modbus unit on a serial line."""

    address: Annotated[int, Meta(ge=1, le=247, title="a Modbus address, a whole number from 1 to 247")]
    id: Annotated[Id, Meta(description="Stable; do not change it when the device moves.")]
    name: Name
    map: Annotated[
        RegisterMapName,
        Meta(
            title="the name of a shipped register map, or the path of a .toml file",
            description="Which register is which capability.",
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPort:
    """A serial port with Modbus RTU units on it."""

    port: Annotated[FilePath, Meta(examples=["/dev/serial/by-id/usb-FTDI_USB-RS485_FT0000-if00-port0"])]
    baudrate: Literal[1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200] = 9600
    parity: Annotated[Literal["N", "E", "O"], Meta(description="None, even or odd.")] = "N"
    unit: Annotated[tuple[SerialUnit, ...], Meta(min_length=1, title="at least one [[serial.unit]]")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """A black rectangle over what must not be seen, as shares of the upright picture's width and height."""

    left: Share
    top: Share
    width: Share
    height: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """An IP camera with an HTTP snapshot."""

    id: Id
    name: Name
    url: Annotated[str, Meta(min_length=1, max_length=2048, title="the http or https address of its snapshot")]
    username: Annotated[str | None, Meta(description="Together with password_file or credential.")] = None
    password_file: Annotated[FilePath | None, Meta(description="Holds the password, not readable by others.")] = None
    credential: Annotated[Credential | None, Meta(description="Holds the password, under systemd.")] = None
    interval_seconds: Annotated[
        float, Meta(ge=0.2, le=86_400, title="seconds between two pictures, from 0.2 to 86400")
    ] = 10.0
    keep_seconds: Annotated[
        float,
        Meta(
            ge=1,
            le=SNAPSHOT_KEEP_SECONDS,
            title="seconds, from 1 to 604800 (7 days); a site can shorten this limit, never lengthen it",
        ),
    ] = SNAPSHOT_KEEP_SECONDS
    masks: Annotated[
        tuple[Mask, ...],
        Meta(
            description="Rectangles that are blackened before anything is kept.",
            examples=[[{"left": 0.0, "top": 0.0, "width": 0.25, "height": 1.0}]],
        ),
    ] = ()
    subjects: Annotated[
        tuple[Id, ...],
        Meta(
            description="Ids of the people whose camera it is: it takes pictures while all of them consent. Without"
            " any it is the whole house's, on the ground of the contract."
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of one gateway."""

    version: Annotated[Literal[1], Meta(description="The version of this format.")]
    gateway: Gateway
    controller: Controller | None = None
    keys: Keys = field(default_factory=Keys)
    vault: Vault = field(default_factory=Vault)
    api: Api = field(default_factory=Api)
    lan: Lan | None = None
    discovery: Discovery = field(default_factory=Discovery)
    cloud: Cloud | None = None
    household: Household = field(default_factory=Household)
    log: Log = field(default_factory=Log)
    serial: tuple[SerialPort, ...] = ()
    camera: tuple[Camera, ...] = ()
