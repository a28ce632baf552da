"""Consent: what people are asked, in what words, and what of it rests on consent at all."""

from typing import Annotated

import typer

from agent.cli import output
from agent.cli.options import DEFAULT_SOCKET, Json, Socket
from agent.cli.outcome import usage

app = typer.Typer(
    no_args_is_help=True,
    help="Show what people are asked before something about them is collected. Nobody consents for another: whoever it "
    "is about signs in on the page, and gives or withdraws it there.",
)


@app.command("list", epilog="Example: portvakt consent list")
def list_kinds(socket: Socket = DEFAULT_SOCKET, *, json: Json = False) -> None:
    """List what is collected about people, on which ground, and which version of the text is asked now."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.consent.contract import ConsentView  # noqa: PLC0415

    kinds = Gateway(socket).ask("GET", "/api/consents", tuple[ConsentView, ...])
    if json:
        output.as_json(kinds)
        return
    rows: list[list[output.Cell]] = [
        [
            one.kind,
            " / ".join(one.bases),
            "nobody" if one.state == "not_asked" else "whom it concerns",
            str(one.version),
            one.en.title,
        ]
        for one in kinds
    ]
    output.as_table(["kind", "ground", "who is asked", "text", "title"], rows, empty="nothing")


@app.command("texts", epilog="Example: portvakt consent texts camera --language nb")
def texts(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="As `consent list` shows it.")],
    language: Annotated[str, typer.Option(metavar="LANGUAGE", help="nb (bokmål) or en (English).")] = "en",
    socket: Socket = DEFAULT_SOCKET,
    *,
    json: Json = False,
) -> None:
    """Print the text that people are asked to agree to, as it stands now."""
    from agent.cli.gateway import Gateway  # noqa: PLC0415 - brings aiohttp
    from agent.consent.contract import ConsentView  # noqa: PLC0415

    if language not in {"nb", "en"}:
        raise usage(f"there is no text in {language!r}", "--language is nb or en")
    kinds = {one.kind.value: one for one in Gateway(socket).ask("GET", "/api/consents", tuple[ConsentView, ...])}
    if kind not in kinds:
        raise usage(f"nothing is collected that is called {kind!r}", f"one of: {', '.join(kinds)}")
    one = kinds[kind]
    text = one.nb if language == "nb" else one.en
    if json:
        output.as_json(text)
        return
    for line in (text.title, text.what, text.why, text.how_long, text.withdraw):
        output.line(line)
