"""The media that KeyStores stand on in the tests, and what can go wrong with each of them."""

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import tpm2_pytss

from privacy.keystore.contract import SLOTS, Held, KeyStore
from privacy.keystore.nvram import Nvram
from privacy.keystore.slot_file import SlotFile
from privacy.keystore.tpm import Tpm
from tests.peers.swtpm import Swtpm

Step = tuple[Any, str]
"""A function that a KeyStore calls on its way to the medium: where it stands, and its name."""


class Medium(Protocol):
    """What a KeyStore stands on, and what can go wrong with it."""

    steps: Sequence[Step]
    lies: Mapping[Step, Callable[..., Any]]
    """What takes the place of a step so that it changes nothing, and says that all is well."""
    refusals: Sequence[Exception]
    """What a step raises when the medium refuses it."""

    def open(self) -> KeyStore:
        """Anew, as after a restart."""

    def raw(self) -> bytes:
        """All that the medium holds."""

    def make_foreign(self) -> None:
        """Let it hold something that is not ours, and looks like it could be."""


def os_steps(*names: str) -> list[Step]:
    return [(os, name) for name in names]


class InFile:
    """A medium whose bytes are those of a file."""

    steps: Sequence[Step] = [*os_steps("open", "pwrite", "fdatasync", "fsync", "pread", "preadv"), (fcntl, "fcntl")]
    lies: Mapping[Step, Callable[..., Any]] = {(os, "pwrite"): lambda _, content, __: len(content)}
    refusals: Sequence[Exception] = [
        OSError(number, os.strerror(number)) for number in (errno.EIO, errno.ENOSPC, errno.EROFS)
    ]
    stride = 128 * 1024
    slot_bytes = 4096 + 65536
    size = 2 * stride

    def __init__(self, folder: Path) -> None:
        self.path = folder / "slots"

    def open(self) -> KeyStore:
        return SlotFile(self.path, create=True)

    def raw(self) -> bytes:
        return self.path.read_bytes()

    def patch(self, at: int, content: bytes) -> None:
        """Change the medium behind the store's back."""
        with self.path.open("r+b") as file:
            file.seek(at)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def make_foreign(self) -> None:
        self.path.write_bytes(bytes(4086) + b"SWAPSPACE2" + bytes(self.size))


class InPartition(InFile):
    """Is there before we come, blank, and larger than what is ours."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path.write_bytes(bytes(self.size + 4096))

    def open(self) -> KeyStore:
        return SlotFile(self.path)


class InNvram(InFile):
    steps: Sequence[Step] = os_steps("open", "pwrite", "fsync", "pread")
    stride = 128
    slot_bytes = 80
    size = 236
    kind = Nvram

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path.write_bytes(bytes(self.size))

    def open(self) -> KeyStore:
        return self.kind(self.path, sysfs=self.path.parent)

    def make_foreign(self) -> None:
        self.path.write_bytes(b"a clock's alarm".ljust(self.size, b"\xff"))


class InTpm:
    # It has no ENOSPC: that is TPM2_RC_NV_SPACE.
    steps: Sequence[Step] = [
        (tpm2_pytss.TCTILdr, "parse"),
        *((tpm2_pytss.ESAPI, name) for name in ("get_capability", "tr_from_tpmpublic", "nv_read_public", "nv_read")),
        *((tpm2_pytss.ESAPI, name) for name in ("nv_define_space", "nv_write", "nv_undefine_space")),
    ]
    lies: Mapping[Step, Callable[..., Any]] = dict.fromkeys(steps[-2:], lambda *_: None)
    refusals: Sequence[Exception] = [
        tpm2_pytss.TSS2_Exception(int(code))
        for code in (tpm2_pytss.TPM2_RC.LOCKOUT, tpm2_pytss.TPM2_RC.NV_SPACE, tpm2_pytss.TSS2_RC.TCTI_RC_IO_ERROR)
    ]

    def __init__(self, tpm: Swtpm) -> None:
        self._tpm = tpm

    def open(self) -> KeyStore:
        return Tpm(self._tpm.tcti)

    def raw(self) -> bytes:
        return b"".join(file.read_bytes() for file in self._tpm.state.iterdir())

    def make_foreign(self) -> None:
        attributes = tpm2_pytss.TPMA_NV.AUTHREAD | tpm2_pytss.TPMA_NV.AUTHWRITE | tpm2_pytss.TPMA_NV.NO_DA
        with tpm2_pytss.TCTILdr.parse(self._tpm.tcti) as tcti, tpm2_pytss.ESAPI(tcti) as tpm:
            for index in (0x01500A00, 0x01500A01):
                public = tpm2_pytss.TPMS_NV_PUBLIC(
                    nvIndex=index, nameAlg=tpm2_pytss.TPM2_ALG.SHA256, attributes=attributes, dataSize=80
                )
                tpm.nv_write(tpm.nv_define_space(b"", tpm2_pytss.TPM2B_NV_PUBLIC(public)), b"somebody's".ljust(80))


IN_FILES = {"file": InFile, "partition": InPartition, "nvram": InNvram}


def held_by(store: KeyStore, generation: int) -> Held:
    return Held(generation, secrets.token_bytes(store.secret_bytes))


def slots(store: KeyStore) -> list[Held | None]:
    return [store.read(slot) for slot in SLOTS]


def traces(secret: bytes, raw: bytes) -> int:
    """How many pieces of `secret` are still in `raw`."""
    piece = max(16, len(secret) // 256)
    return sum(secret[at : at + piece] in raw for at in range(0, len(secret), piece))


@dataclass
class Faults:
    """Interposed before each of `steps`; `at` is the one that fails, from 1."""

    steps: Sequence[Step]
    at: int = 0
    error: Exception | None = None
    persisting: bool = False
    done_all_the_same: bool = False
    """The step is carried out, and then said to have failed."""
    taken: int = 0

    @contextmanager
    def interposed(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for home, name in self.steps:
                patch.setattr(home, name, self._around(getattr(home, name)))
            yield

    def _around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.taken += 1
            if not (self.taken == self.at or (self.persisting and self.taken > self.at > 0)):
                return step(*args, **kwargs)
            if self.done_all_the_same:
                step(*args, **kwargs)
            assert self.error
            raise self.error

        return wrapped


@contextmanager
def lying(medium: Medium) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for (home, name), lie in medium.lies.items():
            patch.setattr(home, name, lie)
        yield


@contextmanager
def recorded(*names: str) -> Iterator[list[tuple[Any, ...]]]:
    """Each call of these functions of `os`: its name, and what was passed."""
    events: list[tuple[Any, ...]] = []

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recording(*args: Any) -> Any:
            events.append((name, *(bytes(arg) if isinstance(arg, memoryview) else arg for arg in args)))
            return call(*args)

        return recording

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(os, name, around(name, getattr(os, name)))
        yield events
