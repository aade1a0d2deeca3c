"""A headless Chromium, spoken to through a pipe by the DevTools protocol: no driver, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds for an answer


class Browser:
    """One tab, and what it said and asked for."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._buffer, self._number, self._session = to, back, b"", 0, ""
        self.said: list[str] = []  # on the console, and what the browser logs, such as a policy that refused something
        self.asked: list[str] = []  # addresses
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._wait(lambda found: found.get("id") == self._number)

    def _wait(self, wanted: Any) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while True:
            found = self._next(until)
            self._note(found)
            if wanted(found):
                assert "error" not in found, found
                return dict(found.get("result", {}))

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._back], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._back, 1 << 20)
            if not data:
                raise ConnectionError("the browser ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(line))

    def _note(self, found: dict[str, Any]) -> None:
        method, values = found.get("method"), found.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.said.append(str(values["args"]))
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(values["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.said.append(values["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(values["request"]["url"])

    def show(self, page: Path | str, width: int, height: int = 844, scheme: str = "light") -> None:
        """Open a file or an address as a screen of this size shows it, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        self._wait(lambda found: found.get("method") == "Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript, from outside of the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until JavaScript says so."""
        deadline = time.monotonic() + PATIENCE
        while not self.value(expression):
            assert time.monotonic() < deadline, (expression, self.value("document.body.innerText"), self.said)
            time.sleep(0.02)

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files in an input, as a person does in the system's dialog."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file) for file in files], nodeId=node)

    def press(self, key: str, times: int = 1, shift: bool = False) -> None:
        """Press a key: Tab, Enter, Escape or a space."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = {"Enter": "\r", " ": " "}.get(key)
        given = {"key": key, "windowsVirtualKeyCode": codes[key], "modifiers": 8 if shift else 0}
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown", **given, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self) -> bytes:
        """Return the whole page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def paper(self) -> bytes:
        """Return the page as a PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])


def found() -> str | None:
    """Return the browser that is installed, if any."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser(program: str, profile: Path, *options: str) -> Iterator[Browser]:
    """Start a browser that keeps everything in a folder, and end it."""
    (theirs_in, to), (back, theirs_out) = os.pipe(), os.pipe()
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage",
        "--remote-debugging-pipe", f"--user-data-dir={profile}", *options, "about:blank",
    ]  # fmt: skip
    # The browser reads commands at 3 and answers at 4.
    shell = ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', *command]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(shell, pass_fds=(theirs_in, theirs_out), stdin=quiet, stdout=quiet, stderr=quiet)
    for end in (theirs_in, theirs_out):
        os.close(end)
    try:
        yield Browser(to, back)
    finally:
        process.kill()
        process.wait()
        os.close(to)
        os.close(back)
