import asyncio
from tests.scenarios.test_a_year import *
async def test_it(year):
    t = asyncio.create_task(live(year, 1))
    done, _ = await asyncio.wait([t], timeout=12)
    if not done:
        for task in asyncio.all_tasks():
            task.print_stack(limit=6)
        t.cancel()
