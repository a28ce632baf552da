import sys

import pytest

import drivers.homekit
from agent.families import FAMILIES
from drivers.errors import Unsupported


def test_a_family_whose_library_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(drivers.homekit, "driver", raising=False)
    monkeypatch.setitem(sys.modules, "drivers.homekit.driver", None)
    with pytest.raises(Unsupported, match=r"portvakt\[homekit\]"):
        FAMILIES["homekit"].driver()


def test_homekit_can_be_driven() -> None:
    driver = FAMILIES["homekit"].driver()
    with pytest.raises(Unsupported):
        driver.line({"no": "record"}, lambda _: ())


async def test_homekit_forgets_by_its_record() -> None:
    with pytest.raises(Unsupported):
        await FAMILIES["homekit"].driver().forget({"no": "record"}, lambda _: ())
