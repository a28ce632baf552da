"""A camera on a real connection, of which every byte that comes in is seen: one JPEG over HTTP/1.1, kept alive."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from PIL import Image


class WatchedCamera:
    """Answers each request with a picture, or with half of one while it is told to `hang`."""

    def __init__(self) -> None:
        out = io.BytesIO()
        Image.new("RGB", (64, 48), "grey").save(out, "JPEG")
        self.jpeg = out.getvalue()
        self.url = ""
        self.heard = 0
        """Bytes, of all connections."""
        self.requests = 0
        self.connections = 0
        """Ever made."""
        self.open = 0
        self.hang = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            line = b""
            while chunk := await reader.readline():
                self.heard += len(chunk)
                line = chunk
                if line == b"\r\n":
                    self.requests += 1
                    await self._answer(writer)
        except ConnectionError:
            pass  # the agent hung up
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(self.jpeg)}\r\n\r\n"
        writer.write(head.encode())
        writer.write(self.jpeg[: len(self.jpeg) // 2] if self.hang else self.jpeg)
        await writer.drain()


@asynccontextmanager
async def watched_camera() -> AsyncIterator[WatchedCamera]:
    camera = WatchedCamera()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            talks.add(task)
        await camera.talk(reader, writer)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    camera.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/snapshot.jpg"
    try:
        yield camera
    finally:
        server.close()
        for task in talks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*talks, return_exceptions=True)
