"""The page that hands the gateway's certificate to a phone: plain HTTP, for ten minutes, under a path nobody can guess.

It cannot prove that it is ours, because the phone has nothing yet to prove it by. So the person compares what their
phone shows with what the gateway showed where they asked for this, and the page says so.
"""

import base64
import hashlib
import plistlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

_PAGE: Final = Path(__file__).with_name("trust.html")
_STYLE: Final = Path(__file__).with_name("trust.css")
CERTIFICATE: Final = "gateway.crt"
PROFILE: Final = "gateway.mobileconfig"


def application(path: str, *, host: str, url: str, certificate: bytes, fingerprint: str) -> web.Application:
    """Serve the page at `/<path>/`, and beside it the certificate, twice; and nothing at all anywhere else."""
    style = _STYLE.read_text("utf-8")
    said = {
        name: escape(text)
        for name, text in {"host": host, "url": url, "fingerprint": fingerprint.replace(":", " ")}.items()
    }
    page = Template(_PAGE.read_text("utf-8")).substitute(said, style=style)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        hdrs.CACHE_CONTROL: "no-store",
    }
    app = web.Application(client_max_size=0)
    kinds = {
        "": ("text/html; charset=utf-8", page.encode()),
        CERTIFICATE: ("application/x-x509-ca-cert", certificate),
        PROFILE: ("application/x-apple-aspen-config", profile(host, certificate)),
    }
    for name, (kind, body) in kinds.items():
        app.router.add_get(f"/{path}/{name}", _fixed(body, {**headers, hdrs.CONTENT_TYPE: kind}))
    return app


def _fixed(body: bytes, headers: Mapping[str, str]) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    return answer


def profile(host: str, certificate: bytes) -> bytes:
    """An Apple configuration profile that installs `certificate` (Apple, "Configuration Profile Reference").

    Its ids follow from the certificate, so that installing it twice leaves one. Unsigned: a signature would have to
    come from somebody whom the phone trusts already.
    """
    inner, outer = (str(uuid5(NAMESPACE_OID, f"{kind}:{certificate.hex()}")).upper() for kind in ("root", "profile"))
    root = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"portvakt.{host}.root",
        "PayloadUUID": inner,
        "PayloadDisplayName": f"Portvakt {host}",
        "PayloadCertificateFileName": CERTIFICATE,
        "PayloadContent": certificate,
    }
    return plistlib.dumps({
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"portvakt.{host}",
        "PayloadUUID": outer,
        "PayloadDisplayName": f"Portvakt {host}",
        "PayloadDescription": f"Has this device trust {host}, and no other address.",
        "PayloadContent": [root],
    })  # fmt: skip
