"""The other end of the link: orders as the backend issues them, and as it never would."""

import asyncio
import base64
import hashlib
import hmac
import os
from pathlib import Path

import msgspec

from agent.backend.issue import issue
from agent.backend.state import OrderRecord, State
from agent.cloud import topics
from agent.cloud.mqtt import Settings, connect
from agent.cloud.topics import Topics
from privacy.clock import SystemClock
from privacy.orders import TYP, Claims, Form, Ground, sign_order
from privacy.records import Scope
from privacy.signing import SigningKey
from tests.scenarios.programs import PORTVAKT, Program, until

GATEWAY = "gw-scenario"


class Cloud:
    """A backend's folder, and a way to send what the backend itself would not."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self.state = State(folder)
        self.state.create_issuer("backend")
        self.state.enroll(GATEWAY)
        self._settings = Settings(host="127.0.0.1", port=broker_port, client_id="order-desk", session_seconds=0)

    def serve(self) -> Program:
        """`portvakt backend serve`: takes receipts and log lines, and acknowledges them.

        Returns when it listens: what is published before that comes again only half a minute later.
        """
        place = ("--dir", self.folder, "--host", self._settings.host, "--port", str(self._settings.port))
        backend = Program(PORTVAKT, "backend", "serve", *place)
        backend.says('"event":"ready"')
        return backend

    def order(self, scope: Scope) -> OrderRecord:
        """A good order, which stands as pending until its receipts are here."""
        return issue(
            self.state,
            gateway=GATEWAY,
            epoch=1,
            scope=scope,
            form=Form.POINT,
            ground=Ground.OWNERS_CHOICE,
            clock=SystemClock(),
            random_bytes=os.urandom,
        )

    def send_bad(self, how: str) -> None:
        """As the broker may bring it."""
        self.send(self.bad(how), retained=how == "retained")

    def send(self, payload: bytes, *, retained: bool = False) -> None:
        """Publish `payload` where orders are published; returns when the broker has it."""

        async def publish() -> None:
            async with connect(self._settings) as connection:
                await connection.publish(Topics(GATEWAY).of(topics.ORDER), payload, retain=retained)

        asyncio.run(publish())

    def verified(self, order: str) -> bool:
        """Whether both receipts of `order` are here."""
        keeper = self.state.gateway(GATEWAY)
        return all(keeper.receipt(order, kind) for kind in ("erased", "verified"))

    def obeyed(self, scope: Scope) -> None:
        """Send a good order, and see both its receipts come."""
        order = self.order(scope)
        self.send(order.jws.encode())
        until(lambda: self.verified(order.id), "the receipts of a good order")

    def log(self) -> list[str]:
        """Every line that was uploaded."""
        return self.state.gateway(GATEWAY).lines()

    def bad(self, how: str) -> bytes:
        """An order to erase everything that is right but for one thing, the code that it must be refused with.

        One for "retained" is right; what is wrong is how it is sent.
        """
        key, name = self.state.issuer()
        claims = _claims(name)
        changed = msgspec.structs.replace
        match how:
            case "key":
                key = SigningKey.generate()
            case "audience":
                claims = changed(claims, aud="gw-other/1")
            case "expired":
                claims = changed(claims, iat=claims.iat - 7200, exp=claims.iat)
            case "size":
                claims = changed(claims, iss="x" * 8192)
        head, body, signature = sign_order(key, claims).split(".")
        match how:
            case "signature":
                signature = ("B" if signature[0] == "A" else "A") + signature[1:]
            case "algorithm":
                # HS256 with the public key as its secret: what fooled verifiers that trust the header.
                head = _b64(msgspec.json.encode({"alg": "HS256", "kid": key.kid, "typ": TYP}))
                secret = msgspec.json.encode(key.public_jwk())
                signature = _b64(hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest())
            case "form":
                return b"please erase everything"
        return f"{head}.{body}.{signature}".encode()


def _claims(issuer: str) -> Claims:
    now = int(SystemClock().now().timestamp())
    return Claims(
        iss=issuer,
        aud=f"{GATEWAY}/1",
        jti="0197d2f0-0000-7000-8000-000000000001",
        seq=1_000_000,
        iat=now,
        exp=now + 3600,
        form=Form.POINT,
        ground=Ground.OWNERS_CHOICE,
        scope=Scope(everything=True),
    )


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
