"""The floor of an idle agent: bare pymodbus reads the heat pump's registers at the agent's pace, and nothing else.

python bare_polling.py PORT SECONDS
"""

import asyncio
import sys

from pymodbus.client import AsyncModbusSerialClient


async def poll(port: str, seconds: float) -> None:
    client = AsyncModbusSerialClient(port, baudrate=9600)
    await client.connect()
    while True:
        await client.read_input_registers(0, count=3, device_id=1)
        await client.read_holding_registers(0, count=2, device_id=1)
        await asyncio.sleep(seconds)


asyncio.run(poll(sys.argv[1], float(sys.argv[2])))
