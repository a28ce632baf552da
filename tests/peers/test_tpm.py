"""Root slots in a TPM 2.0, against swtpm: what is away, locked, full or somebody else's is never "empty"."""

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tpm2_pytss
from tpm2_pytss import TPM2_ALG, TPM2B_NV_PUBLIC, TPMA_NV, TPMS_NV_PUBLIC

from privacy.errors import StoreBroken
from privacy.keystore.contract import SLOTS, Held
from privacy.keystore.tpm import Tpm
from tests.peers.swtpm import Swtpm

pytestmark = pytest.mark.peer

HELD = Held(1, bytes(range(32)))
LATER = Held(3, bytes(range(32, 64)))
INDEX = 0x01500A01
OURS = TPMA_NV.AUTHREAD | TPMA_NV.AUTHWRITE | TPMA_NV.NO_DA


@pytest.fixture
def swtpm(tmp_path: Path) -> Iterator[Swtpm]:
    with Swtpm(tmp_path / "tpm") as running:
        yield running


@contextmanager
def talking_to(swtpm: Swtpm) -> Iterator[Any]:
    with tpm2_pytss.TCTILdr.parse(swtpm.tcti) as tcti, tpm2_pytss.ESAPI(tcti) as tpm:
        yield tpm


def define(tpm: Any, attributes: int = OURS, size: int = 80, index: int = INDEX, password: bytes = b"") -> Any:
    public = TPMS_NV_PUBLIC(nvIndex=index, nameAlg=TPM2_ALG.SHA256, attributes=TPMA_NV(attributes), dataSize=size)
    return tpm.nv_define_space(password, TPM2B_NV_PUBLIC(public))


def test_its_place_bytes_and_attributes(swtpm: Swtpm) -> None:
    Tpm(swtpm.tcti).write(1, HELD)
    with talking_to(swtpm) as tpm:
        handle = tpm.tr_from_tpmpublic(INDEX)
        public = tpm.nv_read_public(handle)[0].nvPublic
        assert int(public.attributes) == OURS | TPMA_NV.WRITTEN
        content = bytes(tpm.nv_read(handle, 80))
    assert content[:16] == b"PVSLOT1\n" + (1).to_bytes(8, "big")
    assert content[48:] == HELD.secret


def test_it_outlives_the_power(swtpm: Swtpm) -> None:
    Tpm(swtpm.tcti).write(1, HELD)
    for _ in range(2):
        swtpm.stop()
        swtpm.start()
        assert Tpm(swtpm.tcti).read(1) == HELD
    Tpm(swtpm.tcti).destroy(1)
    swtpm.stop()
    swtpm.start()
    assert Tpm(swtpm.tcti).read(1) is None


COMMANDS = (
    *("get_capability", "tr_from_tpmpublic", "nv_read_public", "nv_define_space"),
    *("nv_write", "nv_read", "nv_undefine_space"),
)


@contextmanager
def power_going_before(swtpm: Swtpm, command: int) -> Iterator[list[str]]:
    """The names of the commands that are given; before this one, from 1, the power goes."""
    given: list[str] = []

    def around(name: str, give: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            given.append(name)
            if len(given) == command:
                swtpm.stop()
            return give(*args, **kwargs)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for name in COMMANDS:
            patch.setattr(tpm2_pytss.ESAPI, name, around(name, getattr(tpm2_pytss.ESAPI, name)))
        yield given


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        pytest.param(lambda store: store.write(1, LATER), {HELD, None, LATER}, id="write"),
        pytest.param(lambda store: store.destroy(1), {HELD, None}, id="destroy"),
    ],
)
def test_the_power_goes_between_any_two_commands(
    swtpm: Swtpm, call: Callable[[Tpm], None], allowed: set[Held | None]
) -> None:
    def prepared() -> Tpm:
        store = Tpm(swtpm.tcti)
        store.write(1, HELD)
        return store

    store = prepared()
    with power_going_before(swtpm, 0) as given:
        call(store)
    left = set()
    for command in range(1, len(given) + 1):
        store = prepared()
        with power_going_before(swtpm, command), pytest.raises(StoreBroken):
            call(store)
        swtpm.start()
        left.add(Tpm(swtpm.tcti).read(1))
    assert left == allowed


def test_one_that_is_away_is_not_empty(swtpm: Swtpm) -> None:
    store = Tpm(swtpm.tcti)
    swtpm.stop()
    for slot in SLOTS:
        for call in (
            lambda slot=slot: store.read(slot),
            lambda slot=slot: store.write(slot, HELD),
            lambda slot=slot: store.destroy(slot),
        ):
            with pytest.raises(StoreBroken, match="lead to a TPM"):
                call()


@pytest.mark.parametrize("tcti", ["device:/dev/no-such-tpm", "no-such-thing", "", "swtpm:host=,port=x"])
def test_a_way_that_leads_nowhere(tcti: str) -> None:
    with pytest.raises(StoreBroken, match="lead to a TPM"):
        Tpm(tcti).read(0)


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        (OURS, 79),
        (OURS, 81),
        (OURS & ~TPMA_NV.NO_DA, 80),
        (OURS | TPMA_NV.OWNERREAD, 80),
        (TPMA_NV.OWNERREAD | TPMA_NV.OWNERWRITE, 80),
    ],
)
def test_an_index_of_another_shape_is_somebody_elses(swtpm: Swtpm, attributes: int, size: int) -> None:
    with talking_to(swtpm) as tpm:
        define(tpm, attributes, size)
    store = Tpm(swtpm.tcti)
    for call in (lambda: store.read(1), lambda: store.write(1, HELD), lambda: store.destroy(1)):
        with pytest.raises(StoreBroken, match="0x1500a01 of the TPM holds something that is not ours"):
            call()
    assert store.read(0) is None, "a neighbour is none of its business"
    with talking_to(swtpm) as tpm:
        assert tpm.nv_read_public(tpm.tr_from_tpmpublic(INDEX))[0].nvPublic.dataSize == size


def test_one_that_was_never_written_to_is_torn(swtpm: Swtpm) -> None:
    with talking_to(swtpm) as tpm:
        define(tpm)
    store = Tpm(swtpm.tcti)
    assert store.read(1) is None
    store.write(1, HELD)
    assert store.read(1) == HELD


def test_damaged_is_empty(swtpm: Swtpm) -> None:
    store = Tpm(swtpm.tcti)
    store.write(1, HELD)
    with talking_to(swtpm) as tpm:
        tpm.nv_write(tpm.tr_from_tpmpublic(INDEX), b"x", 79)
    assert store.read(1) is None
    store.destroy(1)
    assert store.read(1) is None


def test_wrong_passwords_elsewhere_lock_neither_the_house_nor_its_end(swtpm: Swtpm) -> None:
    store = Tpm(swtpm.tcti)
    store.write(1, HELD)
    with talking_to(swtpm) as tpm:
        other = define(tpm, TPMA_NV.AUTHREAD | TPMA_NV.AUTHWRITE, 8, 0x01500B00, b"password")
        tpm.tr_set_auth(other, b"wrong")
        for _ in range(40):
            with pytest.raises(tpm2_pytss.TSS2_Exception) as caught:
                tpm.nv_write(other, b"12345678")
            if caught.value.error == tpm2_pytss.TPM2_RC.LOCKOUT:
                break
        else:
            pytest.fail("it does not lock out")
    assert store.read(1) == HELD
    store.write(1, LATER)
    store.destroy(1)
    assert store.read(1) is None


def test_an_owner_with_a_password(swtpm: Swtpm) -> None:
    store = Tpm(swtpm.tcti)
    store.write(1, HELD)
    with talking_to(swtpm) as tpm:
        tpm.hierarchy_change_auth(tpm2_pytss.ESYS_TR.OWNER, b"password")
    assert store.read(1) == HELD
    for call in (lambda: store.write(1, LATER), lambda: store.write(0, LATER), lambda: store.destroy(1)):
        with pytest.raises(StoreBroken, match="tpm2_changeauth -c owner"):
            call()
    assert store.read(1) == HELD


def test_one_without_room(swtpm: Swtpm) -> None:
    store = Tpm(swtpm.tcti)
    with talking_to(swtpm) as tpm:
        for size in (2048, 256, 64, 8):
            for index in itertools.count(0x01510000 + size * 16):
                try:
                    define(tpm, OURS, size, index)
                except tpm2_pytss.TSS2_Exception:
                    break
    assert store.read(1) is None
    with pytest.raises(StoreBroken, match="it is full"):
        store.write(1, HELD)


def test_one_that_keeps_what_it_was_told_to_remove(swtpm: Swtpm, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Tpm(swtpm.tcti)
    store.write(1, HELD)
    monkeypatch.setattr(tpm2_pytss.ESAPI, "nv_undefine_space", lambda *_: None)
    with pytest.raises(StoreBroken, match="replace it"):
        store.destroy(1)


def test_one_that_gives_back_something_else(swtpm: Swtpm, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Tpm(swtpm.tcti)
    real = tpm2_pytss.ESAPI.nv_write
    monkeypatch.setattr(tpm2_pytss.ESAPI, "nv_write", lambda tpm, index, data: real(tpm, index, data[::-1]))
    with pytest.raises(StoreBroken, match="reads back something else"):
        store.write(1, HELD)


def test_the_rest_needs_no_tpm2_pytss(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tpm2_pytss"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tpm2_pytss", None)
    monkeypatch.delitem(sys.modules, "privacy.keystore.tpm")
    without = importlib.import_module("privacy.keystore.tpm")
    with pytest.raises(StoreBroken, match="its extra `tpm`"):
        without.Tpm()
