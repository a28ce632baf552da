"""The agent's end of the decoding worker: starts it, bounds it, kills it, starts it anew."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import msgspec

from camera.errors import DecoderFailed, NotAPicture
from camera.picture import Mask, Picture
from camera.worker.protocol import (
    LENGTH,
    MAX_ANSWER_BYTES,
    MAX_JPEG_BYTES,
    Answer,
    CannotStart,
    Ready,
    Refusal,
    Request,
    frame,
    parse_answer,
)

log = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-I", "-B", "-m", "camera.worker")
ENVIRONMENT: Final = {
    # Nothing of the agent's own. One thread each for the libraries below OpenCV, so that none is ever cloned.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "PYTHONUTF8": "1",
}
DEADLINE_SECONDS: Final = 5.0
START_DEADLINE_SECONDS: Final = 30.0
"""Importing OpenCV takes 0.3 s on a desktop and some seconds from a tired SD card."""
STOP_SECONDS: Final = 3.0
COMPLAINT_BYTES: Final = 512
"""How much of what a worker writes to stderr is kept."""

REFUSALS: Final = {
    "no_jpeg": "the camera sent something that is no JPEG",
    "truncated": "the camera sent a JPEG that ends too early",
    "too_many_pixels": "the camera sent a picture of more than 40 megapixels",
    "undecodable": "the camera sent a broken JPEG",
    "too_large": "the camera sent a picture too large to keep",
}


class _Worker(asyncio.SubprocessProtocol):
    """One worker process."""

    def __init__(self) -> None:
        self._answers = asyncio.StreamReader()
        self._buffered = 0
        self._complaint = bytearray()
        self._complained = 0
        self._exited = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._exited.is_set() and not self._answers.at_eof()

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid() if self._transport else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.SubprocessTransport):
            self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self._buffered += len(data)
            if self._buffered <= MAX_ANSWER_BYTES + LENGTH.size:
                self._answers.feed_data(data)
            else:
                self.kill()  # it talks more than any answer can need
        else:
            self._complained += len(data)
            self._complaint += data[: COMPLAINT_BYTES - len(self._complaint)]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        if fd == 1:
            self._answers.feed_eof()

    def process_exited(self) -> None:
        self._exited.set()

    async def ask(self, request: Request) -> Answer:
        """Send `request` and wait for what comes back."""
        stdin = self._transport.get_pipe_transport(0) if self._transport else None
        if isinstance(stdin, asyncio.WriteTransport):  # else it has ended, and so has its answer
            stdin.write(frame(request))
        return await self.answer()

    async def answer(self) -> Answer:
        """The next thing that the worker says.

        Raises:
            EOFError: it ended before that (`asyncio.IncompleteReadError` is one).
            msgspec.DecodeError: it said something else.
        """
        (length,) = LENGTH.unpack(await self._answers.readexactly(LENGTH.size))
        if length > MAX_ANSWER_BYTES:
            raise msgspec.DecodeError("an answer longer than any can be")
        body = await self._answers.readexactly(length)
        self._buffered -= LENGTH.size + length
        return parse_answer(body)

    def complaint(self) -> str:
        """What it wrote to stderr since the last call, in one line fit for a log: bounded, printable ASCII."""
        if not self._complained:
            return ""
        first = bytes(self._complaint).decode("ascii", "replace").partition("\n")[0]
        said = "".join(c if c.isascii() and c.isprintable() else "." for c in first)[:120]
        line = f"{said} ({self._complained} bytes)"
        self._complaint.clear()
        self._complained = 0
        return line

    def kill(self) -> None:
        """SIGKILL. The transport's `close` sends it where the process still runs, and closes the pipes."""
        if self._transport:
            self._transport.close()

    async def stop(self) -> None:
        """Kill it and see it gone."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._exited.wait()


class Decoder:
    """Owns the decoding worker. One picture at a time; a worker that failed is replaced with the next picture."""

    def __init__(
        self,
        *,
        deadline: float = DEADLINE_SECONDS,
        start_deadline: float = START_DEADLINE_SECONDS,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._deadline = deadline
        self._start_deadline = start_deadline
        self._command = command
        self._lock = asyncio.Lock()
        self._worker: _Worker | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worker, self._worker = self._worker, None
        if worker:
            await worker.stop()

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it stands by."""
        return self._worker.pid if self._worker else None

    async def decode(self, jpeg: bytes, masks: Sequence[Mask] = ()) -> Picture:
        """`jpeg` checked, masked, encoded anew, with a thumbnail.

        Raises:
            NotAPicture: it is none, is cut short, or is too large.
            DecoderFailed: the worker died, talked rubbish, passed its deadline, or cannot be isolated.
        """
        if len(jpeg) > MAX_JPEG_BYTES:
            raise NotAPicture(f"the camera sent {len(jpeg)} bytes, more than a picture may have")
        async with self._lock:
            answer = await self._ask(Request(jpeg, tuple(masks)))
        match answer:
            case Picture():
                return answer
            case Refusal(code):
                raise NotAPicture(REFUSALS[code], hint="check that its address is that of a JPEG snapshot")
            case _:
                raise DecoderFailed("the decoding worker answered out of turn")

    async def _ask(self, request: Request) -> Answer:
        worker, self._worker = self._worker, None
        if worker and not worker.alive:
            await worker.stop()
            worker = None
        worker = worker or await self._start()
        answer = await self._exchange(worker, request, self._deadline)
        self._worker = worker  # only here: one that was cut short, by anything, never serves again
        return answer

    async def _start(self) -> _Worker:
        loop = asyncio.get_running_loop()
        try:
            _, worker = await loop.subprocess_exec(
                _Worker, *self._command, env=ENVIRONMENT, cwd="/", start_new_session=True
            )
        except OSError as error:
            raise DecoderFailed(f"the decoding worker cannot be started: {error.strerror}") from error
        hello = await self._exchange(worker, None, self._start_deadline)
        if isinstance(hello, Ready):
            return worker
        await worker.stop()
        if isinstance(hello, CannotStart):
            raise DecoderFailed(f"the decoding worker will not decode: {hello.problem}", hint=hello.hint)
        raise DecoderFailed("the decoding worker answered out of turn")

    async def _exchange(self, worker: _Worker, request: Request | None, deadline: float) -> Answer:
        whole = False
        try:
            async with asyncio.timeout(deadline):
                answer = await (worker.ask(request) if request else worker.answer())
            whole = True
        except TimeoutError:
            raise DecoderFailed(f"the decoding worker took longer than {deadline:g} s and was killed") from None
        except EOFError:
            raise DecoderFailed("the decoding worker died", hint="the next picture starts a new one") from None
        except msgspec.DecodeError:
            raise DecoderFailed("the decoding worker answered rubbish and was killed") from None
        finally:
            if not whole:
                await worker.stop()
            if complaint := worker.complaint():
                # Many cameras send files that a decoder grumbles at, and that are pictures all the same.
                log.log(logging.INFO if whole else logging.WARNING, "decoding worker: %s", complaint)
        return answer
