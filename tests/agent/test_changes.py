import asyncio
from collections.abc import AsyncIterator

from agent.api.contract import Section
from agent.changes import Changes


async def begun(changes: Changes) -> AsyncIterator[frozenset[Section]]:
    """A follower that follows already: it hears of a first mark, so that none after it is missed."""
    follower = changes.follow()
    first = asyncio.create_task(anext(follower))
    await asyncio.sleep(0)
    changes.mark("link")
    assert await first == {"link"}
    return follower


async def test_marks_while_a_follower_is_slow_melt_into_one_turn() -> None:
    changes = Changes()
    follower = await begun(changes)
    for _ in range(1000):
        changes.mark("devices")
    changes.mark("log", "receipts")
    assert await anext(follower) == {"devices", "log", "receipts"}
    changes.mark("found")
    assert await anext(follower) == {"found"}, "each turn says what is new since the last"


async def test_every_follower_gets_its_own() -> None:
    changes = Changes()
    quick, slow = await begun(changes), await begun(changes)
    assert await anext(quick) == {"link"}, "of the other's beginning"
    changes.mark("devices")
    assert await anext(quick) == {"devices"}
    changes.mark("log")
    assert await anext(quick) == {"log"}
    assert await anext(slow) == {"devices", "log"}


async def test_nothing_comes_where_nothing_changed() -> None:
    follower = await begun(Changes())
    waiting = asyncio.create_task(anext(follower))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()


async def test_who_leaves_is_forgotten() -> None:
    changes = Changes()
    follower = changes.follow()
    waiting = asyncio.create_task(anext(follower))
    await asyncio.sleep(0)
    assert len(changes._followers) == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert changes._followers == {}
    changes.mark("devices")
