"""A server that speaks S3 on the loopback, and data sets put elsewhere than into folders."""

from __future__ import annotations

import io
import logging
import socket
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest

BUCKET = "photographs"


@contextmanager
def serving() -> Iterator[str]:
    """Serve S3; gives the address of the server."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def use(endpoint: str, patch: pytest.MonkeyPatch) -> None:
    """Let S3 be the one at an address, with some credentials."""
    patch.setenv("AWS_ENDPOINT_URL", endpoint)
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def closed_port() -> int:
    """Return a port of the loopback at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def put(folder: Path, address: str) -> str:
    """Copy every file of a folder to an address."""
    files, root = fsspec.url_to_fs(address, skip_instance_cache=True)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"{root}/{path.relative_to(folder).as_posix()}"
            files.makedirs(key.rpartition("/")[0], exist_ok=True)
            files.pipe_file(key, path.read_bytes())
    return address


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a folder, by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tarred(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """Make a tar of bytes by their names, or of members that are something else than files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, member in members.items():
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(member)
                archive.addfile(info, io.BytesIO(member))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """Make a member that is a link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def samples(people: Mapping[str, bytes], kind: str, label: str = "{}") -> dict[str, bytes]:
    """Lay pictures out as webdataset does: by numbers, beside whose they are."""
    made: dict[str, bytes] = {}
    for number, (path, data) in enumerate(sorted(people.items())):
        made[f"{number:05}.png"] = data
        made[f"{number:05}.{kind}"] = label.replace("{}", path.partition("/")[0]).encode()
    return made
