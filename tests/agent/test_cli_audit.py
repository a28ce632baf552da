"""`portvakt audit` against an agent that may lie."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.api.contract import AuditEntry
from agent.api.server import serve
from agent.cli.outcome import carry_out
from privacy.audit import position
from privacy.checkpoint import Checkpoint, sign_checkpoint
from privacy.clock import SystemClock
from privacy.merkle import Tree
from privacy.receipts import LogPosition, OrderReference, Receipt, leaf_of, sign_receipt
from privacy.signing import SigningKey
from tests.agent.open_door import open_door

AT = datetime(2026, 1, 1, tzinfo=UTC)


def entries(key: SigningKey, count: int) -> tuple[AuditEntry, ...]:
    tree, made = Tree(), []
    for number in range(count):
        receipt = Receipt(
            iss="gw-1/1",
            kind="erased",
            order=OrderReference(id=f"o-{number}", issuer="backend", sha256="0" * 64),
            at=AT,
            software="0",
            stores=(),
            log=LogPosition(size=tree.size, root=tree.root().hex()),
            complete=True,
        )
        jws = sign_receipt(key, receipt)
        tree.add(jws.encode())
        made.append(AuditEntry(order=f"o-{number}", issuer="backend", kind="erased", at=AT, jws=jws, acknowledged=True))
    return tuple(made)


@pytest.fixture
async def socket(api_house: Any, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "api.sock"
    async with serve(api_house, door=open_door(api_house), clock=SystemClock(), port=0, socket_path=path):
        yield path


async def test_the_log_is_shown_and_checked_with_the_public_key(
    api_house: Any, socket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = SigningKey.generate()
    public = tmp_path / "public.jwk"
    public.write_text(json.dumps(key.public_jwk()))
    api_house.audit_entries = whole = entries(key, 4)

    async def run(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(carry_out, ["audit", *arguments, "--socket", str(socket)])
        return code, *capsys.readouterr()

    code, out, _ = await run("show")
    assert code == 0
    assert [line.split("\t")[2] for line in out.splitlines()[1:]] == ["o-0", "o-1", "o-2", "o-3"]
    assert (await run("verify", "--key", str(public)))[:2] == (0, "genuine and whole: 4 entries\n")
    api_house.audit_entries = (whole[0], *whole[2:])
    code, _, err = await run("verify", "--key", str(public))
    assert code == 1
    assert "entry 1 does not follow" in err
    code, out, _ = await run("verify", "--key", str(public), "--json")
    assert (code, json.loads(out)["valid"]) == (1, False)


async def test_what_has_expired_is_said_in_a_line_and_the_rest_still_verifies(
    api_house: Any, socket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = SigningKey.generate()
    public = tmp_path / "public.jwk"
    public.write_text(json.dumps(key.public_jwk()))
    whole = entries(key, 5)
    log = position([entry.jws for entry in whole])
    api_house.signed_checkpoint = sign_checkpoint(key, Checkpoint(iss="gw-1/1", at=AT, log=log))
    leaves = [AuditEntry(kind="expired", leaf=leaf_of(entry.jws).hex()) for entry in whole[:2]]
    api_house.audit_entries = (*leaves, *whole[2:])
    asked = ("--socket", str(socket))
    said = "2 of them have expired: they are no longer here, and their places in the log still count"

    async def run(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(carry_out, [*arguments, *asked])
        return code, *capsys.readouterr()

    (tmp_path / "early.jws").write_text(
        sign_checkpoint(key, Checkpoint(iss="gw-1/1", at=AT, log=position_of(whole, 1)))
    )
    verify = ("audit", "verify", "--key", str(public), "--since", str(tmp_path / "early.jws"))
    code, out, _ = await run(*verify)
    assert (code, out.splitlines()) == (0, ["genuine and whole: 5 entries, grown out of that checkpoint", said])
    assert json.loads((await run(*verify, "--json"))[1]) == {"valid": True, "entries": 5, "expired": 2}
    code, out, _ = await run("audit", "show")
    assert (code, out.splitlines()[1]) == (0, "0\t-\t-\t-\texpired")
    code, out, _ = await run("receipt", "list")
    assert code == 0
    assert "o-0" not in out
    assert out.splitlines()[-1].startswith("2 more have expired")
    for asking in (("audit", "prove", "o-0"), ("receipt", "show", "o-0", "--kind", "erased")):
        code, out, err = await run(*asking)
        assert (code, out) == (1, "")
        assert "if it is one of the 2 that have expired, its place in the log still counts" in err
        assert "Traceback" not in err
    (tmp_path / "receipt.jws").write_text(whole[0].jws + "\n")
    code, proof, _ = await run("audit", "prove", "o-0", "--receipt", str(tmp_path / "receipt.jws"))
    assert code == 0
    (tmp_path / "proof.json").write_text(proof)
    check = ("receipt", "verify", str(tmp_path / "receipt.jws"), "--key", str(public))
    code = await asyncio.to_thread(carry_out, [*check, "--proof", str(tmp_path / "proof.json")])
    assert code == 0
    assert "it is in the log of 5 entries" in capsys.readouterr().out
    code, proof, _ = await run("audit", "prove", "o-3", "--kind", "erased")
    assert code == 0
    api_house.audit_entries = (leaves[1], leaves[0], *whole[2:])
    code, _, err = await run("audit", "verify", "--key", str(public))
    assert (code, "entry 2 does not follow" in err) == (1, True)


def position_of(log: tuple[AuditEntry, ...], size: int) -> LogPosition:
    return position([entry.jws for entry in log[:size]])


async def test_a_receipt_is_proved_to_be_in_the_log_and_the_log_to_have_grown(
    api_house: Any, socket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = SigningKey.generate()
    public = tmp_path / "public.jwk"
    public.write_text(json.dumps(key.public_jwk()))
    whole = entries(key, 6)

    async def run(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(carry_out, [*arguments])
        return code, *capsys.readouterr()

    def grown_to(size: int) -> None:
        api_house.audit_entries = whole[:size]
        log = position([entry.jws for entry in whole[:size]])
        api_house.signed_checkpoint = sign_checkpoint(key, Checkpoint(iss="gw-1/1", at=AT, log=log))

    asked = ("--socket", str(socket))
    grown_to(4)
    code, early, _ = await run("audit", "checkpoint", *asked)
    assert code == 0
    (tmp_path / "early.jws").write_text(early)
    grown_to(6)

    code, proof, _ = await run("audit", "prove", "o-2", "--kind", "erased", *asked)
    assert code == 0
    (tmp_path / "proof.json").write_text(proof)
    check = ("receipt", "verify", "--key", str(public), "--proof", str(tmp_path / "proof.json"))
    for number, expected in ((2, 0), (3, 1)):
        (tmp_path / "receipt.jws").write_text(whole[number].jws)
        code, out, err = await run(*check, str(tmp_path / "receipt.jws"))
        assert code == expected, err
        assert ("in the log of 6 entries" in out) == (code == 0)
    code, out, _ = await run(*check, str(tmp_path / "receipt.jws"), "--json")
    assert (code, json.loads(out)["valid"]) == (1, False)
    (tmp_path / "receipt.jws").write_text(whole[2].jws)
    assert json.loads((await run(*check, str(tmp_path / "receipt.jws"), "--json"))[1])["checkpoint"]["log"]["size"] == 6

    since = ("audit", "verify", "--key", str(public), "--since", str(tmp_path / "early.jws"), *asked)
    assert (await run(*since))[:2] == (0, "genuine and whole: 6 entries, grown out of that checkpoint\n")
    api_house.audit_entries = entries(key, 3)
    code, _, err = await run(*since)
    assert code == 1
    assert "did not grow out of" in err

    code, _, err = await run("audit", "prove", "o-9", *asked)
    assert (code, "there is no such receipt of o-9" in err) == (1, True)
    (tmp_path / "proof.json").write_text("{}")
    code, _, err = await run(*check, str(tmp_path / "receipt.jws"))
    assert (code, "is no proof" in err) == (2, True)
    api_house.signed_checkpoint = "a.b.c"
    code, _, err = await run("audit", "prove", "o-2", "--kind", "erased", *asked)
    assert (code, "no checkpoint" in err) == (1, True)


async def test_a_receipt_in_a_file_is_proved_as_what_it_says_it_is(
    api_house: Any, socket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = SigningKey.generate()
    api_house.audit_entries = whole = entries(key, 3)
    api_house.signed_checkpoint = sign_checkpoint(key, Checkpoint(iss="gw-1/1", at=AT, log=position_of(whole, 3)))
    file = tmp_path / "receipt.jws"
    file.write_text(whole[1].jws)

    async def prove(*arguments: str) -> tuple[int, str]:
        asked = ["audit", "prove", *arguments, "--receipt", str(file), "--socket", str(socket)]
        code = await asyncio.to_thread(carry_out, asked)
        return code, capsys.readouterr().err

    assert await prove("o-1") == await prove("o-1", "--kind", "erased") == (0, "")
    another = f"portvakt: {file} is another receipt: 'erased' of 'o-1' (say ORDER and --kind as it does)\n"
    assert await prove("o-2") == await prove("o-1", "--kind", "verified") == (2, another)
    for nonsense in ("", "a.b.c", "not a receipt", "{}.{}.{}", api_house.signed_checkpoint):
        file.write_text(nonsense)
        assert await prove("o-1") == (
            2,
            f"portvakt: {file} is no receipt (what `portvakt receipt show` printed)\n",
        )


async def test_a_file_that_is_no_checkpoint_is_bad_input(
    api_house: Any, socket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = SigningKey.generate()
    (tmp_path / "public.jwk").write_text(json.dumps(key.public_jwk()))
    api_house.audit_entries = whole = entries(key, 3)
    since = tmp_path / "since.jws"
    asked = ["audit", "verify", "--key", str(tmp_path / "public.jwk"), "--since", str(since), "--socket", str(socket)]
    for text in ("notes", whole[0].jws):
        since.write_text(text)
        assert await asyncio.to_thread(carry_out, asked) == 2
        assert capsys.readouterr().err == (
            f"portvakt: {since} is no checkpoint (what `portvakt audit checkpoint` printed)\n"
        )
    other = Checkpoint(iss="gw-1/1", at=AT, log=position_of(whole, 1))
    since.write_text(sign_checkpoint(SigningKey.generate(), other))
    assert await asyncio.to_thread(carry_out, asked) == 1, "a checkpoint of somebody else: the answer is no"
