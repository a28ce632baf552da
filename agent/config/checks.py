"""What no schema can say. Each check reads leniently, so that a wrong value elsewhere hides nothing."""

import ipaddress
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from agent.config import secret
from agent.config.document import Table
from agent.config.problems import Finding
from agent.config.strays import SECRET_RIGHT
from agent.errors import Refused
from agent.people import contact
from drivers.errors import Unsupported
from drivers.modbus import registers

_SECRET_PARAMETERS = frozenset({"password", "passwd", "pass", "pwd", "token", "key", "apikey", "api_key", "secret"})


def findings(config: Table, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that is wrong although its shape is right."""
    for check in (_ids, _controller, _keys, _discovery, _lan, _serial, _cameras, _cloud, _household):
        yield from check(config, environ)


def _ids(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    units = [unit for port in config.tables("serial") for unit in port.tables("unit")]
    yield from _twice(units, lambda unit: unit.text("id"), "id", "is the id of another device", "ids are given once")
    yield from _twice(
        config.tables("camera"),
        lambda camera: camera.text("id"),
        "id",
        "is the id of another camera",
        "ids are given once",
    )


def _controller(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    controller = config.table("controller")
    if controller is None:
        return
    if (name := controller.text("name")) and not _fits(contact.name, name):
        yield controller.finding("name", "is no name", "should be letters, and nothing that is invisible or markup")
    reach = controller.text("contact")
    if reach and not _fits(contact.email if "@" in reach else contact.phone, reach):
        right = "should be such as kari@example.org or +4722225555"
        yield controller.finding("contact", "is neither an e-mail address nor a telephone number", right)


def _fits(read: Callable[[str], str], text: str) -> bool:
    try:
        read(text)
    except Refused:
        return False
    return True


def _keys(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    keys = config.table("keys")
    if keys is None:
        return
    root = keys.text("root") or "file"
    if root == "nvram" and keys.path("path") is None:
        yield keys.finding("path", "is missing", "should be the device file of the battery-backed memory")
    if root == "tpm" and keys.path("path") is not None:
        yield keys.finding("path", "is of no use with a TPM", "leave it out; `tcti` says how to reach the TPM")
    if root != "tpm" and keys.text("tcti") is not None:
        yield keys.finding("tcti", f"is of no use with {root}", 'leave it out, or say root = "tpm"')


def _serial(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    yield from _twice(
        config.tables("serial"),
        lambda port: port.path("port"),
        "port",
        "is a port that stands here already",
        "put all its units under one [[serial]]",
    )
    for port in config.tables("serial"):
        yield from _twice(
            port.tables("unit"),
            lambda unit: unit.values.get("address"),
            "address",
            "is another unit's address on this port",
            "give each unit an address of its own",
        )
        for unit in port.tables("unit"):
            yield from _register_map(unit)


def _register_map(unit: Table) -> Iterator[Finding]:
    name, path = unit.text("map"), unit.path("map")
    if name is None or path is None:
        return
    try:
        registers.load(path if name.endswith(".toml") else name)
    except Unsupported as error:
        yield unit.finding("map", str(error.args[0]), error.hint or "mend the map, or give another")


def _discovery(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    yield from _addresses(config, "discovery", "interfaces")


def _lan(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    yield from _addresses(config, "lan", "addresses")


def _addresses(config: Table, section: str, key: str) -> Iterator[Finding]:
    table = config.table(section)
    for index, text in table.texts(key) if table else ():
        try:
            ipaddress.ip_address(text)
        except ValueError:
            yield Finding(
                (section, key, index),
                "is not a numeric address",
                "should be an address of this machine; see `ip -brief address`",
            )


def _cameras(config: Table, environ: Mapping[str, str]) -> Iterator[Finding]:
    for camera in config.tables("camera"):
        yield from _camera_url(camera)
        yield from _camera_login(camera, environ)
        for mask in camera.tables("masks"):
            sides = mask.numbers("left", "top", "width", "height")
            if sides and not _inside(*sides):
                yield mask.finding("", "is empty, or not inside the picture", "should end at 1 to the right and below")


def _inside(left: float, top: float, width: float, height: float) -> bool:
    return width > 0 and height > 0 and left + width <= 1 and top + height <= 1


def _camera_url(camera: Table) -> Iterator[Finding]:
    url = camera.text("url")
    if url is None:
        return
    right = "should be such as http://192.168.1.20/snapshot.jpg"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        yield camera.finding("url", "is not an address", right)
        return
    if parts.username is not None or parts.password is not None:
        yield camera.finding("url", "has a login in it", f"use username and password_file; {SECRET_RIGHT}")
    if any(name.lower() in _SECRET_PARAMETERS for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        yield camera.finding("url", "has a secret in its query", SECRET_RIGHT)
    if not fits:
        yield camera.finding("url", "is not the address of an HTTP snapshot", right)


def _camera_login(camera: Table, environ: Mapping[str, str]) -> Iterator[Finding]:
    user, file, credential = camera.text("username"), camera.text("password_file"), camera.text("credential")
    if file and credential:
        yield camera.finding("credential", "stands beside password_file", "keep one of the two")
    if user and not (file or credential):
        yield camera.finding("username", "has no password with it", "add password_file or credential")
    if user and ":" in user:
        yield camera.finding("username", "holds a colon, which no HTTP login can have", SECRET_RIGHT)
    if (file or credential) and not user:
        yield camera.finding("password_file" if file else "credential", "has no username with it", "add username")
    if file:
        yield from _secret(camera, "password_file")
    # Without systemd nobody can say whether it would hand the credential over.
    handed = secret.credential_file(credential, environ)
    if handed and "/" not in handed.name and (problem := secret.exposure(handed)):
        yield camera.finding(
            "credential", "was not handed over by systemd: " + problem[0], "put LoadCredential= into the unit"
        )


def _cloud(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    cloud = config.table("cloud")
    if cloud is None:
        return
    if (keys := cloud.path("order_keys_file")) and (wrong := _order_keys(keys)):
        yield cloud.finding("order_keys_file", wrong, "should be a JWK Set of Ed25519 keys with `kid` and `issuer`")
    tls = cloud.table("tls")
    if tls:
        yield from _file(tls, "cert_file")
        yield from _file(tls, "ca_file")
        yield from _secret(tls, "key_file")
    host = cloud.text("host")
    if host and "tls" not in cloud.values and not _on_this_machine(host):
        yield cloud.finding("tls", "is missing for a broker elsewhere", "add [cloud.tls] with cert_file and key_file")


def _household(config: Table, _: Mapping[str, str]) -> Iterator[Finding]:
    if household := config.table("household"):
        yield from _secret(household, "registry_file")
        registry = household.path("registry_file")
        if registry and not secret.exposure(registry) and (wrong := _json_object(registry)[1]):
            yield household.finding("registry_file", wrong, "see `portvakt redact --help`")


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _order_keys(path: Path) -> str | None:
    """What is wrong with the keys of those who may order, or None."""
    # Costs a quarter of a second, which only an agent with a cloud needs to spend.
    from privacy.signing import Trust  # noqa: PLC0415

    keys, wrong = _json_object(path)
    if wrong:
        return wrong
    try:
        Trust.from_jwks(keys)
    except ValueError as error:
        return str(error)
    return None


def _json_object(path: Path) -> tuple[Mapping[str, object], str | None]:
    """A JSON object, or what is wrong with it; never a byte of it."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        return {}, f"the file cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return {}, "the file is not JSON"
    return (value, None) if isinstance(value, dict) else ({}, "the file is not a JSON object")


def _file(table: Table, key: str) -> Iterator[Finding]:
    path = table.path(key)
    if path is None:
        return
    try:
        wrong = "" if stat.S_ISREG(path.stat().st_mode) else "it is not a file"
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    if wrong:
        right = "give the path of a file; a relative one starts at this file's folder"
        yield table.finding(key, f"{path} cannot be used: {wrong}", right)


def _secret(table: Table, key: str) -> Iterator[Finding]:
    path = table.path(key)
    if path and (problem := secret.exposure(path)):
        yield table.finding(key, *problem)


def _twice(
    tables: Iterator[Table] | list[Table], value: Callable[[Table], object], key: str, wrong: str, right: str
) -> Iterator[Finding]:
    seen: set[object] = set()
    for table in tables:
        found = value(table)
        if isinstance(found, str | int | Path) and found in seen:
            yield table.finding(key, wrong, right)
        elif isinstance(found, str | int | Path):
            seen.add(found)
