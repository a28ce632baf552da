"""The store of how people sign in, beyond what every store must do (`tests/suites/test_store.py`)."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.signin import credentials as module
from agent.signin.codes import code_hash
from agent.signin.credentials import (
    BROWSER_LIVES,
    MOST_BROWSERS,
    Code,
    Credential,
    Credentials,
    KnownBrowser,
    Passkey,
    login_key,
)
from privacy.keyring import KeyRing
from privacy.records import Item, Scope
from privacy.sealed_file import Concerns
from privacy.store import Barrier
from privacy.timekeeping import TimeKeeper, Witness
from tests.suites.memory_slots import MemorySlots

Reopened = Callable[[], Credentials]
HOUR = timedelta(hours=1)


class Kept:
    """A hold."""

    reason = "persons_request"

    def __init__(self, until: Any) -> None:
        self.until = until


@pytest.fixture
def barrier() -> Barrier:
    return Barrier()


@pytest.fixture
def held() -> set[str]:
    """Whom a hold keeps."""
    return set()


@pytest.fixture
def reopened(tmp_path: Path, barrier: Barrier, clock: Any, held: set[str]) -> Reopened:
    slots = MemorySlots()
    keeper = TimeKeeper(clock, bytes(16), lambda: True, lambda: None, lambda _note: None)
    keeper.witness(clock.now(), Witness.PERSON)

    def hold(item: Item) -> Kept | None:
        return Kept(clock.now() + HOUR) if item.subjects & held else None

    def open_() -> Credentials:
        ring = KeyRing.open(tmp_path / "keys", slots, os.urandom)
        return Credentials(tmp_path / "credentials", ring, keeper.moment, barrier, holds=hold)

    return open_


@pytest.fixture
def store(reopened: Reopened) -> Credentials:
    return reopened()


def full(clock: Any, person: str = "kari") -> Credential:
    """Somebody with everything there is."""
    now = clock.now()
    return Credential(
        person=person,
        at=now,
        login=f"{person}n",
        password=f"$argon2id$canary-{person}",
        password_set=now,
        passkeys=(
            Passkey(id=f"key of {person}".encode(), key=b"cose", made=now, name="phone", for_name="portvakt.local"),
        ),
        second="CANARYCANARY",
        second_set=now,
        second_step=5,
        recovery=(code_hash("AAAA"), code_hash("BBBB")),
        codes=(Code(hash=code_hash(f"C0DE-{len(person)}"), purpose="invitation", until=now + HOUR),),
        last=now,
        last_way="password",
        browsers=(KnownBrowser(hash=b"h" * 32, seen=now),),
    )


def test_what_was_put_is_there_after_a_restart(reopened: Reopened, clock: Any) -> None:
    kari = full(clock)
    assert reopened().put(kari)
    assert reopened().of("kari") == kari
    assert reopened().of("ola") is None


def test_no_secret_shows_itself(clock: Any) -> None:
    kari = full(clock)
    for shown in (repr(kari), repr(kari.passkeys[0]), repr(kari.codes[0]), repr(kari.browsers[0]), str(kari)):
        assert "anary" not in shown.lower()
        assert "cose" not in shown
        assert "hash" not in shown


def test_nothing_lies_on_the_disk_in_the_clear(store: Credentials, clock: Any, tmp_path: Path) -> None:
    store.put(full(clock))
    raw = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in (b"canary", b"CANARY", b"karin", b"key of", code_hash("AAAA")):
        assert secret not in raw


def test_a_password_that_was_changed_dies_with_the_change(
    store: Credentials, reopened: Reopened, clock: Any, tmp_path: Path
) -> None:
    kari = full(clock)
    store.put(kari)
    (before,) = (tmp_path / "credentials").glob("*.log")
    old = before.read_bytes()
    assert store.put(msgspec.structs.replace(kari, password="$argon2id$new"))
    assert not before.exists()
    before.write_bytes(old)  # as a medium may still hold it
    assert sum(reopened().scan(Scope(everything=True), clock.now())) <= 1, "no living key opens it"
    found = reopened().of("kari")
    assert found is not None
    assert found.password == "$argon2id$new"


@pytest.mark.parametrize("typed", ["karin", " Karin ", "KARIN", "\uff2b\uff21\uff32\uff29\uff2e"])
def test_a_user_name_is_found_however_it_is_typed(store: Credentials, clock: Any, typed: str) -> None:
    store.put(full(clock))
    found = store.by_login(typed)
    assert found is not None
    assert found.person == "kari"


def test_nobody_is_found_by_a_name_that_nobody_has(store: Credentials, clock: Any) -> None:
    store.put(full(clock))
    store.put(Credential(person="ola", at=clock.now()))
    assert store.by_login("ola") is None
    assert store.by_login("") is None, "not who has no user name"
    assert store.by_login("x", "nobody") is None


def test_a_person_is_found_whom_the_register_knows_by_that_login(store: Credentials, clock: Any) -> None:
    store.put(full(clock))
    store.put(ola := full(clock, "ola"))
    assert store.by_login("ola@example.org", "ola") == ola


def test_a_login_is_compared_in_one_form() -> None:
    assert login_key(" Bl\u00e5B\u00c6R ") == login_key("bla\u030ab\u00e6r") == "blåbær"


def test_a_passkey_is_found(store: Credentials, clock: Any) -> None:
    for person in ("kari", "ola"):
        store.put(full(clock, person))
    found = store.by_passkey(b"key of ola")
    assert found is not None
    assert (found[0].person, found[1].id) == ("ola", b"key of ola")
    assert store.by_passkey(b"key of") is None
    assert store.by_passkey(b"") is None


def test_a_code_opens_until_its_time_is_over_and_once(store: Credentials, clock: Any) -> None:
    store.put(full(clock))
    store.put(full(clock, "ola"))
    now = clock.now()
    found = store.by_code("c0de 3", now)
    assert found is not None
    credential, code = found
    assert (credential.person, code.purpose) == ("ola", "invitation")
    assert store.by_code("C0DE-3", now + HOUR) is None
    assert store.by_code("C0DE-5", now) is None
    assert store.by_code("", now) is None
    store.put(credential.without_code(code))
    assert store.by_code("C0DE-3", now) is None
    assert store.by_code("C0DE-4", now) is not None, "somebody else's is another"


@pytest.mark.parametrize(
    "look",
    [
        lambda store, who, _at: store.by_login(f"{who}n"),
        lambda store, who, _at: store.by_login("somebody@example.org", who),
        lambda store, who, _at: store.by_passkey(f"key of {who}".encode()),
        lambda store, who, at: store.by_code(f"C0DE-{len(who)}", at),
    ],
    ids=["by_login", "by_address", "by_passkey", "by_code"],
)
def test_whoever_is_looked_for_everybody_is_looked_at(
    store: Credentials, clock: Any, monkeypatch: pytest.MonkeyPatch, look: Callable[[Credentials, str, Any], object]
) -> None:
    for person in ("liv", "kari", "marit"):
        store.put(full(clock, person))
    compared: list[object] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    for who in ("liv", "kari", "marit", "nobody"):
        compared.clear()
        assert (look(store, who, clock.now()) is None) is (who == "nobody")
        assert len(compared) == 3


def test_only_what_has_changed_is_read_anew(
    store: Credentials, clock: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for person in ("kari", "liv", "ola"):
        store.put(full(clock, person))
    store.by_login("nobody")
    read: list[bytes] = []
    decode = module._decode
    monkeypatch.setattr(module, "_decode", lambda payload: (read.append(payload), decode(payload))[1])
    for who in ("karin", "nobody"):
        store.by_login(who)
    assert read == []
    store.put(msgspec.structs.replace(full(clock), login="other"))
    read.clear()
    assert store.by_login("karin") is None
    assert store.by_login("other") is not None
    assert len(set(read)) == 1
    clock.move(seconds=1)
    store.erase(Scope(subjects=("kari",)), clock.now())
    assert store.by_login("other") is None
    assert "kari" not in repr(store._read), "what is dead on the disk is forgotten in memory"


def test_what_was_added_to_a_file_is_read_and_what_was_dated_anew_counts(
    store: Credentials, barrier: Barrier, clock: Any
) -> None:
    kari = full(clock)
    store.put(kari)
    assert store.of("kari") == kari
    later = msgspec.structs.replace(kari, login="later")
    store._files.append("kari", [(later.concerns, msgspec.json.encode(later))])
    assert store.of("kari") == later
    barrier.raise_for("order", Scope(subjects=("kari",)), clock.now() - HOUR)
    assert store.of("kari") == later, "what came since is not reached"
    store.redate(lambda moment: moment.later(-2 * HOUR))
    assert store.of("kari") is None, "but it came before, as is known now"


def test_whom_an_order_reaches_cannot_sign_in(store: Credentials, barrier: Barrier, clock: Any) -> None:
    kari = full(clock)
    store.put(kari)
    clock.move(seconds=1)
    barrier.raise_for("order", Scope(subjects=("kari",)), clock.now())
    assert store.of("kari") is None
    assert store.by_login("karin") is None
    assert store.by_passkey(b"key of kari") is None
    assert store.by_code("C0DE-4", clock.now()) is None
    assert not store.put(kari), "and nothing that was on its way brings it back"


def test_an_erasure_takes_every_way_in(store: Credentials, reopened: Reopened, clock: Any) -> None:
    store.put(full(clock))
    store.put(full(clock, "ola"))
    clock.move(seconds=1)
    assert store.erase(Scope(subjects=("kari",)), clock.now()).erased == 1
    assert reopened().of("kari") is None
    assert reopened().of("ola") is not None


def test_who_leaves_is_forgotten_alone(store: Credentials, reopened: Reopened, clock: Any) -> None:
    store.put(full(clock))
    store.put(full(clock, "ola"))
    assert store.forget("kari")
    assert not store.forget("kari")
    assert reopened().of("kari") is None
    assert reopened().of("ola") is not None


def test_under_a_hold_people_sign_in_and_change_how(store: Credentials, held: set[str], clock: Any) -> None:
    kari = full(clock)
    store.put(kari)
    held.add("kari")
    assert store.by_login("karin") == kari
    assert store.put(msgspec.structs.replace(kari, second_step=6))
    assert list(store.export(Scope(everything=True))) == [], "but it is shown to nobody"


def test_under_a_hold_who_leaves_has_no_way_in_all_the_same(
    store: Credentials, reopened: Reopened, held: set[str], clock: Any
) -> None:
    kari = full(clock)
    store.put(kari)
    held.add("kari")
    assert store.forget("kari")
    assert reopened().of("kari") == Credential(person="kari", at=kari.at)
    assert reopened().by_passkey(b"key of kari") is None
    held.clear()
    assert store.forget("kari")
    assert store.of("kari") is None


def test_what_another_version_wrote_signs_nobody_in_and_goes_with_its_person(
    store: Credentials, held: set[str], clock: Any
) -> None:
    foreign = b'{"person": "kari", "of": "a later version", "password": 5}'
    store._files.append("kari", [(Concerns(clock.now(), subjects=("kari",)), foreign)])
    assert store.of("kari") is None
    ((_, exported),) = store.export(Scope(subjects=("kari",)))
    assert exported == b"{}", "who knows which of it is secret"
    held.add("kari")
    assert store.forget("kari"), "a hold keeps no way in that a later version would take"
    held.clear()
    assert store.of("kari") is None
    store._files.append("ola", [(Concerns(clock.now(), subjects=("ola",)), foreign)])
    assert store.erase(Scope(subjects=("ola",)), clock.now()).erased == 1


def test_an_export_says_when_and_how_and_gives_no_secret_away(store: Credentials, clock: Any) -> None:
    store.put(full(clock))
    ((item, data),) = store.export(Scope(subjects=("kari",)))
    assert item.subjects == {"kari"}
    shown = msgspec.json.decode(data)
    now = clock.now().isoformat().replace("+00:00", "Z")
    assert shown == {
        "person": "kari",
        "at": now,
        "login": "karin",
        "password_set": now,
        "passkeys": [{"name": "phone", "made": now, "used": None, "for_name": "portvakt.local"}],
        "second_set": now,
        "recovery_codes": 2,
        "last": now,
        "last_way": "password",
        "browsers": [now],
    }


def test_a_browser_is_known_for_a_year(clock: Any) -> None:
    now = clock.now()
    kari = Credential(person="kari", at=now).with_browser("one", now)
    assert kari.knows("one", now)
    assert not kari.knows("other", now)
    assert not kari.knows(None, now)
    assert not kari.knows("", now)
    assert not kari.with_browser("", now).knows(None, now)
    assert not kari.knows("one", now + BROWSER_LIVES)
    assert not Credential(person="ola", at=now).knows("one", now), "it is known for one person"
    again = kari.with_browser("one", now + HOUR)
    assert len(again.browsers) == 1
    assert again.knows("one", now + BROWSER_LIVES)
    assert len(kari.with_browser("two", now + BROWSER_LIVES).browsers) == 1, "what is over is forgotten"


def test_browsers_that_are_known_are_not_many(clock: Any) -> None:
    now = clock.now()
    kari = Credential(person="kari", at=now)
    for number in range(MOST_BROWSERS + 5):
        kari = kari.with_browser(str(number), now)
    assert len(kari.browsers) == MOST_BROWSERS
    assert not kari.knows("4", now)
    assert kari.knows("5", now)


def test_passkeys_are_replaced_by_their_id(clock: Any) -> None:
    kari = full(clock)
    (old,) = kari.passkeys
    new = msgspec.structs.replace(old, count=9)
    more = msgspec.structs.replace(old, id=b"another")
    assert kari.with_passkey(more).with_passkey(new).passkeys == (new, more)
    assert kari.passkey(b"another") is None


def test_a_way_in_is_a_password_or_a_passkey_that_is_sound(clock: Any) -> None:
    kari = full(clock)
    assert kari.has_way
    assert msgspec.structs.replace(kari, password=None).has_way
    assert not Credential(person="ola", at=clock.now(), codes=kari.codes, second=kari.second).has_way
    broken = msgspec.structs.replace(kari.passkeys[0], broken=True)
    assert not msgspec.structs.replace(kari, password=None, passkeys=(broken,)).has_way
