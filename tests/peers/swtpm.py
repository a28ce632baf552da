"""A TPM 2.0 in software (Debian's `swtpm`), which keeps its state in a directory."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.demo.layout import kept_port

DEADLINE_S = 20.0


class Swtpm:
    """One that runs inside a `with`. Away outside of it, and after `stop` until the next `start`."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def tcti(self) -> str:
        """Where it is, as tpm2-tss writes it."""
        return f"swtpm:host=127.0.0.1,port={self._port}"

    def __enter__(self) -> Self:
        self.state.mkdir(exist_ok=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        deadline = time.monotonic() + DEADLINE_S
        at = "type=tcp,bindaddr=127.0.0.1,port="
        # Kept until it listens: else the one who answers may be somebody else.
        with _kept_pair() as self._port:
            self._process = subprocess.Popen(
                [
                    *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}"),
                    *("--server", f"{at}{self._port}", "--ctrl", f"{at}{self._port + 1}"),
                    *("--flags", "not-need-init,startup-clear"),
                ],
                stderr=subprocess.DEVNULL,
            )
            while self._process.poll() is None and time.monotonic() < deadline:
                # Of the two connections it opens the one for commands last.
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                    return
                time.sleep(0.01)
        self.stop()
        raise TimeoutError("swtpm does not start")

    def stop(self) -> None:
        """End it as a power cut does: without a word to it. What a command returned from is in its state."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def _kept_pair() -> Iterator[int]:
    """A port whose next one, which tpm2-tss takes for the control channel, is ours too while this is entered."""
    while True:
        with contextlib.ExitStack() as kept:
            port = kept.enter_context(kept_port())
            try:
                kept.enter_context(kept_port(port + 1))
            except OSError:
                continue
            yield port
            return
