"""What the decoder lets pass: keys that mean nothing, and control characters in texts."""

import difflib
import re
from collections.abc import Iterator

from agent.config.problems import Finding, Keys
from agent.config.schema import Schema, resolve

_SECRET = re.compile(r"passw|^pass$|pwd|secret|token|psk|^pin$|private_?key|api_?key", re.IGNORECASE)
SECRET_RIGHT = "secrets never stand in this file: give a file that only the service can read, or a systemd credential"  # noqa: S105 - a sentence


def findings(value: object, node: Schema, root: Schema, at: Keys = ()) -> Iterator[Finding]:
    """Every unknown key of `value`, a table or array whose schema is `node`, with the key that may be meant."""
    node = resolve(node, root)
    if isinstance(value, str) and not value.isprintable():
        yield Finding(at, "holds a control character", "take it out")
    elif isinstance(value, list):
        items = node.get("items")
        for index, item in enumerate(value):
            yield from findings(item, items if isinstance(items, dict) else {}, root, (*at, index))
    elif isinstance(value, dict):
        known = node.get("properties")
        known = known if isinstance(known, dict) else None
        for key, inner in value.items():
            if known is None or key in known:
                yield from findings(inner, known[key] if known else {}, root, (*at, key))
            else:
                yield _unknown(key, list(known), at)


def _unknown(key: str, known: list[str], at: Keys) -> Finding:
    if _SECRET.search(key):
        return Finding((*at, key), "a secret in the configuration", SECRET_RIGHT)
    meant = difflib.get_close_matches(key, known, n=1)
    right = f"did you mean {meant[0]}?" if meant else f"known here: {', '.join(known)}"
    return Finding((*at, key), "is not a key that means anything", right)
