"""What the service loads: the parser of the command line is no part of it."""

import subprocess
import sys
from pathlib import Path

LIST = "import sys, agent.cli; sys.argv[1:] = {arguments!r}\ntry: agent.cli.main()\nfinally: print(*sys.modules)"


def run(*arguments: str) -> tuple[int, set[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", LIST.format(arguments=list(arguments))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, set(done.stdout.split()), done.stderr


def test_the_running_agent_has_no_command_line_parser_in_its_memory(tmp_path: Path) -> None:
    code, modules, said = run("run", "--config", str(tmp_path / "missing.toml"))
    assert code == 2
    assert "agent.main" in modules
    assert not {"typer", "click", "rich"} & modules
    assert said.count("\n") == 2, said  # the problem, and where it stands
    assert said.startswith("portvakt: ")


def test_any_other_way_to_say_run_works_as_well(tmp_path: Path) -> None:
    assert run("run", f"--config={tmp_path}/missing.toml")[0] == 2
    assert run("run", "--config", "--help")[0] == 2
    assert run("run", "--help")[0] == 0
