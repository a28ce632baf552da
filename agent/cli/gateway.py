"""Asks the running agent over its Unix socket, in the words of `agent.api.contract`."""

import asyncio
from pathlib import Path
from typing import IO, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from agent.api.contract import AuditEntry, InventoryRow, State
from agent.api.problems import Problem
from agent.errors import AgentError, NotRunning, Refused

T = TypeVar("T")

ANSWER_SECONDS: Final = 15.0
PIECE_SECONDS: Final = 120.0
"""Between two pieces of a long answer."""


class Gateway:
    """The agent that listens on `socket`. Every method is one request.

    Raises:
        NotRunning: nobody listens there.
        Refused: the agent says no, and why.
        AgentError: it does not answer, or not in these words.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def state(self) -> State:
        return self.ask("GET", "/api/state", State)

    def audit(self) -> tuple[AuditEntry, ...]:
        return self.ask("GET", "/api/audit", tuple[AuditEntry, ...])

    def checkpoint(self) -> str:
        """The log as it stands now, signed: compact JWS."""
        return self.fetch("GET", "/api/audit/checkpoint").decode()

    def receipt(self, order: str, kind: str) -> str | None:
        """One receipt of the whole log, compact JWS; None while there is none."""
        try:
            return self.fetch("GET", f"/api/receipts/{quote(order, safe='')}/{quote(kind, safe='')}").decode()
        except Refused as refusal:
            if refusal.code in {"unknown_receipt", "unknown_path"}:  # such an order's id cannot be
                return None
            raise

    def inventory(self) -> tuple[InventoryRow, ...]:
        return self.ask("GET", "/api/inventory", tuple[InventoryRow, ...])

    def ask(  # noqa: PLR0913 - a request has as many parts
        self,
        method: str,
        path: str,
        kind: type[T],
        body: object = None,
        *,
        seconds: float = ANSWER_SECONDS,
        purpose: str = "",
    ) -> T:
        """The answer to a request, as `kind`; `body` is sent as JSON, and `purpose` says what it is asked for."""
        data = self.fetch(method, path, body, seconds=seconds, purpose=purpose)
        try:
            return msgspec.json.decode(data or b"null", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            hint = "do agent and command line come from the same version? restart the agent"
            raise AgentError("the agent's answer cannot be understood", hint=hint) from error

    def fetch(
        self, method: str, path: str, body: object = None, *, seconds: float = ANSWER_SECONDS, purpose: str = ""
    ) -> bytes:
        """The answer to a request, as it came."""
        headers = {"Portvakt-Purpose": purpose} if purpose else {}
        return asyncio.run(self._fetch(method, path, body, seconds, headers))

    def download(self, method: str, path: str, body: object, to: IO[bytes]) -> int:
        """Write the answer to a request into `to` as it comes; returns how many bytes. It may take its time."""
        return asyncio.run(self._download(method, path, body, to))

    async def _download(self, method: str, path: str, body: object, to: IO[bytes]) -> int:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=PIECE_SECONDS)
        headers, size = {"Content-Type": "application/json"}, 0
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)), timeout=timeout) as session,
                session.request(
                    method, f"http://portvakt{path}", data=msgspec.json.encode(body), headers=headers
                ) as response,
            ):
                if not response.ok:
                    raise _refusal(response.status, await response.read())
                async for piece in response.content.iter_any():
                    size += to.write(piece)
        except TimeoutError as error:
            hint = "look at `portvakt doctor` and the journal"
            raise AgentError("the agent stopped answering", hint=hint) from error
        except aiohttp.ClientError as error:
            raise self._unreachable(error) from error
        return size

    async def _fetch(self, method: str, path: str, body: object, seconds: float, headers: dict[str, str]) -> bytes:
        sent = None if body is None else msgspec.json.encode(body)
        headers = headers if body is None else {**headers, "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)), timeout=timeout) as session,
                session.request(method, f"http://portvakt{path}", data=sent, headers=headers) as response,
            ):
                data = await response.read()
                if response.ok:
                    return data
                raise _refusal(response.status, data)
        except TimeoutError as error:
            hint = "look at `portvakt doctor` and the journal"
            raise AgentError(f"the agent does not answer within {seconds:.0f} s", hint=hint) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> AgentError:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if isinstance(cause, PermissionError):
            return AgentError(
                f"{self._socket} is not yours to use", hint="use sudo, or the user that the agent runs as"
            )
        if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
            hint = "start it: systemctl start portvakt; or say with --socket where it listens"
            return NotRunning(f"no agent listens on {self._socket}", hint=hint)
        return AgentError(f"the agent on {self._socket} broke off: {type(cause).__name__}", hint="is it being stopped?")


def _refusal(status: int, data: bytes) -> AgentError:
    try:
        problem = msgspec.json.decode(data, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return AgentError(f"the agent answers {status} and does not say why", hint="look at its journal")
    return Refused(problem.code, problem.detail, hint=problem.cure)
