"""What is said when a server starts: where it is, who may come in, and how to end it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from facefeat.data.folder import escaped, printable
from facefeat.serve.server import Opened


def lines(opened: Opened, model: Path) -> RenderableType:
    """Lay out what is said."""
    known = f"{opened.people:,} {'people' if opened.people != 1 else 'person'}"
    parts = [
        Text.assemble((opened.address, "bold cyan"), overflow="fold"),
        Text(f"{printable(escaped(model.name))}, {known}; stop with Ctrl-C", style="dim"),
    ]
    if opened.token:
        said = "Whoever has this address may ask, add people and forget them. It goes over the network unencrypted, and so "
        said += "do photographs: put a proxy with TLS before it (docs/serve.md), which the camera needs too."
        parts.append(Text(said, style="yellow"))
    return Padding(Group(*parts), (0, 0, 0, 1))


def document(opened: Opened, model: Path) -> dict[str, Any]:
    """Describe it; schema ``facefeat/serve/1``."""
    return {
        "schema": "facefeat/serve/1",
        "address": opened.address,
        "port": opened.port,
        "token": opened.token,
        "model": escaped(str(model)),
        "people": opened.people,
    }
