"""Options that several verbs have."""

from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_SOCKET: Final = Path("/run/portvakt/api.sock")
DEFAULT_CONFIG: Final = Path("/etc/portvakt/portvakt.toml")
DEFAULT_PUBLIC_KEY: Final = Path("/var/lib/portvakt/receipt-public.jwk")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Socket = Annotated[
    Path, typer.Option("--socket", envvar="PORTVAKT_SOCKET", help="The Unix socket of the running agent.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
