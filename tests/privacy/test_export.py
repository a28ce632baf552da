"""An archive as a stream, of stores that exist only in memory: what it costs, and what it cannot read."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.export import CHUNK, Archive, Source
from privacy.export_others import Others, Someone
from privacy.export_scope import ContentsSoFar
from privacy.export_words import words_of
from privacy.policy import Event, policies
from privacy.records import Item, RecordClass, Scope
from privacy.sealed_folder import nothing_held
from privacy.store import Barrier

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OF_KARI = Scope(subjects=("kari",))
OTHERS = (
    Someone("ola", "resident", ("Ola Nordmann",), ("ola@x.example", "+4741414141")),
    Someone("p00000000000000b2", "resident", ("Liv Østby",)),
    Someone("nina", "guest"),
)
KARI = Someone("kari", "owner", ("Kari Nordmann",), ("kari@x.example",))


class MemoryStore:
    """Of as many records as are asked for, each made when it is looked at."""

    def __init__(self, record_class: RecordClass, *payloads: bytes, count: int | None = None) -> None:
        self.name, self.classes = "memory", frozenset({record_class})
        self._class, self._payloads, self._count = record_class, payloads, count or len(payloads)

    def _item(self, number: int) -> Item:
        return Item(f"{number}", self._class, NOON, camera="front", subjects=frozenset({"kari"}))

    def find(self, scope: Scope, before: datetime) -> Iterator[Item]:
        return (self._item(number) for number in range(self._count))

    def export(self, scope: Scope) -> Iterator[tuple[Item, bytes]]:
        return ((self._item(n), self._payloads[n % len(self._payloads)]) for n in range(self._count))


def archive(*stores: Any) -> Archive:
    source = Source(
        stores=lambda: stores,
        policies=policies(),
        barrier=Barrier(),
        held=nothing_held,
        others=lambda _scope: Others([KARI], OTHERS),
        gateway="gw-1",
        software="0",
    )
    return Archive(source, OF_KARI, "nb", NOON, NOON)


def test_memory_does_not_grow_with_what_is_in_the_files() -> None:
    count, picture = 3000, bytes(range(256)) * 100
    tracemalloc.start()
    made, longest = 0, 0
    for chunk in archive(MemoryStore(RecordClass.SNAPSHOT, picture, count=count)).chunks():
        made += len(chunk)
        longest = max(longest, len(chunk))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made > count * len(picture)
    # The directory, and the lines that it has of each file, come at the end.
    assert longest < CHUNK + 300 * count
    assert peak < 4_000_000 + 2000 * count, f"{peak / count:.0f} bytes a picture, for {made / count:.0f}"


def test_what_is_no_json_is_a_line_or_is_not_shown() -> None:
    log = MemoryStore(
        RecordClass.OP_LOG, b"event=tag by=<person:3f>", b"\xc1\xff", b"\x00binary", b"{}", b'{"a": 1}', b"[2]"
    )
    files = zipfile.ZipFile(io.BytesIO(b"".join(archive(log).chunks())))
    records = json.loads(files.read("op_log.json"))["records"]
    assert [record["data"] for record in records] == [{"line": "event=tag by=<person:3f>"}, {"a": 1}, [2]]
    [line] = json.loads(files.read("manifest.json"))["classes"]
    assert (line["count"], line["omitted"]["unshown"]) == (3, 3)
    assert b"event=tag by=&lt;person:3f&gt;" in files.read("index.html")


def test_a_class_that_is_a_secret_is_not_exported() -> None:
    logins = MemoryStore(RecordClass.CAMERA_LOGIN, b'{"password": "hush"}')
    files = zipfile.ZipFile(io.BytesIO(b"".join(archive(logins).chunks())))
    assert "camera_login.json" not in files.namelist()
    assert json.loads(files.read("manifest.json"))["classes"] == []


class TestOthers:
    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            ("ola", "other-resident-1"),
            ("OLA NORDMANN ringte", "other-resident-1 ringte"),
            ("Olas lampe, Ola's lamp", "other-resident-1 lampe, other-resident-1 lamp"),
            ("Solar, Olaf, parabola", "Solar, Olaf, parabola"),
            ("Kari Nordmann", "Kari Nordmann"),
            ("41414141 eller +4741414141", "other-resident-1 eller other-resident-1"),
            ("kari/ola@x.example", "kari/other-resident-1"),
            ("p00000000000000b2.7", "other-resident-2.7"),
            ("Østby", "other-resident-2"),
            ("p0123456789abcdef", "other-person"),
            ("nina", "other-guest-1"),
        ],
    )
    def test_who_it_was_is_not_said(self, said: str, shown: str) -> None:
        others = Others([KARI], OTHERS)
        assert others.hidden(said) == shown
        assert others.hidden({"by": [said, 1, None]}) == {"by": [shown, 1, None]}

    def test_members_are_words_of_ours_unless_they_are_ids(self) -> None:
        others = Others([KARI], [Someone("x1", "guest", ("Data Line",))])
        assert others.hidden({"data": "line", "x1": 2, "secret": 3}) == {"data": "other-guest-1", "other-guest-1": 2}

    def test_whom_a_record_concerns_is_hidden_though_nobody_knows_them(self) -> None:
        others = Others([KARI], OTHERS)
        assert others.hidden("a-visitor") == "a-visitor"
        assert others.learn(["kari", "ola", "a-visitor"]) == 2
        assert others.hidden({"a-visitor": "a-visitor"}) == {"other-person": "other-person"}

    def test_ones_own_id_stays_though_it_looks_like_any(self) -> None:
        others = Others([Someone("p0123456789abcdef", "owner")], OTHERS)
        assert others.hidden("p0123456789abcdef") == "p0123456789abcdef"

    @given(
        st.recursive(
            st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
        )
    )
    def test_whatever_it_is_no_other_word_is_left(self, value: Any) -> None:
        words = [word for person in OTHERS for word in person.words() - KARI.words()]
        shown = Others([KARI], OTHERS).hidden([value, *words])
        assert shown[1:] == [each for each in shown[1:] if each.startswith("other-")]


class TestContents:
    def test_what_an_order_may_reach(self) -> None:
        so_far = ContentsSoFar()
        so_far.add(Item("1", RecordClass.SNAPSHOT, NOON, camera="front", subjects=frozenset({"kari", "ola"})))
        so_far.add(Item("2", RecordClass.SNAPSHOT, NOON + timedelta(hours=1), camera="hall"))
        so_far.add(Item("3", RecordClass.OP_LOG, None, device="lamp"))
        log, pictures = so_far.all()
        later = NOON + timedelta(hours=2)
        for scope, of_pictures, of_log in (
            (Scope(), False, False),
            (Scope(everything=True), True, True),
            (Scope(cameras=("hall", "x")), True, False),
            (Scope(devices=("lamp",)), False, True),
            (Scope(subjects=("ola",)), True, False),
            (Scope(classes=(RecordClass.OP_LOG,)), False, True),
            (Scope(end=NOON), False, True),
            (Scope(start=NOON + timedelta(hours=1)), True, True),
            (Scope(start=later), False, True),
        ):
            assert (pictures.reached(scope, later), log.reached(scope, later)) == (of_pictures, of_log), scope
        assert not pictures.reached(Scope(everything=True), NOON)
        assert log.reached(Scope(everything=True), NOON)


@pytest.mark.parametrize("language", ["nb", "en"])
def test_both_languages_have_words_for_everything(language: Any) -> None:
    words = words_of(language)
    assert words.classes.keys() == words.purposes.keys() == set(RecordClass)
    assert words.events.keys() == set(Event)
    for policy in policies().values():
        assert all(words.bases[basis] for basis in policy.bases)
        for limit in policy.limits:
            assert "{" not in words.limit_in_words(limit)
    assert words.members.keys() == words_of("nb").members.keys()
    assert words.not_here_why.keys() == {"secrets", "others", "earlier_exports", "orders_and_receipts"}


def test_the_english_purposes_are_the_policys() -> None:
    assert words_of("en").purposes == {class_: policy.purpose for class_, policy in policies().items()}
