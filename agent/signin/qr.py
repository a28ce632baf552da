"""A text as a QR code (ISO/IEC 18004), for a page or a terminal."""

import io


def svg(text: str) -> str:
    """As an SVG document."""
    import segno  # noqa: PLC0415 - only who makes a link or sets up a second factor needs it

    out = io.BytesIO()
    segno.make(text, micro=False).save(out, kind="svg", scale=4, omitsize=True, svgclass=None, lineclass=None)
    return out.getvalue().decode()


def blocks(text: str) -> str:
    """In half blocks, two rows a line; white on what is most often a dark terminal, with the quiet zone."""
    import segno  # noqa: PLC0415 - as above

    out = io.StringIO()
    segno.make(text, micro=False).terminal(out, compact=True)
    return out.getvalue()
