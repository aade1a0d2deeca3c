"""Connections that say nothing, or never end what they say, are closed."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from facefeat.serve.limits import Limits


def patient(limits: Limits) -> type[H11Protocol]:
    """Make the protocol of connections with these limits.

    uvicorn waits for the first request of a connection, and for the rest of any request's head, for ever.

    Parameters
    ----------
    limits : Limits

    Returns
    -------
    type
    """

    class Patient(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.abort()
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _wait(self) -> None:
            """Let time run while no request is being answered; what comes meanwhile does not prolong it."""
            answering = self.cycle is not None and not self.cycle.response_complete
            if answering:
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(limits.head_seconds, self.transport.abort)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Patient
