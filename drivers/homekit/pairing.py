"""Who is who: pair-setup by code, pair-verify on each connection, and removal (HAP R2, 5.6, 5.7, 5.11).

The cryptography is aiohomekit's state machines. The code never travels: pair-setup is SRP (RFC 5054), so that an
impostor learns nothing and may guess a few times. The secrets of a pairing are in memory here only; the caller
seals them.
"""

import asyncio
import re
import uuid
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from aiohomekit.crypto.srp import MODULUS_VALUE
from aiohomekit.exceptions import (
    AuthenticationError,
    BackoffError,
    BusyError,
    HomeKitException,
    MaxPeersError,
    MaxTriesError,
    UnavailableError,
)
from aiohomekit.protocol import get_session_keys, perform_pair_setup_part1, perform_pair_setup_part2
from aiohomekit.protocol.tlv import TLV

from drivers.errors import AdoptionFailed, LinkLost, NoAnswer
from drivers.homekit.connection import RUBBISH, Items, Session

T = TypeVar("T")
Answer = list[tuple[int, bytearray]]
Machine = Generator[tuple[Items, list[int]], Answer | None, T]
"""Yields what to send and which item types to expect back, takes the answer, returns its result.
The library's own annotations say otherwise in places, hence the casts."""
Derive = Callable[[bytes, bytes], bytes]


LAST_WORD_SECONDS = 5.0
"""How long a pair-setup that is cancelled after M5 still waits for M6."""


class WrongCode(AdoptionFailed):
    """The accessory says that the code is wrong."""


# What an accessory says in pair-setup (HAP R2, table 5-5), and what a person can do about it.
_REFUSALS: tuple[tuple[type[HomeKitException], str, str], ...] = (
    (UnavailableError, "it is somebody else's already", "remove it there, or reset it to factory settings"),
    (MaxTriesError, "it was given too many wrong codes", "switch it off and on, then try again"),
    (BusyError, "somebody else is adopting it right now", "try again in a minute"),
    (BackoffError, "it asks to wait", "try again in a minute"),
    (MaxPeersError, "it cannot be anybody else's as well", "remove it from another controller first"),
)


def setup_code(text: str) -> str:
    """The code in the form that the protocol wants, `123-45-678`; people also type it without dashes.

    Raises:
        AdoptionFailed: it is no such code.
    """
    digits = re.sub(r"[-\s]", "", text)
    if not re.fullmatch(r"[0-9]{8}", digits):
        raise AdoptionFailed("a HomeKit code has eight digits", hint="type it like 123-45-678")
    return f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"


async def pair(
    session: Session, code: str, *, with_auth: bool, seconds: float, ours: Callable[[Mapping[str, str]], None]
) -> None:
    """Become the accessory's controller (pair-setup).

    Args:
        session: a fresh connection; of no further use afterwards.
        code: as `setup_code` returns it.
        with_auth: whether the accessory asks for the method of certified devices (bit 0 of its `ff`).
        seconds: at most, for each answer.
        ours: gets the secrets of the pairing as soon as there is one, also when the caller is being cancelled.

    Raises:
        WrongCode: it says that the code is wrong.
        AdoptionFailed: it refused; the message says why.
        LinkLost: the connection is gone.
        NoAnswer: it answered rubbish.
    """
    try:
        first = cast("Machine[tuple[bytearray, bytearray]]", perform_pair_setup_part1(with_auth))
        salt, key = await _converse(session, "/pair-setup", first, seconds)
        # RFC 5054, section 2.5.3: the client must stop here. The library does not look.
        if int.from_bytes(key, "big") % MODULUS_VALUE == 0:
            raise NoAnswer(f"{session.where} sent an impossible key")
        second = cast("Machine[dict[str, str]]", perform_pair_setup_part2(code, str(uuid.uuid4()), salt, key))
        proof = await asyncio.to_thread(_advance, second, None)
        introduction = await _turn(session, "/pair-setup", second, proof, seconds)  # M3 and M4

        async def introduce() -> None:  # M5 and M6
            last = await _turn(session, "/pair-setup", second, introduction, seconds)
            if isinstance(last, _Finished):
                ours(last.result)

        # Upon M5 the accessory is ours, and only its answer brings what it takes to set it free again.
        await uncut(introduce(), LAST_WORD_SECONDS)
    except AuthenticationError as error:
        raise WrongCode("the code is wrong", hint="it is the eight digits on the device or in its manual") from error
    except RUBBISH as error:
        for kind, problem, hint in _REFUSALS:
            if isinstance(error, kind):
                raise AdoptionFailed(problem, hint=hint) from error
        raise NoAnswer(f"{session.where} answered rubbish") from error


async def verify(session: Session, secrets: Mapping[str, str], *, seconds: float) -> None:
    """Have the accessory prove that it is the one paired with, prove ourselves, and encrypt the session.

    Nothing secret is sent before it has proved itself.

    Raises:
        LinkLost: it could not, it does not know us any more, or the connection is gone.
    """
    try:
        machine = cast("Machine[tuple[bytes, Derive]]", get_session_keys(dict(secrets)))
        _, derive = await _converse(session, "/pair-verify", machine, seconds)
    except AuthenticationError as error:
        raise LinkLost(
            f"the device at {session.where} no longer knows this house", hint="remove it and adopt it again"
        ) from error
    except (NoAnswer, *RUBBISH) as error:
        raise LinkLost(f"what answers at {session.where} did not prove that it is this device") from error
    session.secure(
        read_key=derive(b"Control-Salt", b"Control-Read-Encryption-Key"),
        write_key=derive(b"Control-Salt", b"Control-Write-Encryption-Key"),
    )


async def remove(session: Session, secrets: Mapping[str, str], *, seconds: float) -> None:
    """Have the accessory forget us; it may be adopted by others then.

    Raises:
        NoAnswer: it would not.
        LinkLost: the connection is gone.
    """
    request: Items = [
        (TLV.kTLVType_State, TLV.M1),
        (TLV.kTLVType_Method, TLV.RemovePairing),
        (TLV.kTLVType_Identifier, secrets["iOSPairingId"].encode()),
    ]
    answer = dict(await session.exchange_tlv("/pairings", request, seconds=seconds))
    if TLV.kTLVType_Error in answer or answer.get(TLV.kTLVType_State) != TLV.M2:
        raise NoAnswer("the device would not forget this house", hint="reset it to factory settings")


@dataclass(frozen=True, slots=True)
class _Finished(Generic[T]):
    result: T


Step = tuple[Items, list[int]] | _Finished[T]


async def _converse(session: Session, target: str, machine: Machine[T], seconds: float) -> T:
    """Exchange what the machine wants to. Its steps may take 0.1 s of arithmetic, so they run in a thread."""
    step = await asyncio.to_thread(_advance, machine, None)
    while not isinstance(step, _Finished):
        step = await _turn(session, target, machine, step, seconds)
    return step.result


async def _turn(session: Session, target: str, machine: Machine[T], step: Step[T], seconds: float) -> Step[T]:
    """One request and its answer; nothing where the machine has its result already."""
    if isinstance(step, _Finished):
        return step
    request, expected = step
    answer = await session.exchange_tlv(target, request, expected, seconds=seconds)
    return await asyncio.to_thread(_advance, machine, answer)


async def uncut(talk: Coroutine[None, None, None], seconds: float) -> None:
    """Await `talk`, which goes on to its end, for `seconds` at most once we are cancelled, however often that is."""
    ended = asyncio.Event()

    async def whole() -> None:
        try:
            await talk
        finally:
            ended.set()

    try:
        await asyncio.shield(whole())
    except asyncio.CancelledError:
        given_up = asyncio.get_running_loop().call_later(seconds, ended.set)
        while not ended.is_set():
            with suppress(asyncio.CancelledError):
                await ended.wait()
        given_up.cancel()
        raise


def _advance(machine: Machine[T], answer: Answer | None) -> Step[T]:
    """One step; a StopIteration could not leave the thread."""
    try:
        # A generator not yet begun takes None alone.
        return next(machine) if answer is None else machine.send(answer)
    except StopIteration as end:
        return _Finished(end.value)
