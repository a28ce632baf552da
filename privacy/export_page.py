"""The pages of an export that people read: HTML without a script, that asks nobody for anything."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from privacy.export_manifest import ClassLine, Manifest, Omitted, Record
from privacy.export_words import Words
from privacy.policy import Policy
from privacy.records import RecordClass, Scope

ROWS: Final = 200
"""Records of a class on a page, and pictures: a browser shows these at once."""
_EMPTY: Final[tuple[object, ...]] = (None, "", [])
_BESIDES: Final = frozenset({"at", "person", "concerns", "camera", "device", "deed", "gone", "left"})
"""Members that stand in another column, or say nothing to people; they are in the JSON."""
_POLICY: Final = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"
_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{text-align:left;"
    "vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc;overflow-wrap:break-word}"
    "dl{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:0 .8rem}dt{color:#555}"
    "dd{margin:0;overflow-wrap:anywhere}"
    ".pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}figure{margin:0}"
    "img{width:100%;height:auto;background:#eee}figcaption{font-size:.85rem;color:#555}"
)


class Pages:
    """Makes them of what the manifest says, the newest records of each class, and the pictures' lines."""

    def __init__(self, words: Words, language: str, policies: Mapping[RecordClass, Policy]) -> None:
        self._words = words
        self._language = language
        self._policies = policies

    def index(
        self, manifest: Manifest, newest: Mapping[RecordClass, Sequence[Record]], pictures: Sequence[Record], total: int
    ) -> Iterator[str]:
        """`index.html`, in pieces, with the first of `total` pages of pictures."""
        words = self._words
        yield from self._head(words.title)
        yield f"<h1>{_e(words.title)}</h1><p>{_e(words.intro)}</p>"
        yield self._facts(manifest)
        yield f"<h2>{_e(words.contents)}</h2>"
        yield self._overview(manifest.classes)
        for line in manifest.classes:
            class_ = line.kept.record_class
            if class_ is RecordClass.SNAPSHOT and pictures:
                yield f'<h2 id="{class_}">{_e(words.pictures)}</h2>'
                yield from self._figures(pictures)
                pages = range(1, total)
                links = (f'<li><a href="{picture_page(n)}">{_e(self._numbered(n, total))}</a></li>' for n in pages)
                yield f"<ul>{''.join(links)}</ul>" * bool(pages)
            elif records := newest.get(class_):
                yield from self._records(line, records)
        yield f"<h2>{_e(words.not_here)}</h2><ul>"
        yield "".join(f"<li>{_e(words.not_here_why[each.what])}</li>" for each in manifest.not_here)
        yield f"</ul><h2>{_e(words.rights)}</h2><p>{_e(words.rights_text)}</p></main></body></html>\n"

    def pictures(self, records: Sequence[Record], number: int, total: int) -> Iterator[str]:
        """Page `number`, from 0, of `total` pages of pictures, in pieces."""
        title = f"{self._words.pictures}, {self._numbered(number, total)}"
        yield from self._head(title)
        yield f'<p><a href="index.html">{_e(self._words.title)}</a></p><h1>{_e(title)}</h1>'
        yield from self._figures(records)
        yield "</main></body></html>\n"

    def _figures(self, records: Iterable[Record]) -> Iterator[str]:
        yield '<div class="pictures">\n'
        for record in records:
            alt = self._words.picture.format(camera=record.camera or "", at=_at(record.at))
            caption = f"{_at(record.at)} {record.camera or ''}{self._besides(record)}"
            yield (
                f'<figure><img src="{_e(record.file or "")}" alt="{_e(alt)}" loading="lazy">'
                f"<figcaption>{_e(caption)}</figcaption></figure>\n"
            )
        yield "</div>"

    def _head(self, title: str) -> Iterator[str]:
        yield (
            f'<!DOCTYPE html>\n<html lang="{self._language}"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{_e(title)}</title>'
            f"<style>{_STYLE}</style></head><body><main>\n"
        )

    def _facts(self, manifest: Manifest) -> str:
        words = self._words
        facts = {
            words.gateway: manifest.gateway,
            words.asked: _at(manifest.asked),
            words.made: _at(manifest.made),
            words.deadline: _at(manifest.legal_deadline),
        }
        if narrowed := self._narrowed(manifest.scope):
            facts[words.scope] = narrowed
        return _list(facts.items())

    def _narrowed(self, scope: Scope) -> str:
        times = [_at(scope.start) if scope.start else "", _at(scope.end) if scope.end else ""]
        parts = [*(self._words.classes[class_] for class_ in scope.classes), *scope.cameras, *scope.devices]
        return ", ".join([*parts, *([" \N{EN DASH} ".join(times)] if any(times) else [])])

    def _overview(self, lines: Iterable[ClassLine]) -> str:
        words = self._words
        heads = (words.kind, words.purpose, words.basis, words.limit, words.count, words.omitted, words.file)
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in self._overviewed(line))}</tr>\n" for line in lines)
        return f"<table><thead><tr>{_heads(heads)}</tr></thead><tbody>{rows}</tbody></table>"

    def _overviewed(self, line: ClassLine) -> Iterator[str]:
        words, class_ = self._words, line.kept.record_class
        policy = self._policies[class_]
        name = _e(words.classes[class_])
        yield f'<a href="#{class_}">{name}</a>' if line.count else name
        yield _e(words.purposes[class_])
        yield _e(", ".join(words.bases[basis] for basis in policy.bases))
        yield "<br>".join(_e(words.limit_in_words(limit)) for limit in policy.limits)
        yield f"{line.count}" + (f" ({line.undated} {_e(words.undated)})" if line.undated else "")
        yield self._left_out(line.omitted)
        yield f'<a href="{_e(line.file)}">{_e(line.file)}</a>' if line.file else _e(words.none)

    def _left_out(self, omitted: Omitted) -> str:
        words = self._words
        each = ((omitted.held, words.held), (omitted.ordered, words.ordered), (omitted.unshown, words.unshown))
        return "<br>".join(f"{count}: {_e(why)}" for count, why in each if count) or "0"

    def _records(self, line: ClassLine, records: Sequence[Record]) -> Iterator[str]:
        words, class_ = self._words, line.kept.record_class
        yield f'<h2 id="{class_}">{_e(words.classes[class_])}</h2>'
        if line.count > len(records):
            yield f"<p>{_e(words.newest.format(count=len(records), total=line.count, file=line.file))}</p>"
        yield f"<table><thead><tr>{_heads((words.time, words.place, words.what))}</tr></thead><tbody>\n"
        for record in records:
            place = record.camera or record.device or ""
            yield f"<tr><td>{_e(_at(record.at))}</td><td>{_e(place)}{_e(self._besides(record))}</td>"
            yield f"<td>{self._shown(record.data)}</td></tr>\n"
        yield "</tbody></table>"

    def _besides(self, record: Record) -> str:
        return f" (+{record.others} {self._words.others})" if record.others else ""

    def _shown(self, data: Any) -> str:  # noqa: ANN401 - any JSON
        if isinstance(data, dict):
            said = ((name, value) for name, value in data.items() if name not in _BESIDES and value not in _EMPTY)
            return _list((self._member(name), self._value(value)) for name, value in said)
        return _e(self._value(data))

    def _value(self, value: Any) -> str:  # noqa: ANN401 - same
        match value:
            case bool():
                return self._words.yes if value else self._words.no
            case list():
                return ", ".join(self._value(each) for each in value if each not in _EMPTY)
            case dict():
                inside = ((name, each) for name, each in value.items() if each not in _EMPTY)
                return "; ".join(f"{self._member(name)}: {self._value(each)}" for name, each in inside)
            case _:
                return str(value)

    def _member(self, name: str) -> str:
        return self._words.members.get(name, name.replace("_", " "))

    def _numbered(self, number: int, total: int) -> str:
        return self._words.page.format(number=number + 1, total=total)


def picture_page(number: int) -> str:
    """The path of page `number`, from 0."""
    return f"pictures-{number + 1}.html"


def _list(facts: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{_e(name)}</dt><dd>{_e(value)}</dd>' for name, value in facts)}</dl>"


def _heads(names: Iterable[str]) -> str:
    return "".join(f'<th scope="col">{_e(name)}</th>' for name in names)


def _at(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "?"


def _e(text: str) -> str:
    return escape(text, quote=True)
