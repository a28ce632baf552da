"""The unit, its example configuration and the udev rules, as far as they can be judged without the hardware."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from agent.cli.options import DEFAULT_CONFIG, DEFAULT_PUBLIC_KEY, DEFAULT_SOCKET
from agent.config import Camera, Config, check, load

UNIT = Path("systemd/portvakt.service")
EXAMPLE = Path("systemd/portvakt.example.toml")
RULES = Path("hardware/60-portvakt.rules")
EXPOSURE = 15
"""In tenths, as systemd 252 counts: 1.5 of 10, and no lower figure holds. What is left is network, serial ports and
their group, which the agent is for, and user namespaces, which would hide that group's devices."""


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with the unit, what it starts, and the host's own units that it names."""
    for folder in ("etc/portvakt", "etc/systemd/system", "opt/portvakt/venv/bin", "usr/lib/systemd"):
        (tmp_path / folder).mkdir(parents=True)
    program = tmp_path / "opt/portvakt/venv/bin/portvakt"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "usr/lib/systemd/system").mkdir()
    for unit in ("sysinit", "basic", "shutdown", "network", "multi-user"):
        (tmp_path / f"usr/lib/systemd/system/{unit}.target").write_text("[Unit]\nDescription=Stands for the real one\n")
    for unit in ("systemd-journald@.service", "systemd-journald@.socket", "systemd-journald-varlink@.socket"):
        shutil.copy(Path("/lib/systemd/system") / unit, tmp_path / "usr/lib/systemd/system" / unit)
    (tmp_path / "usr/lib/systemd/systemd-journald").write_text("#!/bin/sh\n")
    (tmp_path / "usr/lib/systemd/systemd-journald").chmod(0o755)
    return tmp_path


def verify(root: Path, text: str) -> subprocess.CompletedProcess[str]:
    unit = root / "etc/systemd/system/portvakt.service"
    unit.write_text(text)
    return analyze("verify", "--man=no", f"--root={root}", unit.name)


def test_the_unit_is_accepted_without_a_word(root: Path) -> None:
    done = verify(root, UNIT.read_text())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("good", "bad"), [("WatchdogSec=30", "WatchdogSecs=30"), ("/venv/bin/portvakt run", "/venv/bin/portvakd run")]
)
def test_a_mistake_in_the_unit_would_be_seen(root: Path, good: str, bad: str) -> None:
    text = UNIT.read_text()
    assert good in text
    done = verify(root, text.replace(good, bad))
    assert done.returncode != 0 or done.stderr


def test_the_unit_is_as_closed_as_we_say() -> None:
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", UNIT).returncode == 0
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE - 1}", "--no-pager", UNIT).returncode != 0


def test_a_looser_unit_would_be_seen(tmp_path: Path) -> None:
    loose = tmp_path / "portvakt.service"
    loose.write_text(UNIT.read_text().replace("ProtectSystem=strict", "ProtectSystem=no"))
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", loose).returncode != 0


def test_the_unit_and_the_program_agree_on_paths() -> None:
    text = UNIT.read_text()
    assert f"--config {DEFAULT_CONFIG}" in text
    config = load(EXAMPLE)
    assert config.api.socket == DEFAULT_SOCKET
    assert "RuntimeDirectory=portvakt\n" in text
    assert "StateDirectory=portvakt\n" in text
    assert config.gateway.state_dir == DEFAULT_PUBLIC_KEY.parent == Path("/var/lib/portvakt")


def test_the_user_of_the_unit_is_made(tmp_path: Path) -> None:
    users = Path("systemd/portvakt.sysusers.conf").absolute()
    done = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={tmp_path}", users], capture_output=True, text=True, check=True
    )
    assert "Creating user 'portvakt'" in done.stderr
    assert "\nUser=portvakt\nGroup=portvakt\n" in UNIT.read_text()


def uncommented() -> str:
    """The example with every mark taken out that hides a setting."""
    head, _, rest = EXAMPLE.read_text().partition("take out the marks\n")
    return f"{head}\n" + re.sub(r"(?m)^# ?", "", rest)


def test_the_example_is_valid_as_it_stands_and_shows_every_key() -> None:
    assert check(EXAMPLE) == []
    shown = tomllib.loads(uncommented())
    assert set(shown) == set(Config.__dataclass_fields__)
    assert set(Camera.__dataclass_fields__) - set(shown["camera"][0]) == {"password_file"}
    assert set(shown["serial"][0]) == {"port", "baudrate", "parity", "unit"}


def test_the_example_with_its_marks_taken_out_lacks_only_the_files_it_names(tmp_path: Path) -> None:
    path = tmp_path / "portvakt.toml"
    path.write_text(uncommented())
    assert {problem.key for problem in check(path, {})} == {
        "household.registry_file",
        "cloud.order_keys_file",
        "cloud.tls.ca_file",
        "cloud.tls.cert_file",
        "cloud.tls.key_file",
        "serial[0].unit[0].map",
    }


MATCH = re.compile(r'(?:ACTION|SUBSYSTEM|KERNEL|ENV\{\w+\}|ATTR\{[\w./]+\})(?:==|!=)"[^"]*"')
ASSIGNMENT = re.compile(r'(?:GROUP|MODE|GOTO|LABEL|ENV\{\w+\}|ATTR\{[\w./]+\})="[^"]*"|SYMLINK\+="[^"]*"')


def test_the_udev_rules_are_written_as_udev_reads_them() -> None:
    """udev(7): keys with `==` or `!=` match, keys with `=` or `+=` assign; udevadm of this release has no verify."""
    labels, jumps = set[str](), set[str]()
    rules = [line for line in RULES.read_text().splitlines() if line and not line.startswith("#")]
    for rule in rules:
        for part in re.split(r",\s*", rule):
            assert MATCH.fullmatch(part) or ASSIGNMENT.fullmatch(part), part
        labels.update(re.findall(r'LABEL="(\w+)"', rule))
        jumps.update(re.findall(r'GOTO="(\w+)"', rule))
    assert jumps == labels
    assert any('"188a"' in rule and '"1101"' in rule and 'MODE="0660"' in rule for rule in rules)
    assert not re.search(r'MODE="0?\d\d[1-7]"', RULES.read_text()), "a device for everybody"


def test_the_agents_own_journal_forgets_in_time() -> None:
    assert "\nLogNamespace=portvakt\n" in Path("systemd/portvakt.service").read_text()
    lines = Path("systemd/journald@portvakt.conf").read_text().splitlines()
    settings = dict(line.split("=") for line in lines if "=" in line and not line.startswith("#"))
    assert settings["MaxRetentionSec"] == "72h"
    assert settings["ForwardToSyslog"] == "no"
