"""uvicorn, ending so that nothing it accepted is dropped."""

from __future__ import annotations

import asyncio
import socket
import time

import uvicorn

from facefeat.serve.app import Site, app_of
from facefeat.serve.patience import patient

_TURN = 0.05  # seconds between two looks at what is left


class DrainingServer(uvicorn.Server):
    """Answer on a socket; once asked to end, refuse what is new with 503 and finish the rest.

    Parameters
    ----------
    site : Site
    listening : socket
        Bound, and closed in the end.
    """

    def __init__(self, site: Site, listening: socket.socket) -> None:
        self._site, self._listening = site, listening
        self._guard = app_of(site)
        config = uvicorn.Config(
            self._guard,
            http=patient(site.limits),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=max(1, round(site.limits.head_seconds / 2)),
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)

    def answer(self) -> None:
        """Answer until asked to end."""
        try:
            self.run([self._listening])
        finally:
            self.close()

    def close(self) -> None:
        """Give the port and the threads back."""
        self._listening.close()
        self._site.pipeline.close()

    def stop(self) -> None:
        """Ask it to end, from another thread."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what was accepted, then close."""
        self._guard.stopping = True
        deadline = time.monotonic() + self._site.limits.drain_seconds
        while self._guard.active and not self.force_exit and time.monotonic() < deadline:
            await asyncio.sleep(_TURN)
        await super().shutdown(sockets)
