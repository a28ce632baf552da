"""The configuration file: what is read, and everything that can be wrong with it, each at its line."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from agent.config import ConfigInvalid, Problem, check, load, report
from agent.config.model import OP_LOG_KEEP_HOURS, SNAPSHOT_KEEP_SECONDS
from privacy.policy import policies
from privacy.records import RecordClass

HOUSE = """\
version = 1

[gateway]
id = "gw-1"
state_dir = "state"

[cloud]
host = "broker.example.net"
order_keys_file = "order-keys.json"
tls = { ca_file = "ca.pem", cert_file = "gw.pem", key_file = "gw.key" }

[household]
registry_file = "household.json"

[[serial]]
port = "/dev/serial/by-id/usb-1"
[[serial.unit]]
address = 1
id = "heat-pump"
name = "Heat pump"
map = "heat-pump.toml"

[[camera]]
id = "front"
name = "Front door"
url = "http://192.168.1.20/snapshot.jpg"
username = "viewer"
password_file = "front.password"
keep_seconds = 30
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration with all the files that it names."""
    keys = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}
    keys["keys"][0] |= {"kid": "backend-1", "issuer": "backend"}
    (tmp_path / "order-keys.json").write_text(json.dumps(keys))
    for name in ("ca.pem", "gw.pem"):
        (tmp_path / name).write_text("")
    register = 'address = 1\ntable = "coil"\ntype = "bool"\ncapability = "OnOff.OnOff"\nwritable = true\n'
    (tmp_path / "heat-pump.toml").write_text(f'version = 1\nmodel = "M"\n[[register]]\n{register}')
    for name, text in (("gw.key", "k"), ("household.json", "{}"), ("front.password", "s3cret\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    def write(text: str = HOUSE, *changes: tuple[str, str]) -> Path:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "portvakt.toml"
        path.write_text(text)
        return path

    return write


def keys_of(problems: list[Problem]) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.key) for problem in problems]


def test_a_whole_house_is_read_with_its_paths_made_absolute(write: Write, tmp_path: Path) -> None:
    path = write()
    assert check(path) == []
    config = load(path)
    assert config.gateway.state_dir == tmp_path / "state"
    assert config.cloud
    assert config.cloud.port == 8883
    assert config.cloud.tls
    assert config.cloud.tls.key_file == tmp_path / "gw.key"
    assert config.serial[0].port == Path("/dev/serial/by-id/usb-1")
    assert config.serial[0].unit[0].map == str(tmp_path / "heat-pump.toml")
    assert config.camera[0].keep_seconds == 30
    assert config.log.keep_hours == 72
    assert config.api.socket == Path("/run/portvakt/api.sock")


def test_a_relative_configuration_path_makes_absolute_paths_too(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    monkeypatch.chdir(tmp_path)
    assert load(Path("portvakt.toml")).gateway.state_dir == tmp_path / "state"


def test_a_shipped_map_is_named_and_the_limits_are_those_promised(write: Write) -> None:
    config = load(write(HOUSE, ('map = "heat-pump.toml"', 'map = "demo_heat_pump"')))
    assert config.serial[0].unit[0].map == "demo_heat_pump"
    limits = policies()
    assert limits[RecordClass.SNAPSHOT].limit == timedelta(seconds=SNAPSHOT_KEEP_SECONDS)
    assert limits[RecordClass.OP_LOG].limit == timedelta(hours=OP_LOG_KEEP_HOURS)


def test_the_least_that_runs(write: Write) -> None:
    config = load(write('version = 1\ngateway.id = "gw-1"\n'))
    assert config.cloud is None
    assert config.camera == ()


def test_all_problems_come_at_once_each_with_line_key_and_cure(write: Write) -> None:
    path = write(
        HOUSE,
        ('id = "gw-1"', 'id = "Gate way"\ncolour = "red"'),
        ("port = ", 'baudrate = 9601\nparity = "X"\nport = '),
        ("address = 1", "address = 300"),
        ('map = "heat-pump.toml"', 'map = "gone.toml"'),
        ("keep_seconds = 30", 'keep_second = 30\nkeep_seconds = 691200\ninterval_seconds = "5"'),
    )
    problems = check(path)
    assert keys_of(problems) == [
        (4, "gateway.id"),
        (5, "gateway.colour"),
        (17, "serial[0].baudrate"),
        (18, "serial[0].parity"),
        (21, "serial[0].unit[0].address"),
        (24, "serial[0].unit[0].map"),
        (32, "camera[0].keep_second"),
        (33, "camera[0].keep_seconds"),
        (34, "camera[0].interval_seconds"),
    ]
    said = dict(zip((problem.key for problem in problems), problems, strict=True))
    assert said["camera[0].keep_second"].right == "did you mean keep_seconds?"
    assert "never lengthen" in said["camera[0].keep_seconds"].right
    assert said["serial[0].parity"].wrong == 'is "X"'
    assert said["camera[0].interval_seconds"].wrong == "is text"
    with pytest.raises(ConfigInvalid) as raised:
        load(path)
    assert report(path, problems) in str(raised.value)
    assert "9 problems" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "line", "column", "wrong"),
    [
        ('version = 1\n[gateway\nid = "x"\n', 2, 9, "Expected ']'"),
        ('version = 1\r\n[gateway]\r\nid = "x\r\n', 3, 8, "Illegal character"),
        ("version = 1\nversion = 2\n", 2, None, "overwrite"),
        ("version = 1\nid = [1,\n", 3, 1, "Invalid value"),
        ("\ufeffversion = 1\n", 1, 1, "byte order mark"),
        ("version = 1\nx = " + "[" * 5000, None, None, "nested"),
    ],
)
def test_broken_toml_is_one_problem_at_its_place(
    tmp_path: Path, text: str, line: int | None, column: int | None, wrong: str
) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(text.encode())
    (problem,) = check(path)
    assert problem.line == line
    assert column is None or problem.column == column
    assert wrong in problem.wrong
    assert problem.right


def test_what_is_no_text_or_not_there_is_one_problem(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"version = 1\nname = \xff\xfe\n")
    assert keys_of(check(binary)) == [(2, "")]
    assert "No such file" in check(tmp_path / "gone.toml")[0].wrong
    assert "directory" in check(tmp_path)[0].wrong
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 1_000_001)
    assert "longer than" in check(large)[0].wrong


def test_another_version_is_the_only_thing_said(write: Write) -> None:
    (problem,) = check(write('version = 2\n[gateways]\nname = "x"\n'))
    assert (problem.line, problem.wrong) == (1, "is 2")
    assert problem.right == "this Portvakt reads version = 1; nothing else was checked, because the format may differ"


@pytest.mark.parametrize("version", ["true", "1.0", '"1"', "1979-05-27"])
def test_a_version_of_another_type_is_refused(write: Write, version: str) -> None:
    assert (1, "version") in keys_of(check(write(f'version = {version}\ngateway.id = "x"\n')))


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "0", "-1", "true", '"60"'])
def test_only_a_finite_number_in_range_is_an_interval(write: Write, number: str) -> None:
    path = write(HOUSE, ("keep_seconds = 30", f"interval_seconds = {number}"))
    assert keys_of(check(path)) == [(29, "camera[0].interval_seconds")]


def test_what_is_missing_is_said_at_the_table_it_belongs_to(write: Write) -> None:
    problems = check(write("[[camera]]\n[api]\n"))
    assert keys_of(problems) == [
        (1, "camera[0].id"),
        (1, "camera[0].name"),
        (1, "camera[0].url"),
        (1, "gateway"),
        (1, "version"),
    ]
    assert {problem.wrong for problem in problems} == {"is missing"}


def test_ids_ports_and_addresses_are_given_once(write: Write) -> None:
    unit = '[[serial.unit]]\naddress = 1\nid = "heat-pump"\nname = "B"\nmap = "heat-pump.toml"\n'
    port = f'[[serial]]\nport = "/dev/serial/by-id/usb-1"\n{unit}'
    camera = '[[camera]]\nid = "front"\nname = "F"\nurl = "http://c/"\n'
    assert keys_of(check(write(HOUSE + unit + port + camera))) == [
        (31, "serial[0].unit[1].address"),
        (32, "serial[0].unit[1].id"),
        (36, "serial[1].port"),
        (39, "serial[1].unit[0].id"),
        (43, "camera[1].id"),
    ]


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://viewer:hunter2@cam/", "login"),
        ("http://viewer@cam/", "login"),
        ("http://cam/shot?user=a&PWD=hunter2", "secret in its query"),
        ("rtsp://cam/1", "not the address of an HTTP snapshot"),
        ("http:///shot", "not the address of an HTTP snapshot"),
        ("cam.jpg", "not the address of an HTTP snapshot"),
        ("http://cam:99999/", "not an address"),
        ("http://[::1/", "not an address"),
    ],
)
def test_a_camera_url_is_http_and_without_secrets(write: Write, url: str, wrong: str) -> None:
    path = write(HOUSE, ("http://192.168.1.20/snapshot.jpg", url))
    (problem,) = check(path)
    assert (problem.line, problem.key) == (26, "camera[0].url")
    assert wrong in problem.wrong
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("key", ["password", "passwd", "pwd", "api_key", "token", "PIN"])
def test_a_secret_in_the_file_is_refused_with_the_reason_and_never_repeated(write: Write, key: str) -> None:
    path = write(HOUSE, ('password_file = "front.password"', f'{key} = "hunter2"'))
    problems = check(path)
    assert "camera[0]." + key in [problem.key for problem in problems]
    assert "secrets never stand in this file" in report(path, problems)
    assert "hunter2" not in report(path, problems)


def test_a_secret_put_where_its_file_belongs_is_not_repeated(write: Write) -> None:
    path = write(HOUSE, ("front.password", "hunter2"))
    (problem,) = check(path)
    assert problem.key == "camera[0].password_file"
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("mode", "fine"), [(0o600, True), (0o640, True), (0o644, False), (0o660, False), (0o604, False)]
)
def test_a_secret_file_is_for_the_service_alone(write: Write, tmp_path: Path, mode: int, *, fine: bool) -> None:
    path = write()
    (tmp_path / "front.password").chmod(mode)
    (tmp_path / "gw.key").chmod(mode)
    expected = [] if fine else ["cloud.tls.key_file", "camera[0].password_file"]
    assert [problem.key for problem in check(path)] == expected


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('username = "viewer"\n', "", "camera[0].password_file"),
        ('password_file = "front.password"\n', "", "camera[0].username"),
        ("keep_seconds = 30", 'credential = "front"', "camera[0].credential"),
        ("keep_seconds = 30", "masks = [{left=0.5, top=0, width=0.6, height=1}]", "camera[0].masks[0]"),
        ("keep_seconds = 30", "masks = [{left=0.5, top=0, width=0, height=1}]", "camera[0].masks[0]"),
        ("keep_seconds = 30", "masks = [{left=0, top=0, width=1}]", "camera[0].masks[0].height"),
        ("[household]", '[keys]\nroot = "nvram"\n[household]', "keys.path"),
        ("[household]", '[keys]\nroot = "tpm"\npath = "/dev/nvram"\n[household]', "keys.path"),
        ("[household]", '[keys]\ntcti = "device:/dev/tpmrm0"\n[household]', "keys.tcti"),
        ("[household]", '[keys]\nroot = "cloud"\n[household]', "keys.root"),
        ("[household]", "[vault]\nquota_mb = -1\n[household]", "vault.quota_mb"),
        ("[household]", '[discovery]\ninterfaces = ["127.0.0.1", "eth0"]\n[household]', "discovery.interfaces[1]"),
        ('"heat-pump.toml"', '"heatpump"', "serial[0].unit[0].map"),
        ('"heat-pump.toml"', '"gw.pem.toml"', "serial[0].unit[0].map"),
        ('"household.json"', '"front.password"', "household.registry_file"),
        ('tls = { ca_file = "ca.pem", cert_file = "gw.pem", key_file = "gw.key" }', "", "cloud.tls"),
        ('"gw.pem"', '"gone.pem"', "cloud.tls.cert_file"),
        ('"order-keys.json"', '"heat-pump.toml"', "cloud.order_keys_file"),
        ('"household.json"', '"gone.json"', "household.registry_file"),
        ('name = "Front door"', 'name = "Front\\u001b[31m door"', "camera[0].name"),
    ],
)
def test_what_no_schema_can_say(write: Write, old: str, new: str, key: str) -> None:
    assert [problem.key for problem in check(write(HOUSE, (old, new)))] == [key]


def test_a_line_break_at_the_end_of_an_id_is_refused(write: Write) -> None:
    problems = check(write(HOUSE, ('id = "front"', 'id = "front\\n"')))
    assert {problem.key for problem in problems} == {"camera[0].id"}


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ("{}", "at least one key"),
        ("[]", "not a JSON object"),
        ('{"keys": [{"kty": "RSA"}]}', "no Ed25519 key"),
        ('{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "a", "d": "s3cret"}]}', "private key"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_order_keys_are_public_ed25519_keys(write: Write, tmp_path: Path, keys: str, wrong: str) -> None:
    path = write()
    (tmp_path / "order-keys.json").write_text(keys)
    (problem,) = check(path)
    assert problem.key == "cloud.order_keys_file"
    assert wrong in problem.wrong
    assert "s3cret" not in str(problem)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_broker_on_this_machine_needs_no_tls(write: Write, host: str) -> None:
    tls = 'tls = { ca_file = "ca.pem", cert_file = "gw.pem", key_file = "gw.key" }'
    config = load(write(HOUSE, (tls, ""), ("broker.example.net", host)))
    assert config.cloud
    assert config.cloud.tls is None


def test_a_file_that_is_right_costs_no_validator() -> None:
    program = (
        "import sys, pathlib; from agent.config import load\n"
        "load(pathlib.Path(sys.argv[1]))\n"
        "print([name for name in ('jsonschema', 'tree_sitter', 'joserfc', 'cv2') if name in sys.modules])"
    )
    example = Path("systemd/portvakt.example.toml").absolute()
    done = subprocess.run([sys.executable, "-c", program, example], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
