"""Where each key of a TOML file stands. Imported only when there is a problem to report: it costs memory."""

import tomllib

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from agent.config.problems import Keys

Place = tuple[int, int]
"""Line and column, from 1."""

_KEYS = frozenset({"bare_key", "quoted_key", "dotted_key"})
_VALUES = frozenset({"array", "inline_table"})


class Positions:
    """The place of every table, key and array item of a text that is TOML."""

    def __init__(self, text: str) -> None:
        self._lines = text.encode().split(b"\n")
        self._places: dict[Keys, Place] = {}
        self._lengths: dict[Keys, int] = {}
        root = Parser(Language(tree_sitter_toml.language())).parse(text.encode()).root_node
        for node in root.children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in {"table", "table_array_element"}:
                self._section(node)

    def of(self, at: Keys) -> Place:
        """The place of `at`, or of the nearest table around it that is written; else the file's beginning."""
        for end in range(len(at), 0, -1):
            if place := self._places.get(at[:end]):
                return place
        return (1, 1)

    def _section(self, node: Node) -> None:
        name = next(child for child in node.children if child.type in _KEYS)
        *parents, last = _names(name)
        at: Keys = ()
        for part in parents:
            at = self._newest((*at, part))
            self._remember(at, node)
        at = (*at, last)
        if node.type == "table_array_element":
            self._lengths[at] = self._lengths.get(at, 0) + 1
            self._remember(at, node)
            at = self._newest(at)
        self._places[at] = self._place(node)
        for child in node.children:
            if child.type == "pair":
                self._pair(child, at)

    def _newest(self, at: Keys) -> Keys:
        """In TOML, the name of an array of tables means its newest item."""
        return (*at, self._lengths[at] - 1) if at in self._lengths else at

    def _pair(self, node: Node, table: Keys) -> None:
        at = table
        for part in _names(node.children[0]):
            at = (*at, part)
            self._remember(at, node)
        self._value(node.children[-1], at)

    def _value(self, node: Node, at: Keys) -> None:
        if node.type == "inline_table":
            for pair in node.children:
                if pair.type == "pair":
                    self._pair(pair, at)
        elif node.type == "array":
            items = [child for child in node.children if child.is_named and child.type != "comment"]
            for index, item in enumerate(items):
                self._remember((*at, index), item)
                if item.type in _VALUES:
                    self._value(item, (*at, index))

    def _remember(self, at: Keys, node: Node) -> None:
        self._places.setdefault(at, self._place(node))

    def _place(self, node: Node) -> Place:
        row, column = node.start_point
        return row + 1, len(self._lines[row][:column].decode()) + 1


def _names(key: Node) -> list[str]:
    """The parts of a key; tomllib itself undoes quotes, dots and escapes."""
    names = []
    inner: object = tomllib.loads(f"{(key.text or b'').decode()} = 0")
    while isinstance(inner, dict):
        name, inner = next(iter(inner.items()))
        names.append(name)
    return names
