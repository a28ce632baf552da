"""What hangs in a thread holds up nobody's end."""

import asyncio
import subprocess
import sys
import threading

import pytest

from agent.threads import Unwaited

HANGS = """
import asyncio, threading
from agent.threads import Unwaited

async def run():
    asyncio.get_running_loop().set_default_executor(Unwaited())
    try:
        async with asyncio.timeout(0.2):
            await asyncio.to_thread(threading.Event().wait)
    except TimeoutError:
        print("gave up", flush=True)

asyncio.run(run())
"""


def test_a_call_that_hangs_does_not_hold_up_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "gave up\n", "")


async def test_a_call_returns_and_raises_as_in_any_executor() -> None:
    asyncio.get_running_loop().set_default_executor(Unwaited())
    assert await asyncio.to_thread(lambda: threading.current_thread().daemon)
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 / 0)


async def test_hanging_calls_take_no_place_from_others() -> None:
    asyncio.get_running_loop().set_default_executor(Unwaited())
    release = threading.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(40):  # more than the standard executor has threads
            group.create_task(asyncio.to_thread(release.wait, 20))
        async with asyncio.timeout(15):
            assert await asyncio.to_thread(lambda: "done") == "done"
        release.set()
