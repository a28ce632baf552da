"""The section [lan] of the configuration."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import ConfigInvalid, check, load
from agent.config.model import Lan

LEAST = 'version = 1\ngateway.id = "gw-1"\n'


def written(folder: Path, section: str) -> Path:
    path = folder / "portvakt.toml"
    path.write_text(LEAST + section)
    return path


@pytest.mark.parametrize(
    ("section", "read"),
    [
        ("", None),
        ("[lan]", Lan()),
        (
            '[lan]\nport = 443\naddresses = ["192.0.2.1", "2001:db8::1"]',
            Lan(port=443, addresses=("192.0.2.1", "2001:db8::1")),
        ),
    ],
)
def test_what_is_read(tmp_path: Path, section: str, read: Lan | None) -> None:
    assert load(written(tmp_path, section), {}).lan == read
    assert Lan().port == 8443


@pytest.mark.parametrize(
    ("section", "key", "said"),
    [
        ("[lan]\nport = 0", "lan.port", "from 1 to 65535"),
        ("[lan]\nport = 65536", "lan.port", "from 1 to 65535"),
        ('[lan]\nport = "8443"', "lan.port", "number"),
        ("[lan]\naddresses = []", "lan.addresses", "at least one"),
        ('[lan]\naddresses = ["192.0.2.1", "eth0"]', "lan.addresses[1]", "not a numeric address"),
        ('[lan]\naddresses = ["gateway.local"]', "lan.addresses[0]", "not a numeric address"),
        ('[lan]\naddress = ["192.0.2.1"]', "lan.address", "addresses"),
        ("lan = 8443", "lan", ""),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, section: str, key: str, said: str) -> None:
    (problem,) = check(written(tmp_path, section), {})
    assert problem.key == key
    assert said in str(problem)


PORTS = ["true", "-1", "1.5", "99999999999999999999", "[]", "'x'", "{}", "1979-05-27"]
ADDRESSES = ["''", "'::'", "'0.0.0.0'", "'fe80::1%eth0'", "'1.2.3'", "1", "[]", "'\\u0000'"]


@given(port=st.sampled_from(PORTS), addresses=st.lists(st.sampled_from(ADDRESSES)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_there_is_a_problem_with_a_line(tmp_path: Path, port: str, addresses: list[str]) -> None:
    path = written(tmp_path, f"[lan]\nport = {port}\naddresses = [{', '.join(addresses)}]")
    assert check(path, {})
    with pytest.raises(ConfigInvalid):
        load(path, {})
