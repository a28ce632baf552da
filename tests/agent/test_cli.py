"""The frame of the command line: help, exit codes, and one line for each error."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.cli.demo import seconds
from agent.cli.outcome import carry_out, code_of
from agent.errors import AgentError, ConfigInvalid, NotRunning, Refused
from privacy.errors import ReceiptInvalid
from privacy.receipts import LogPosition, OrderReference, Receipt, StoreLine, sign_receipt
from privacy.records import Tier
from privacy.signing import SigningKey

VERBS = {
    (): "demo run status time doctor metrics activity audit config devices cameras people grants tokens consent claim "
    "button trust support agreements disclosures inventory export rectify restrict erase hold holds release receipt "
    "redact bench scan-image backend",
    ("support",): "list open end",
    ("agreements",): "list add end",
    ("disclosures",): "list record",
    ("config",): "check schema",
    ("devices",): "list show scan adopt send remove",
    ("cameras",): "list snapshot pictures tag claim",
    ("people",): "list add change remove link",
    ("grants",): "list give end",
    ("tokens",): "list make end",
    ("consent",): "list texts",
    ("receipt",): "list show verify",
    ("activity",): "checkpoint show verify",
    ("audit",): "checkpoint prove show verify",
}
PATHS = [(*group, verb) for group, verbs in VERBS.items() for verb in verbs.split()]
EXAMPLE = Path("systemd/portvakt.example.toml")


def portvakt(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = carry_out([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_verb_has_help_and_where_it_is_one_an_example(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = portvakt(capsys, *path, "--help")
    assert code == 0
    assert "Usage: portvakt " + " ".join(path) in " ".join(out.split())
    assert path in VERBS or path == ("backend",) or "Example" in out


def test_the_help_lists_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    for group, verbs in VERBS.items():
        _, out, _ = portvakt(capsys, *group, "--help")
        listed = {line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()}
        assert listed == set(verbs.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "No such command 'nope'"),
        (["devices", "sho"], "Did you mean 'show'?"),
        (["devices", "send", "lamp"], "Missing argument"),
        (["status", "--colour"], "No such option"),
        (["demo", "--for", "soon"], "like 30s, 2m or 1h"),
        (["demo", "--port", "70000"], "65535"),
        (["config", "check", "/nowhere/portvakt.toml"], "is not a file"),
        (["erase", "--class", "gossip"], "gossip"),
        (["backend", "nope"], "nope"),
        (["receipt", "verify", "receipt.jws"], "receipt.jws: No such file"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = portvakt(capsys, *arguments)
    assert code == 2
    assert not out
    assert said in err
    assert err.startswith("portvakt: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["metrics"],
        ["devices", "list"],
        ["devices", "send", "lamp", "OnOff", "on"],
        ["cameras", "snapshot", "front", "--out", "x.jpg"],
        ["inventory"],
        ["erase", "--everything", "--yes"],
        ["receipt", "list"],
    ],
    ids=" ".join,
)
def test_without_an_agent_every_verb_says_so_and_what_to_do(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = portvakt(capsys, *arguments, "--socket", tmp_path / "api.sock")
    assert (code, out) == (1, "")
    assert err == (
        f"portvakt: no agent listens on {tmp_path}/api.sock"
        " (start it: systemctl start portvakt; or say with --socket where it listens)\n"
    )


def test_the_socket_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORTVAKT_SOCKET", str(tmp_path / "other.sock"))
    assert "other.sock" in portvakt(capsys, "status")[2]
    code, out, _ = portvakt(capsys, "status", "--json")
    assert (code, json.loads(out)) == (1, {"running": False})


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigInvalid("x"), 2),
        (Refused("bad_value", "x"), 2),
        (Refused("adoption_failed", "x"), 1),
        (Refused("configured", "x"), 1),
        (NotRunning("x"), 1),
        (AgentError("x"), 1),
        (ReceiptInvalid("x"), 1),
    ],
    ids=repr,
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("text", "expected"), [("30s", 30), ("2m", 120), ("1.5h", 5400), ("500ms", 0.5), ("7", 7), (None, None)]
)
def test_durations(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0s", "-1s", "1d", "s", "1 s", "nan", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Refused, match="not a duration"):
        seconds(text)


def test_config_check_answers_with_lines_and_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert portvakt(capsys, "config", "check", EXAMPLE) == (0, f"{EXAMPLE} is fine\n", "")
    broken = tmp_path / "broken.toml"
    broken.write_text('version = 1\n[gateway]\nid = "gw 1"\nepoc = 2\n')
    code, out, _ = portvakt(capsys, "config", "check", broken)
    assert code == 1
    assert [line.removeprefix(f"{broken}:").partition(";")[0] for line in out.splitlines()] == [
        "3:1: gateway.id: has characters that do not belong there",
        "4:1: gateway.epoc: is not a key that means anything",
    ]
    code, out, _ = portvakt(capsys, "config", "check", "--json", broken)
    answer = json.loads(out)
    assert (code, answer["ok"]) == (1, False)
    assert answer["problems"][1] == {
        "line": 4,
        "column": 1,
        "key": "gateway.epoc",
        "wrong": "is not a key that means anything",
        "right": "did you mean epoch?",
    }
    broken.write_text("version = = 1\n")
    assert portvakt(capsys, "config", "check", broken)[1].startswith(f"{broken}:1:11: ")


def test_config_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = portvakt(capsys, "config", "schema")
    assert code == 0
    assert json.loads(out)["$ref"] == "#/$defs/Config"


def test_a_receipt_is_verified_with_the_public_key_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = SigningKey.generate()
    receipt = Receipt(
        iss="gw-1/1",
        kind="verified",
        order=OrderReference(id="o-1", issuer="backend", sha256="0" * 64),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        software="0.1.0",
        stores=(StoreLine(store="snapshots", found=0, erased=0, left=0, tier=Tier.UNLINKED),),
        log=LogPosition(size=0, root="0" * 64),
        complete=True,
    )
    jws, jwk, other = tmp_path / "r.jws", tmp_path / "gw.json", tmp_path / "other.json"
    jws.write_text(sign_receipt(key, receipt) + "\n")
    jwk.write_text(json.dumps({"keys": [key.public_jwk()]}))
    other.write_text(json.dumps(SigningKey.generate().public_jwk()))
    code, out, _ = portvakt(capsys, "receipt", "verify", jws, "--key", jwk, "--json")
    assert (code, json.loads(out)["receipt"]["order"]["id"]) == (0, "o-1")
    assert "genuine: gw-1/1" in portvakt(capsys, "receipt", "verify", jws, "--key", jwk)[1]
    code, _, err = portvakt(capsys, "receipt", "verify", jws, "--key", other)
    assert code == 1
    assert "does not verify" in err
    code, out, _ = portvakt(capsys, "receipt", "verify", jws, "--key", other, "--json")
    assert (code, json.loads(out)["valid"]) == (1, False)
    assert portvakt(capsys, "receipt", "verify", jws, "--key", jws)[0] == 2
    assert portvakt(capsys, "receipt", "verify", tmp_path / "gone", "--key", jwk)[0] == 2


def test_help_and_check_bring_in_nothing_heavy() -> None:
    """What makes `--help` quick is what is not imported; seconds depend on the machine."""
    program = (
        "import sys; from agent.cli.outcome import carry_out; names = sys.modules\n"
        "carry_out(['--help']); carry_out(['devices', 'send', '--help']); carry_out(['config', 'check', sys.argv[1]])\n"
        "print([name for name in sys.argv[2:] if name in names], file=sys.stderr)"
    )
    heavy = ["aiohttp", "aiomqtt", "cryptography", "cv2", "joserfc", "jsonschema", "pymodbus", "rich", "zeroconf"]
    done = subprocess.run([sys.executable, "-c", program, EXAMPLE, *heavy], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_module_is_the_program_and_prints_its_version() -> None:
    done = subprocess.run([sys.executable, "-m", "agent", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("portvakt 0.")
    assert not done.stderr
