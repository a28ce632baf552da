"""A person's own copy: all that is kept of them, and nothing of anybody else."""

import hashlib
import io
import zipfile
from typing import Any

import html5lib
import jsonschema
import msgspec
import pytest

from privacy.export import Archive, ExportStopped
from privacy.export_manifest import Manifest, RecordsFile
from privacy.export_words import words_of
from privacy.hold import Actor, Reason, Role
from privacy.records import RecordClass, Scope
from tests.agent.subject_rights.subject_house import ANNA, KARI, OLA, OLAS_WORDS, SECRETS, SubjectHouse, jpeg, unzipped

OF_KARI = Scope(subjects=(KARI,))


def manifest_of(files: dict[str, bytes]) -> Manifest:
    return msgspec.json.decode(files["manifest.json"], type=Manifest)


def records_of(files: dict[str, bytes], record_class: str) -> RecordsFile:
    return msgspec.json.decode(files[f"{record_class}.json"], type=RecordsFile)


async def test_all_that_the_stores_hold_of_somebody_is_in_it(house: SubjectHouse) -> None:
    held: dict[tuple[str, str], Any] = {}

    def look() -> None:
        for store in house.storage.stores:
            for item, payload in store.export(OF_KARI):
                if store is house.storage.vault:
                    held[item.record_class, item.id] = payload
                else:
                    held[store.name, item.id] = msgspec.json.decode(payload)

    await house.disk.run(look)
    _, data = await house.exported()
    files = unzipped(data)
    found = {}
    for name in files:
        if name.endswith(".json") and "/" not in name and name != "manifest.json":
            record_class = name.removesuffix(".json")
            for record in records_of(files, record_class).records:
                key = (record_class, record.id) if record.file else (record.store, record.id)
                found[key] = files[record.file] if record.file else record.data
    pictures = {key for key in held if key[0] == RecordClass.SNAPSHOT}
    assert sorted(held[key] for key in pictures) == sorted(map(jpeg, (10, 20, 30, 60)))
    unlike = {key for key in held if found.get(key) != held[key]}
    # What concerns Ola as well is in it without him.
    assert unlike == {
        ("grants", f"{OLA}.0"),
        ("operation_log", "0000000001.0"),
        ("operation_log", "0000000001.1"),
        ("activity", f"{KARI}/0000000000000001.1"),
    }
    assert len(found) == len(held)
    assert {name for name, _ in held} >= {"person_register", "credentials", "grants", "consents", "web_sessions"}


async def test_another_persons_values_and_secrets_appear_nowhere_in_it(house: SubjectHouse) -> None:
    _, data = await house.exported()
    for name, content in unzipped(data).items():
        if name.endswith(".jpg"):
            assert content not in {jpeg(40), jpeg(50)}
            continue
        for word in (*OLAS_WORDS, "Anna", ANNA, *SECRETS, "secret-deed", "ZGRkZGRk"):
            assert word not in name
            assert word.lower() not in content.decode().lower(), (word, name)
        assert "Nordmann" in content.decode() or name not in {"person.json", "index.html"}
    said = records_of(unzipped(data), "op_log").records
    assert [record.data["fields"].get("actor") for record in said] == ["other-resident-1", KARI]
    assert said[1].data["fields"]["name"] == "other-resident-1 lampe"
    assert [record.others for record in said] == [1, 0]


async def test_the_manifest_says_what_is_in_it_and_why(house: SubjectHouse) -> None:
    view, data = await house.exported()
    files = unzipped(data)
    manifest = manifest_of(files)
    assert {line.path for line in manifest.files} == files.keys() - {"manifest.json"}
    for line in manifest.files:
        assert (len(files[line.path]), hashlib.sha256(files[line.path]).hexdigest()) == (line.size, line.sha256)
    assert (manifest.gateway, manifest.scope, manifest.language) == ("gw-1", OF_KARI, "nb")
    assert (view.size, view.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert view.asked <= manifest.made <= (view.ready or view.gone)
    assert (view.promised - view.asked).total_seconds() == 60
    assert (view.gone - view.asked).total_seconds() == 24 * 3600
    assert (view.legal_deadline - view.asked).days == 28
    for line in manifest.classes:
        assert line.count == len(records_of(files, line.kept.record_class).records)
        policy = house.storage.policies[line.kept.record_class]
        assert (line.kept.purpose, line.kept.basis) == (policy.purpose, tuple(policy.bases))
        assert line.kept.limits == tuple(map(str, policy.limits))
    for name, content in files.items():
        if name.endswith(".json") and not name.startswith("schema/"):
            schema = msgspec.json.decode(files[f"schema/{'manifest' if name == 'manifest.json' else 'records'}.json"])
            body = msgspec.json.decode(content)
            assert body["$schema"] == schema["$id"]
            jsonschema.validate(body, schema)


async def test_what_is_left_out_is_counted(house: SubjectHouse) -> None:
    def hold_and_order() -> None:
        by = Actor(KARI, Role.OWNER)
        house.storage.holds.place(Reason.DISPUTE, Scope(cameras=("karis",)), by)
        house.storage.barrier.raise_for("1", Scope(classes=(RecordClass.CONSENT,), subjects=(KARI,)), house.clock.now())

    await house.disk.run(hold_and_order)
    files = unzipped(await house.streamed())
    lines = {line.kept.record_class: line for line in manifest_of(files).classes}
    assert (lines[RecordClass.SNAPSHOT].count, lines[RecordClass.SNAPSHOT].omitted.held) == (3, 1)
    assert (lines[RecordClass.CONSENT].count, lines[RecordClass.CONSENT].omitted.ordered) == (0, 2)
    assert jpeg(10) not in files.values()
    assert "holdt tilbake" in files["index.html"].decode()


async def test_it_can_be_narrowed(house: SubjectHouse) -> None:
    narrow = {"subjects": [KARI], "classes": ["snapshot"], "cameras": ["hall"]}
    files = unzipped(await house.streamed(scope=narrow))
    assert sorted(content for name, content in files.items() if name.endswith(".jpg")) == sorted(
        map(jpeg, (20, 30, 60))
    )
    assert [line.kept.record_class for line in manifest_of(files).classes] == ["snapshot"]


async def test_no_export_is_in_an_export(house: SubjectHouse) -> None:
    await house.exported()
    files = unzipped(await house.streamed())
    assert "export.json" not in files
    assert {each.what for each in manifest_of(files).not_here} == {
        "secrets", "others", "earlier_exports", "orders_and_receipts"
    }  # fmt: skip


@pytest.mark.parametrize("language", ["nb", "en"])
async def test_the_pages_are_html_without_a_script(house: SubjectHouse, language: Any) -> None:
    files = unzipped(await house.streamed(language=language))
    page = files["index.html"].decode()
    parsed = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    assert parsed.get("lang") == language
    assert not list(parsed.iter("script"))
    assert {image.get("src") for image in parsed.iter("img")} == {name for name in files if name.endswith(".jpg")}
    links = {link.get("href") for link in parsed.iter("a")}
    ids = {f"#{each.get('id')}" for each in parsed.iter() if each.get("id")}
    assert links <= files.keys() | ids
    assert page.count(f"<h1>{words_of(language).title}</h1>") == 1


async def test_a_person_reads_it_in_their_language(house: SubjectHouse) -> None:
    house.who = ANNA
    files = unzipped(await house.streamed())
    assert b"What is kept of you" in files["index.html"]
    house.who = OLA
    assert b"Kari" not in (await house.streamed())


async def test_markup_in_a_name_stays_text(house: SubjectHouse) -> None:
    async def name(what: str) -> bytes:
        people = house.storage.people
        kari = next(person for person in people.all() if person.id == KARI)
        await house.disk.run(people.put, msgspec.structs.replace(kari, name=what))
        return unzipped(await house.streamed())["index.html"]

    page = await name("<script>alert('1')</script>\"&")
    assert b"<script" not in page
    assert b"&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&quot;&amp;" in page
    html5lib.HTMLParser(strict=True).parse(page.decode())


async def test_many_pictures_are_on_several_pages(house: SubjectHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.export.ROWS", 2)
    files = unzipped(await house.streamed())
    strict = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    pages = [strict.parse(files[name].decode()) for name in ("index.html", "pictures-2.html")]
    shown = [image.get("src") for page in pages for image in page.iter("img")]
    assert sorted(shown) == sorted(name for name in files if name.endswith(".jpg"))
    assert "pictures-2.html" in {link.get("href") for link in pages[0].iter("a")}
    assert b"De nyeste 2 av 4" in files["index.html"]


async def test_an_order_breaks_off_what_is_being_made(house: SubjectHouse) -> None:
    archive = Archive(house.desk._source, OF_KARI, "nb", house.clock.now(), house.clock.now())

    def pull_and_order(scope: Scope) -> bytes:
        chunks = archive.chunks()
        first = b"".join(next(chunks) for _ in range(6))
        house.storage.barrier.raise_for("1", scope, house.clock.now())
        return first + b"".join(chunks)

    with pytest.raises(ExportStopped):
        await house.disk.run(pull_and_order, Scope(cameras=("hall",)))
    # One that cannot mean anything of it does not.
    narrow = Scope(subjects=(KARI,), classes=(RecordClass.PERSON,))
    archive = Archive(house.desk._source, narrow, "nb", house.clock.now(), house.clock.now())
    whole = await house.disk.run(pull_and_order, Scope(classes=(RecordClass.SNAPSHOT,)))
    assert "person.json" in zipfile.ZipFile(io.BytesIO(whole)).namelist()
