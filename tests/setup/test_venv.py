"""When the environment is made, when it is brought up to date, and when it is left alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.setup.clone import Clone

# A Python that makes environments in which pip brings uv, and uv writes down its calls. STOP ends one of the steps.
PYTHON3 = r"""
case "$*" in
  "-m venv .venv")
    mkdir -p .venv/bin
    cat >.venv/bin/python <<'END'
#!/bin/sh
if [ "$1" = -c ]; then cd "$(dirname "$0")/.." && echo "$PWD cpython-311"; exit; fi
echo "pip" >>"$CALLS"
[ "${STOP:-}" != pip ] || exit 1
cat >.venv/bin/uv <<'UV'
#!/bin/sh
echo "uv $2 $*" | cut -d ' ' -f -2 >>"$CALLS"
sleep "${SLOW:-0}"
[ "${STOP:-}" != "$2" ]
UV
chmod 755 .venv/bin/uv
END
    chmod 755 .venv/bin/python ;;
esac
"""
NEW = ["python3 -m venv .venv", "pip", "uv sync", "uv install"]
UPDATED = ["pip", "uv sync", "uv install"]


@pytest.fixture(autouse=True)
def python3(clone: Clone) -> None:
    clone.program("python3", PYTHON3)


def make(clone: Clone, kind: str = "runtime", **environment: str) -> list[str]:
    done = clone.run(".setup/venv", kind, **environment)
    assert (done.returncode == 0) == ("STOP" not in environment), done.stderr
    return [call for call in clone.calls() if not call.startswith("python3 -c")]


def test_made_once(clone: Clone) -> None:
    assert make(clone) == NEW
    assert make(clone) == []


def test_dev_holds_what_runtime_does(clone: Clone) -> None:
    assert make(clone, "runtime") == NEW
    assert make(clone, "dev") == UPDATED
    assert make(clone, "runtime") == []
    assert make(clone, "dev") == []


@pytest.mark.parametrize("name", [".setup/uv.lock", ".setup/runtime.lock", ".setup/dev.lock", "pyproject.toml"])
def test_what_it_was_made_from_has_changed(clone: Clone, name: str) -> None:
    make(clone)
    with (clone.folder / name).open("a") as file:
        file.write("\n")
    assert make(clone) == UPDATED
    assert make(clone) == []


@pytest.mark.parametrize("step", ["pip", "sync", "install"])
def test_interrupted_it_starts_again_from_nothing(clone: Clone, step: str) -> None:
    make(clone, STOP=step)
    assert make(clone) == NEW


@pytest.mark.parametrize("step", ["pip", "sync", "install"])
def test_interrupted_while_brought_up_to_date(clone: Clone, step: str) -> None:
    make(clone)
    make(clone, "dev", STOP=step)
    assert make(clone) == NEW


def test_copied_from_elsewhere(clone: Clone) -> None:
    make(clone)
    copy = clone.folder.with_name("a copy")
    shutil.copytree(clone.folder, copy)
    clone.folder = copy
    assert make(clone) == NEW


def test_its_python_has_gone(clone: Clone) -> None:
    make(clone)
    (clone.folder / ".venv/bin/python").unlink()
    assert make(clone) == NEW


def test_its_python_has_become_another(clone: Clone) -> None:
    make(clone)
    python = clone.folder / ".venv/bin/python"
    python.write_text(python.read_text().replace("cpython-311", "cpython-313"))
    assert make(clone) == NEW


def test_two_at_the_same_time(clone: Clone) -> None:
    both = [
        subprocess.Popen(
            [".setup/venv", "runtime"], cwd=clone.folder, env=clone.environment({"SLOW": "0.5"}),
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said == ["Making the virtual environment .venv (runtime) ...\n", "Waiting for another set-up ...\n"]
    assert [call for call in clone.calls() if not call.startswith("python3 -c")] == NEW


def test_a_python_that_is_too_old(clone: Clone) -> None:
    clone.program("python3", "exit 1")
    done = clone.run(".setup/venv", "runtime")
    assert done.returncode == 1
    assert done.stderr == "Portvakt needs Python 3.11 or newer.\n"
    assert not (clone.folder / ".venv").exists()


@pytest.mark.parametrize("kind", [(), ("uv.lock",), ("production",)])
def test_called_wrongly(clone: Clone, kind: tuple[str, ...]) -> None:
    assert clone.run(".setup/venv", *kind).returncode == 2
    assert not Path(clone.folder / ".venv").exists()
