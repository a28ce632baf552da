"""Root slots in a TPM 2.0: an NV index each, and nothing is left of one that was undefined. Tier A.

Commands and attributes: TPM 2.0 Library, Part 2, 13.4 (TPMA_NV) and Part 3, 31 (Non-volatile Storage).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from privacy.errors import StoreBroken
from privacy.keystore.contract import Held, Slot
from privacy.keystore.slot_bytes import COMPACT, MAGIC
from privacy.records import Tier

FIRST_INDEX: Final = 0x01500A00
"""Slot n is at this + n, in the range that is the owner's (Registry of Reserved TPM 2.0 Handles, 2.2.2)."""
_TPM_LAYER_MASK: Final = 0xFFFF0000
_ATTRIBUTES: Final = ("AUTHREAD", "AUTHWRITE", "NO_DA")
"""An ordinary index of the owner hierarchy, with an empty authorisation value of its own.

- AUTHREAD, AUTHWRITE with an empty value, rather than OWNERREAD: who runs on this gateway and may open the TPM can read
  the slot either way, and a value would have to lie on the disk beside what it protects. What the index is for is that
  it can die. The owner's password then matters when an index is made or removed, and not at every start.
- NO_DA: other people's wrong passwords put a TPM into lockout. They must neither keep the house from starting nor the
  root from being destroyed, and there is no password here to be guessed.
- Not ORDERLY: what is kept in RAM until an orderly shutdown would be lost in a power cut.
- Not PLATFORMCREATE, not POLICY_DELETE: then the owner could not remove it.
- No locks (READ_STCLEAR, WRITE_STCLEAR): a slot is read back after it was written.
"""


class Tpm:
    """The slots in the TPM that `tcti` leads to, as tpm2-tss writes it (`device:/dev/tpmrm0`).

    Connects for each call, so a TPM that was away is found again. The secret crosses the bus between TPM and CPU in
    the clear; who can tap that has the running gateway in hands.

    Raises:
        StoreBroken: tpm2-pytss is not installed.
    """

    tier = Tier.HARDWARE_SLOT
    secret_bytes = COMPACT.secret_bytes
    where = "TPM 2.0"

    def __init__(self, tcti: str = "device:/dev/tpmrm0") -> None:
        try:
            import tpm2_pytss  # noqa: PLC0415 -- an extra that needs tpm2-tss: most gateways have neither
        except ImportError as error:
            raise StoreBroken(
                "a TPM needs tpm2-pytss, and it cannot be loaded", hint="install Portvakt with its extra `tpm`"
            ) from error
        # It has no types. Nothing of it leaves this module.
        self._tss: Any = tpm2_pytss
        self._tcti = tcti

    def read(self, slot: Slot) -> Held | None:
        """As the contract says. An index that was made and never written is torn, so empty."""
        with self._connected("read") as tpm:
            ours = self._ours(tpm, slot)
            return COMPACT.decode(ours[1]) if ours else None

    def write(self, slot: Slot, held: Held) -> None:
        """As the contract says.

        Raises:
            ValueError: the secret is of another length.
            StoreBroken: as the contract says.
        """
        content = COMPACT.encode(held)
        with self._connected("write") as tpm:
            # Anew, not over what is there: a write leaves it to the TPM where the old bytes go.
            self._undefine(tpm, slot)
            handle = tpm.nv_define_space(b"", self._public(slot))
            tpm.nv_write(handle, content)
            if bytes(tpm.nv_read(handle, len(content))) != content:
                raise StoreBroken("the TPM reads back something else than was written", hint="it is broken: replace it")

    def destroy(self, slot: Slot) -> None:
        """As the contract says: TPM2_NV_UndefineSpace."""
        with self._connected("destroy") as tpm:
            self._undefine(tpm, slot)
            if self._is_defined(tpm, slot):
                raise StoreBroken("the TPM keeps what it was told to remove", hint="it is broken: replace it")

    @contextmanager
    def _connected(self, doing: str) -> Iterator[Any]:
        try:
            with self._tss.TCTILdr.parse(self._tcti) as tcti, self._tss.ESAPI(tcti) as tpm:
                yield tpm
        except self._tss.TSS2_Exception as error:
            raise StoreBroken(
                f"cannot {doing} a root slot in the TPM: {error}", hint=self._hint(int(error.rc), int(error.error))
            ) from error

    def _hint(self, code: int, error: int) -> str:
        if code & _TPM_LAYER_MASK:  # the software on the way, not the TPM
            return f"does {self._tcti} lead to a TPM, and may this user open it (group `tss`)?"
        codes = self._tss.TPM2_RC
        hints = {
            codes.LOCKOUT: "it is locked out after wrong passwords: wait, or `tpm2_dictionarylockout --clear-lockout`",
            codes.BAD_AUTH: "its owner has a password: `tpm2_changeauth -c owner` removes it",
            codes.AUTH_FAIL: "its owner has a password: `tpm2_changeauth -c owner` removes it",
            codes.HIERARCHY: "its owner hierarchy is switched off: the firmware's settings have it",
            codes.NV_SPACE: "it is full: `tpm2_getcap handles-nv-index` lists what is there",
            codes.INITIALIZE: "it was not started: the firmware's settings have it",
        }
        return hints.get(error, "try again; if it stays so, the TPM wants to be replaced")

    def _public(self, slot: Slot) -> Any:  # noqa: ANN401 -- a type of the library's
        attributes = self._tss.TPMA_NV(0)
        for name in _ATTRIBUTES:
            attributes |= getattr(self._tss.TPMA_NV, name)
        return self._tss.TPM2B_NV_PUBLIC(
            self._tss.TPMS_NV_PUBLIC(
                nvIndex=FIRST_INDEX + slot,
                nameAlg=self._tss.TPM2_ALG.SHA256,
                attributes=attributes,
                dataSize=COMPACT.length,
            )
        )

    def _is_defined(self, tpm: Any, slot: Slot) -> bool:  # noqa: ANN401 -- a type of the library's
        # Asked for by name, a missing index is an error like others, and one that the library logs as such.
        index = FIRST_INDEX + slot
        _, found = tpm.get_capability(self._tss.TPM2_CAP.HANDLES, index, 1)
        return [int(handle) for handle in found.data.handles] == [index]

    def _ours(self, tpm: Any, slot: Slot) -> tuple[Any, bytes] | None:  # noqa: ANN401 -- types of the library's
        """Our index, and what was written there (nothing yet: no bytes); None where it is not defined.

        Raises:
            StoreBroken: the index is somebody else's.
        """
        if not self._is_defined(tpm, slot):
            return None
        handle = tpm.tr_from_tpmpublic(FIRST_INDEX + slot)
        found, ours = tpm.nv_read_public(handle)[0].nvPublic, self._public(slot).nvPublic
        written = int(self._tss.TPMA_NV.WRITTEN)
        attributes = int(found.attributes)
        if (attributes & ~written, found.dataSize) == (int(ours.attributes), ours.dataSize):
            content = bytes(tpm.nv_read(handle, ours.dataSize)) if attributes & written else b""
            if not content or content.startswith(MAGIC):
                return handle, content
        raise StoreBroken(
            f"NV index {FIRST_INDEX + slot:#x} of the TPM holds something that is not ours",
            hint=f"if nobody needs it: `tpm2_nvundefine {FIRST_INDEX + slot:#x}`",
        )

    def _undefine(self, tpm: Any, slot: Slot) -> None:  # noqa: ANN401 -- a type of the library's
        if ours := self._ours(tpm, slot):
            tpm.nv_undefine_space(ours[0])
