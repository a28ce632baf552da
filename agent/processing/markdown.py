"""The record of processing activities for people: Markdown, which is plain on a terminal and pretty in a browser."""

from collections.abc import Iterator, Sequence
from typing import Final

from agent.processing.contract import ProcessingRow, Recipient, RecordOfProcessing

_SPECIAL: Final = str.maketrans({letter: f"\\{letter}" for letter in "\\`*[]<>|#"})


def markdown(record: RecordOfProcessing) -> str:
    """The whole document."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: RecordOfProcessing) -> Iterator[str]:
    yield "# Record of processing activities (GDPR, article 30)"
    yield ""
    who = record.controller
    said = f"{who.name}, {who.contact}" if who else "not said: the configuration has no section controller"
    yield f"- Controller: {_text(said)}"
    yield f"- Gateway: {_text(f'{record.gateway}, Portvakt {record.version}, for {_listed(record.systems)}')}"
    yield f"- Root of the keys: {_text(record.tier)}"
    yield f"- As of {record.at.isoformat(timespec='seconds')}, from the running policy and configuration"
    if record.disclosed:
        to = ", ".join(f"{one.receiver} {one.count}" for one in record.disclosed)
        yield f"- Disclosed to authorities: {_text(to)} (`portvakt disclosures list`)"
    for row in record.rows:
        yield ""
        yield from _section(row)


def _section(row: ProcessingRow) -> Iterator[str]:
    yield f"## {_text(row.record_class)}"
    yield ""
    yield f"- Purpose: {_text(row.purpose)}"
    yield f"- Basis: {_joined(row.basis)}"
    yield f"- About: {_joined(row.people)}"
    yield f"- Data: {_joined(row.data)}"
    yield f"- Recipients: {_joined([_recipient(one) for one in row.recipients]) if row.recipients else 'nobody'}"
    yield f"- Transfers to third countries: {_joined(row.transfers) if row.transfers else _transfers(row)}"
    yield f"- Kept: {_text(row.limit)}"
    yield f"- Safeguards: {_joined(row.safeguards)}"
    if row.rights:
        yield f"- Ruled by the table of rights: {_joined(row.rights)}"
    oldest = f", the oldest from {row.oldest.isoformat(timespec='seconds')}" if row.oldest else ""
    yield f"- Kept now: {row.count}{oldest}"


def _transfers(row: ProcessingRow) -> str:
    """Where the backend stands, this gateway cannot know."""
    unknown = [one.name for one in row.recipients if not one.country]
    return f"not known here: ask {_joined(unknown)}" if unknown else "none"


def _recipient(one: Recipient) -> str:
    return f"{one.name} ({_listed([word for word in (one.what, one.country) if word])})"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _joined(words: Sequence[str]) -> str:
    return _text("; ".join(words))


def _text(text: str) -> str:
    """`text` on one line, where nothing of it is markup: a company may be called anything."""
    return " ".join(text.split()).translate(_SPECIAL)
