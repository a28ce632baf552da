"""What is wrong with a state directory, and with what a house had said: read by a program that is not ours.

Everything goes by `tests/privacy/format_reader.py`, which was written from the page on the format alone, and by the raw
bytes. Each function returns one line for each thing that is wrong.
"""

import runpy
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from privacy.audit import verify_log
from privacy.errors import ReceiptInvalid
from tests.crash import life

STATE: Any = runpy.run_path(str(Path(__file__).parents[1] / "privacy" / "format_reader.py"))["State"]
START_AGAIN = 75
MOST_LINES = 4
"""That one start may write to stderr."""
STORES = {"picture": "snapshots", "entry": "operation_log", "line": "spool", "device": "device_register"}
"""By the second word of a text."""
RECORDS = frozenset({"snapshots", "operation-log", "spool", "device-register", "tags", "holds"})
FILES = frozenset(
    {
        *("root.key", "root.key.check", "receipt.jwk", "receipt-public.jwk", "local-issuer.jwk", "journal", "lock"),
        *("keys/slots", "keys/table.a", "keys/table.b", "spool/state", "vault/index"),
        *(f"activity/hashes-{level}" for level in range(4)),
    }
)
EMPTY = (
    *("activity", "consents", "credentials", "disclosures", "exports", "grants", "holds", "person_register"),
    *("support_cases", "web_sessions"),
)
"""Stores in which this house keeps nothing."""


def words(told: Sequence[list[Any]], about: str) -> list[list[Any]]:
    """What was said about something."""
    return [rest for first, *rest in told if first == about]


def as_asked(answer: dict[str, Any]) -> list[str]:
    """A kill kills, and a fault ends in our own error; neither shows a traceback."""
    problems = [answer["errors"]] if "Traceback" in answer["errors"] else []
    if answer["ended"] not in {0, -signal.SIGKILL, START_AGAIN}:
        problems.append(f"it ended with {answer['ended']}")
    if answer["ended"] == START_AGAIN and len(words(answer["told"], "broken")) != 1:
        problems.append("it ended without one clear line")
    return problems


def started(answer: dict[str, Any]) -> list[str]:
    """A start after a cut comes to its end, and says little."""
    if answer["ended"] != 0:
        return [f"the start ended with {answer['ended']}: {answer['told'][-2:]} {answer['errors']}"]
    lines = answer["errors"].splitlines()
    if "Traceback" in answer["errors"] or len(lines) > MOST_LINES or any(line.startswith("ERROR") for line in lines):
        return [f"the start says too much: {answer['errors']}"]
    return []


def cut_short(state: Path, planted: Sequence[list[Any]], told: Sequence[list[Any]]) -> list[str]:
    """What must hold at any moment, also before anything recovers; `planted` is what was said before this life."""
    journal = STATE(state).journal()
    kinds = {line["type"] for line in journal}
    now, ever = readable(state), readable(state, every=True)
    problems = _lost(now, told)
    if not kinds & {"intent", "closed"}:
        if ["acknowledged"] in told:
            problems.append("an order was acknowledged and is not in the journal")
        problems += [f"{text} is gone, and nobody ordered it" for text in life.INSIDE - now.keys()]
    if "receipt" in kinds:
        problems += [f"there is a receipt, and {text} can be read" for text in ever if text.startswith("INSIDE")]
        problems += ["there is a receipt, and an old slot's secret can be found"] * _found_secrets(state, planted)
    problems += _went_back(state, told)
    return problems


def expected(state: Path) -> dict[str, int]:
    """What the receipts of the order have to say was found, as things stand: all that is readable and in scope.

    Once the order is in the journal, what a change of keys took counts as well.
    """
    journal = STATE(state).journal()
    texts = {text for text in readable(state) if text.startswith("INSIDE")}
    if any(line["type"] in {"intent", "closed"} for line in journal):
        texts = {*life.INSIDE, life.LIVE_INSIDE}
    return {**dict.fromkeys(EMPTY, 0), **dict(Counter(STORES[text.split()[1]] for text in texts))}


def recovered(state: Path, told: Sequence[list[Any]], found: dict[str, int]) -> list[str]:
    """What must hold once a house has started again and finished; `told` is all that was ever said."""
    if not words(told, "receipts once more"):
        return [f"the order is not carried out: {words(told, 'broken')[-1:]}"]
    now, ever = readable(state), readable(state, every=True)
    shown = " ".join({name: exported for name, _, exported in words(told, "store")}.values())
    problems = _lost(now, told) + _held(now, told)
    problems += [f"{text} can be read still" for text in ever if text.startswith(("INSIDE", "EXPIRED"))]
    problems += [f"{text} is there {count} times" for text, count in now.items() if count != 1]
    problems += [f"{text} is on the disk and is not shown" for text in now if text not in shown and "HELD" not in text]
    problems += [
        f"{name} still shows what was erased" for name, n, all_ in words(told, "store") if n or "INSIDE" in all_
    ]
    if "EXPIRED" in shown:
        problems.append("what is past its limit is shown")
    if words(told, "tagged")[-1] != [["OUTSIDE picture 0"]]:
        problems.append(f"tagged are {words(told, 'tagged')[-1]}")
    if ["uploaded"] in told and life.UPLOADED in now:
        problems.append(f"{life.UPLOADED} was uploaded and is back")
    return [
        *problems,
        *receipts(state, told, found),
        *batches(told),
        *unfinished(state),
        *orphans(state),
        *old_secrets(state, told),
        *_went_back(state, told),
    ]


def cut_short_for_persons(state: Path) -> list[str]:
    """What must hold at any moment of the order about persons."""
    journal = STATE(state).journal()
    kinds = {line["type"] for line in journal}
    now, ever = readable(state), readable(state, every=True)
    problems = [f"{text} is gone, and it is nobody's" for text in _others() - now.keys()]
    if life.THEIRS - now.keys() and not kinds & {"dying", "closed"}:
        problems.append("somebody's pictures died, and nobody noted which")
    issued = {line["kind"] for line in journal if line["type"] == "receipt"}
    for kind in issued:
        problems += [f"it is {kind}, and {text} can be read" for text in life.THEIRS & ever.keys()]
    return problems


def recovered_for_persons(state: Path, told: Sequence[list[Any]]) -> list[str]:
    """What must hold once that order is finished; both receipts are those of a life that nothing befell."""
    if not words(told, "receipts"):
        return [f"the order is not carried out: {words(told, 'broken')[-1:]}"]
    ever = readable(state, every=True)
    problems = [f"{text} can be read still" for text in life.THEIRS & ever.keys()]
    problems += [f"{text} is lost" for text in _others() - readable(state).keys()]
    ((jws, public_jwk),) = words(told, "receipts")[-1:]
    erased, verified = verify_log(jws, public_jwk)
    said = [{line.store: (line.found, line.left, line.by) for line in one.stores} for one in (erased, verified)]
    for pictures, by in zip((one["snapshots"] for one in said), (life.BY, {}), strict=True):
        if pictures != (len(life.THEIRS), 0, by):
            problems.append(f"a receipt says {pictures}, not {len(life.THEIRS)} by {by}")
    lines = Counter(line["type"] for line in STATE(state).journal())
    if lines["closed"] != 1 or lines["intent"] or lines["found"] or lines["dying"]:
        problems.append(f"the order is not closed: {lines}")
    return problems


def _others() -> set[str]:
    pictures = {text for _, _, text in life.PICTURES}
    return pictures - life.THEIRS


def readable(state: Path, *, every: bool = False) -> Counter[str]:
    """Everything that the page on the format lets one read; `every`: also by a slot or a table that counts no more."""
    read = STATE(state, every=every)
    return Counter(
        [
            *(image.decode() for _, _, image in read.snapshots()),
            *(entry["fields"]["text"] for entry in read.operation_log()),
            *(line for _, line in read.spool()),
            *(device["record"]["devices"][0]["name"] for device in read.devices()),
        ]
    )


def receipts(state: Path, told: Sequence[list[Any]], found: dict[str, int]) -> list[str]:
    """Two of them, in a log that verifies, complete, with what was found, and the same for ever."""
    ((jws, public_jwk),) = words(told, "receipts")[-1:]
    try:
        verified = verify_log(jws, public_jwk)
    except ReceiptInvalid as error:
        return [f"the log of receipts does not verify: {error}"]
    problems = []
    if [receipt.kind for receipt in verified] != ["erased", "verified"]:
        problems.append(f"the receipts are {[receipt.kind for receipt in verified]}")
    for receipt in verified:
        said = {line.store: line.found for line in receipt.stores}
        if said != found or any(line.erased != line.found for line in receipt.stores) or not receipt.complete:
            problems.append(f"the {receipt.kind} receipt says {said}, not {found}")
    journal = STATE(state).journal()
    if [line["jws"] for line in journal if line["type"] == "receipt"] != jws:
        problems.append("the journal holds other receipts")
    if [True] not in words(told, "receipts once more")[-1:]:
        problems.append("the order came once more, and got other receipts")
    lines = Counter(line["type"] for line in journal)
    if lines["closed"] != 1 or lines["intent"] or lines["found"]:
        problems.append(f"the order is not closed: {lines}")
    if ["receipt acknowledged"] in told and "erased" not in words(told, "receipts acknowledged")[-1][0]:
        problems.append("an acknowledged receipt will be sent again")
    return problems


def batches(told: Sequence[list[Any]]) -> list[str]:
    """The id of a batch never comes to mean other lines, and what was acknowledged never goes out again."""
    lines: dict[str, list[str]] = {}
    problems = [
        f"batch {id_} had other lines before"
        for id_, texts in words(told, "batch")
        if lines.setdefault(id_, texts) != texts
    ]
    if ["uploaded"] in told:
        after = told[list(told).index(["uploaded"]) :]
        problems += [f"{life.UPLOADED} went out again" for _, texts in words(after, "batch") if life.UPLOADED in texts]
    return problems


def unfinished(state: Path) -> list[str]:
    """Files that were to be renamed."""
    return [f"{path.relative_to(state)} is left" for path in state.rglob("*.new")]


def orphans(state: Path) -> list[str]:
    """Files that no key opens, and what nobody knows."""
    read = STATE(state)
    folders = {"device-register": "devices"}
    named = set(FILES)
    for entry in read.entries:
        if entry.kind == "snapshots":
            named.add(f"vault/segments/{entry.id.hex()}")
            if page := entry.info[4]:
                named.add(f"vault/pages/{page[0].hex()}")
        elif entry.kind in RECORDS:
            named.add(f"{folders.get(entry.kind, entry.kind)}/{entry.id.hex()}.log")
    there = {str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()}
    return [f"{name} is an orphan" for name in there - named]


def old_secrets(state: Path, told: Sequence[list[Any]]) -> list[str]:
    """Of all secrets that were ever drawn for a slot, one is on the disk: the newest."""
    alive = _found_secrets(state, told)
    return [] if alive == 1 else [f"{alive} secrets of root slots can be found on the disk"]


def _found_secrets(state: Path, told: Sequence[list[Any]]) -> int:
    """Of how many secrets that were drawn a part lies anywhere in the state directory."""
    image = b"\0".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    return sum(any(bytes.fromhex(page) in image for page in pages) for (pages,) in words(told, "secret"))


def _went_back(state: Path, told: Sequence[list[Any]]) -> list[str]:
    said = max((generation for (generation,) in words(told, "generation")), default=1)
    generation = (STATE(state).generations or [0])[0]
    return [f"it was at generation {said}, and is at {generation}"] if generation < said else []


def _lost(texts: Counter[str], told: Sequence[list[Any]]) -> list[str]:
    kept = {text for (text,) in words(told, "kept")}
    lost = (life.OUTSIDE | kept) - texts.keys()
    if ["uploading"] in told:
        lost -= {life.UPLOADED}
    return [f"{text} is lost" for text in sorted(lost)]


def _held(texts: Counter[str], told: Sequence[list[Any]]) -> list[str]:
    if ["released"] in told:
        return ["a hold was released, and what it held is there"] if "HELD picture" in texts else []
    if ["releasing"] not in told and "HELD picture" not in texts:
        return ["what is held is lost"]
    return []
