"""A server in a process of its own, for benches: started, measured (on Linux, by /proc), ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


class Server:
    """One that answers.

    Parameters
    ----------
    process : Popen
    port : int
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def memory(self) -> tuple[float, float]:
        """Return what the server and the processes that decode for it have in memory, MB."""
        own, *decoders = (int(Path(f"/proc/{n}/statm").read_text().split()[1]) * PAGE / 1e6 for n in self._processes())
        return own, sum(decoders)

    def seconds(self) -> float:
        """Return the processor's seconds that both took so far."""
        fields = [Path(f"/proc/{n}/stat").read_text().rpartition(")")[2].split() for n in self._processes()]
        return sum(int(one[11]) + int(one[12]) for one in fields) / TICK

    def _processes(self) -> list[int]:
        lists = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [self.process.pid, *(int(n) for text in lists for n in text.read_text().split())]


@contextmanager
def server(model: Path, *options: str) -> Iterator[Server]:
    """Serve a model on a port that is free; it must end as asked."""
    command = [sys.executable, "-m", "facefeat", "serve", str(model), "--port", "0", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
            text += line
        found: dict[str, Any] = json.loads(text)
        try:
            yield Server(process, found["port"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 143, process.returncode
        finally:
            process.kill()
