"""What the gateway is called on the LAN."""

import re

from hypothesis import given
from hypothesis import strategies as st

from agent.lan import names


@given(st.binary(min_size=4, max_size=4))
def test_one_number_is_all_there_is_to_know(number: bytes) -> None:
    host = names.draw_host(lambda count: number[:count])
    assert host == f"gateway-{number.hex()}.local"
    said = names.advertisement(host, 8443)
    assert (said.service, said.host, said.port) == ("_portvakt._tcp.local.", host, 8443)
    assert said.txt == {"txtvers": "1", "api": "1", "id": number.hex(), "tls": "1"}
    assert said.instances[0] == f"Gateway-{number.hex()[:4]}"
    assert len(set(said.instances)) == len(said.instances)
    assert all(re.fullmatch("Gateway-[0-9a-f]{4}", instance) for instance in said.instances)
