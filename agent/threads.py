"""Threads for calls that may hang: a name look-up without a name server, a connection to a host that is not there."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Unwaited(ThreadPoolExecutor):
    """The event loop's executor, one thread a call, for whose end nobody waits.

    No such call can be interrupted. The standard executor's threads are waited for when the loop closes, and again
    when the interpreter ends: a name server that is away would hold up our own end for as long as it takes libc to
    give up. What must be finished, such as a write, does not belong here: `privacy.store.Disk` has its own thread.
    """

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        Thread(target=call, name="unwaited", daemon=True).start()
        return future
