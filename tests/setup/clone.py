"""A clone with only what the set-up's scripts look at, and programs that only write down how they were called."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

TREE = Path(__file__).parents[2]
TOOLS = ["cat", "chmod", "cut", "dirname", "flock", "grep", "id", "ip", "ls", "mkdir", "mktemp", "mount", "mv", "rm",
         "setpriv", "sh", "sha256sum", "sleep", "tail", "unshare"]  # fmt: skip


class Clone:
    """A checkout whose path has a space in it, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a clone"
        self.folder.mkdir()
        shutil.copytree(TREE / ".setup", self.folder / ".setup")
        shutil.copy(TREE / "pyproject.toml", self.folder)
        self.programs = folder / "bin"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(shutil.which(tool, path="/usr/bin:/bin:/usr/sbin:/sbin") or f"no {tool}")
        self._calls = folder / "calls"
        self._calls.touch()

    def program(self, name: str, script: str) -> None:
        """Put a program on PATH. Its calls are written down before `script` runs."""
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"$CALLS"\n{script}\n')
        path.chmod(0o755)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {"PATH": str(self.programs), "CALLS": str(self._calls), "HOME": "/nonexistent", **(more or {})}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(environment), capture_output=True, text=True, check=False,
            timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def calls(self) -> list[str]:
        """How the programs were called since the last time this was asked."""
        calls = self._calls.read_text().splitlines()
        os.truncate(self._calls, 0)
        return calls
