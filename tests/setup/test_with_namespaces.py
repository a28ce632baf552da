"""Network namespaces for whoever runs the tests: seen as an ordinary user, whoever runs this."""

import os
import subprocess
from pathlib import Path

from tests.setup.clone import Clone

SCRIPT = Path(__file__).parents[2] / ".setup/with-namespaces"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
"""Nobody may not look into root's folders, so the script is read from standard input."""


def test_an_ordinary_user_gets_them() -> None:
    wanted = 'id -u; ip netns add there; ip netns exec there ip -o link; ip -o link show up; echo "$1"; exit 7'
    with SCRIPT.open() as script:
        done = subprocess.run(
            [*NOBODY, "sh", "-s", "--", "sh", "-c", wanted, "sh", "two words"],
            stdin=script, capture_output=True, text=True, check=False, timeout=30, env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (7, "")
    assert (lines[0], lines[-1]) == ("0", "two words")
    assert ["lo:" in line for line in lines[1:-1]] == [True, True], "nothing but the two loopbacks"


def test_where_the_kernel_refuses_the_command_runs_all_the_same(clone: Clone) -> None:
    clone.program("id", "[ $1 = -u ] && echo 1000 || echo kari")
    clone.program("unshare", 'echo "unshare: Operation not permitted" >&2; exit 1')
    done = clone.run(".setup/with-namespaces", "sh", "-c", "echo here; exit 7")
    assert (done.returncode, done.stdout) == (7, "here\n")
    assert done.stderr == (
        "No network namespaces for kari here; tests marked root will fail. unshare: Operation not permitted\n"
    )


def test_root_needs_nothing(clone: Clone) -> None:
    clone.program("id", "echo 0")
    clone.program("unshare", "exit 1")
    assert clone.run(".setup/with-namespaces", "sh", "-c", "echo here").stdout == "here\n"
    assert clone.calls() == ["id -u"]
