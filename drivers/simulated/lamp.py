"""A dimmable HomeKit lamp on this machine, on HAP-python: a program of its own, for the demo, the tests and by hand.

    python -m drivers.simulated.lamp --state /tmp/lamp --name "Hall lamp"

Its output is JSON, one line when it can be found and one for each value it is set to. Its pairing survives any end
in `--state`; its light does not. SIGUSR1 is somebody at its own switch; SIGTERM ends it.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

from pyhap.accessory import Accessory
from pyhap.accessory_driver import AccessoryDriver
from pyhap.const import CATEGORY_LIGHTBULB
from pyhap.hap_server import HAPServer

from drivers.discovery import responder
from drivers.errors import DriverError


class _Server(HAPServer):  # type: ignore[misc] # the library has no types
    """Port 0 means any; what is announced is then the port it got."""

    async def async_start(self, loop: asyncio.AbstractEventLoop) -> None:
        await super().async_start(loop)
        self.accessory_handler.state.port = self.server.sockets[0].getsockname()[1]


class Lamp(Accessory):  # type: ignore[misc] # the library has no types
    """On and Brightness (HAP R2, 8.23). Says each value that it is set to."""

    category = CATEGORY_LIGHTBULB

    def __init__(self, driver: AccessoryDriver, name: str) -> None:
        super().__init__(driver, name)
        self.set_info_service(firmware_revision="1", manufacturer="Portvakt", model="Simulated lamp", serial_number="1")
        bulb = self.add_preload_service("Lightbulb", chars=["On", "Brightness"])
        self._on = bulb.configure_char("On", value=False, setter_callback=lambda on: say(on=bool(on)))
        bulb.configure_char("Brightness", value=100, setter_callback=lambda level: say(brightness=level))

    def switch(self) -> None:
        """Somebody presses its own switch."""
        self._on.set_value(not self._on.value)

    def setup_message(self) -> None:
        """The code is on the command line already."""


def say(**what: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def serve(address: str, port: int, code: str, state: Path, name: str) -> None:
    """Be a lamp until SIGTERM or SIGINT.

    Raises:
        DriverError: this machine has no such address.
        OSError: the port is in use.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    driver = AccessoryDriver(
        loop=loop,
        address=address,
        port=port,
        pincode=code.encode(),
        persist_file=str(state / "lamp.json"),
        async_zeroconf_instance=responder([address]),
    )
    driver.http_server = _Server((address, port), driver)
    lamp = Lamp(driver, name)
    driver.add_accessory(lamp)
    await driver.async_start()
    loop.add_signal_handler(signal.SIGUSR1, lamp.switch)
    say(ready=True, name=name, address=address, port=driver.state.port, paired=driver.state.paired)
    await stop.wait()
    await driver.async_stop()


def main() -> int:
    """Run the lamp; 0 after SIGTERM, 2 when it cannot be run as asked."""
    parser = argparse.ArgumentParser(
        prog="python -m drivers.simulated.lamp",
        description="A dimmable HomeKit lamp on this machine.",
        epilog="SIGUSR1 presses its own switch.",
    )
    parser.add_argument(
        "--address", default="127.0.0.1", help="address of the one interface that it uses (default %(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 takes a free one (default %(default)s)")
    parser.add_argument("--code", default="031-45-154", help="the code to adopt it with (default %(default)s)")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="folder of its pairing")
    parser.add_argument("--name", default="Lamp", help="what it calls itself (default %(default)s)")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        asked.state.mkdir(parents=True, exist_ok=True)
        asyncio.run(serve(asked.address, asked.port, asked.code, asked.state, asked.name))
    except (DriverError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
