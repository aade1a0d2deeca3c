"""The fault machine: real extractions, each in a process of its own, disturbed at the n-th call that writes.

A server imports everything once and forks for every run. In the forked process the functions of ``os``
through which Python writes are replaced: they count the calls on what lies below one folder, and at the
n-th they kill the process, refuse, write half of the bytes, or take the folder back to what a loss of power
may leave of it. The program itself knows nothing of this.
"""

from __future__ import annotations

import errno
import functools
import gc
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

# What happens at the n-th call.
KILL = "kill"
ONCE = ("ENOSPC", "EIO")  # this call fails, later ones do not
LASTING = ("full", "dying")  # from here on no call finds space; from here on every call fails
HALVES = ("half, kill", "half, ENOSPC", "half, EIO")  # of a write; what fails then is the next one
POWER = ("power, early", "power, late")  # nothing survives but what was synced; names survive, contents do not

SHARD_ROWS = 3
SECONDS = 60  # no run takes as long; one that does hangs

_BY_PATH = ("open", "replace", "rename", "unlink", "remove", "mkdir", "rmdir", "truncate", "link", "symlink", "chmod")
_BY_HANDLE = (
    "write", "pwrite", "writev", "sendfile", "fsync", "fdatasync", "close", "ftruncate", "posix_fallocate", "lseek",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "os.chmod"}


@dataclass(frozen=True)
class Call:
    """One call that writes."""

    name: str
    path: str  # relative to the folder that is watched
    size: int = 0  # bytes, of a write


@dataclass(frozen=True)
class Run:
    """How an extraction ended."""

    how: str  # done, stopped by an error, killed, or hung
    error: str = ""
    sentence: str = ""
    trace: str = ""
    counts: tuple[int, ...] = ()  # images, computed, reused, duplicates
    calls: tuple[Call, ...] = ()
    unseen: tuple[str, ...] = ()  # writes that did not go through the functions that are replaced


class Machine:
    """Servers that fork for every run.

    Parameters
    ----------
    n : int
        Runs that may go on at the same time.
    """

    def __init__(self, n: int = 1) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a process with threads must not fork
        self._servers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.faulty"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env=environment,
                text=True,
            )
            for _ in range(n)
        ]
        self._idle: queue.Queue[subprocess.Popen[str]] = queue.Queue()
        for server in self._servers:
            self._idle.put(server)

    def run(
        self, data: Path, output: Path, kind: str = "", n: int = 0, *, below: Path | None = None, **options: Any
    ) -> Run:
        """Extract, with a fault of a kind at the n-th call below a folder (the output's, unless another is given).

        The options are those of ``extract``, with ``layer`` for the recipe, and ``code`` that is run before, to
        show what the machine finds.
        """
        command = {"data": str(data), "output": str(output), "below": str(below or output.parent), "kind": kind, "n": n}
        server = self._idle.get()
        try:
            if server.stdin is None or server.stdout is None:
                raise AssertionError("the server has no pipes")
            server.stdin.write(json.dumps({**command, "options": options}) + "\n")
            server.stdin.flush()
            answer = json.loads(server.stdout.readline())
        finally:
            self._idle.put(server)
        calls = tuple(Call(*call) for call in answer.pop("calls", ()))
        return Run(calls=calls, **{k: tuple(v) if isinstance(v, list) else v for k, v in answer.items()})

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.communicate()  # it ends when its input does


class Disk:
    """Stands between a process and the functions through which it writes.

    Parameters
    ----------
    root : str
        Only what lies below it, and the folder itself, counts.
    kind, n
        What happens at which call; ``''`` for nothing.
    """

    def __init__(self, root: str, kind: str, n: int) -> None:
        self.root, self.kind, self.n = os.path.abspath(root), kind, n
        self.calls: list[Call] = []
        self.unseen: list[str] = []
        self.handles: dict[int, str] = {}
        self.broken: set[int] = set()  # handles whose next write fails
        self.real = {name: getattr(os, name) for name in (*_BY_PATH, *_BY_HANDLE) if hasattr(os, name)}
        self.inside = False
        self.journal = Journal(self) if kind in POWER else None

    def replace_functions(self) -> None:
        """Take their place in ``os``, and watch for writing that goes past them."""
        for name in self.real:
            setattr(os, name, functools.partial(self._call, name))
        sys.addaudithook(self._audit)

    def _give_back(self) -> None:
        for name, function in self.real.items():
            setattr(os, name, function)

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        path = self._path(name, args)
        if path is None:
            return self.real[name](*args, **options)
        size = len(memoryview(args[1]).cast("B")) if name == "write" else 0
        self.calls.append(Call(name, os.path.relpath(path, self.root), size))
        if self.kind and (len(self.calls) == self.n or (self.kind in LASTING and len(self.calls) > self.n)):
            short = self._strike(name, args)
            if short is not None:
                return short
        if name == "write" and args[0] in self.broken:
            _fail(self.kind.split()[-1])
        self.inside = True
        try:  # a kill leaves what the system has in memory: syncing would only cost time
            result = None if name in ("fsync", "fdatasync") else self.real[name](*args, **options)
        finally:
            self.inside = False
        if name == "open":
            self.handles[result] = path
        elif name == "close":
            del self.handles[args[0]]
            self.broken.discard(args[0])
        if self.journal:
            self.journal.note(name, path, args, result)
        return result

    def _path(self, name: str, args: tuple[Any, ...]) -> str | None:
        """Return what is written, or None where it does not count."""
        if name in _BY_HANDLE:
            return self.handles.get(args[0])
        path = self._below(args[0])
        if name == "open" and path and not (args[1] & _WRITING or os.path.isdir(path)):
            return None
        return path

    def _below(self, path: Any) -> str | None:
        if isinstance(path, int):
            return None
        path = os.path.abspath(os.fsdecode(path))
        return path if path == self.root or path.startswith(self.root + os.sep) else None

    def _strike(self, name: str, args: tuple[Any, ...]) -> int | None:
        if self.journal:
            self._give_back()
            self.journal.lose_power(late=self.kind == "power, late")
        if self.kind == KILL or self.journal:
            _die()
        if self.kind in HALVES:
            return self._half(*args[:2]) if name == "write" else None
        if self.kind == "full" and not self._takes_space(name, args):
            return None
        if name == "close":  # the system closes it even so
            del self.handles[args[0]]
            self.real["close"](args[0])
        _fail({"full": "ENOSPC", "dying": "EIO"}.get(self.kind, self.kind))
        return None

    def _takes_space(self, name: str, args: tuple[Any, ...]) -> bool:
        if name == "open":
            return bool(args[1] & os.O_CREAT) and not os.path.exists(args[0])
        return name in ("write", "posix_fallocate") or (name == "mkdir" and not os.path.exists(args[0]))

    def _half(self, handle: int, data: Any) -> int:
        half = memoryview(data).cast("B")
        written: int = self.real["write"](handle, half[: len(half) // 2])
        if self.kind == "half, kill":
            _die()
        self.broken.add(handle)
        return written

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _EVENTS and not self.inside and args[0] is not None:
            path = self._below(args[0])
            if path and (event != "open" or (args[2] or 0) & _WRITING):
                self.unseen.append(f"{event} {path}")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(name: str) -> None:
    number = getattr(errno, name)
    raise OSError(number, os.strerror(number))


@dataclass(eq=False)
class _Node:
    """A file, by what it held when it was last synced; or a folder, by its names now and when it was last synced."""

    synced: bytes = b""
    names: dict[str, _Node] | None = None
    synced_names: dict[str, _Node] = field(default_factory=dict)


class Journal:
    """What a journaling file system owes a folder: contents and names that were synced, and nothing else."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.root = self._read(Path(disk.root))
        self.nodes: dict[int, _Node] = {}

    def _read(self, path: Path) -> _Node:
        """Take a tree as it lies there for durable."""
        if not path.is_dir():
            return _Node(path.read_bytes())
        names = {child.name: self._read(child) for child in path.iterdir()}
        return _Node(names=names, synced_names=dict(names))

    def _at(self, path: str) -> tuple[dict[str, _Node], str]:
        """Find the folder's names, and the name in it."""
        *above, name = Path(os.path.abspath(path)).relative_to(self.disk.root).parts
        names = self.root.names
        for part in above:
            names = names[part].names if names is not None else None
        if names is None:
            raise AssertionError(f"{path} does not lie in a folder that is watched")
        return names, name

    def note(self, name: str, path: str, args: tuple[Any, ...], result: Any) -> None:
        """Follow a call that went well."""
        if name == "open":
            names, leaf = self._at(path) if path != self.disk.root else ({"": self.root}, "")
            self.nodes[result] = names.setdefault(leaf, _Node())
        elif name == "mkdir":
            names, leaf = self._at(path)
            names[leaf] = _Node(names={})
        elif name in ("replace", "rename"):
            names, leaf = self._at(path)
            moved = names.pop(leaf)
            names, leaf = self._at(os.fspath(args[1]))
            names[leaf] = moved
        elif name in ("unlink", "remove", "rmdir"):
            names, leaf = self._at(path)
            del names[leaf]
        elif name in ("fsync", "fdatasync"):
            node = self.nodes[args[0]]
            if node.names is None:
                node.synced = os.pread(args[0], os.fstat(args[0]).st_size, 0)
            else:
                node.synced_names = dict(node.names)

    def lose_power(self, *, late: bool) -> None:
        """Leave the worst: contents as they were last synced, names likewise or, if late, as they are now."""
        shutil.rmtree(self.disk.root)
        self._write(self.root, Path(self.disk.root), late)

    def _write(self, node: _Node, path: Path, late: bool) -> None:
        if node.names is None:
            path.write_bytes(node.synced)
            return
        path.mkdir()
        for name, child in (node.names if late else node.synced_names).items():
            self._write(child, path / name, late)


def _serve() -> None:
    """Fork for each command on standard input; answer on standard output."""
    _warm_up()
    gc.freeze()
    for line in sys.stdin:
        come, to = os.pipe()
        child = os.fork()
        if not child:
            os.close(come)
            _run(json.loads(line), to)
        os.close(to)
        with open(come) as pipe:
            said = pipe.read()
        status = os.waitpid(child, 0)[1]
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        answer = said or json.dumps({"how": "killed" if ended == signal.SIGKILL else f"ended by signal {ended}"})
        print(answer, flush=True)


def _warm_up() -> None:
    """Import what a run imports, and put what is not to be tested out of the way."""
    from facefeat.data import picture, pixels
    from facefeat.features import extract
    from tests.making import write_people

    engine = SimpleNamespace(name="numpy", device="a test", precision="float32")
    extract.choose = lambda *_: engine  # type: ignore[attr-defined,assignment]
    picture.decode_for = pixels.decode  # in this process: the processes that decode are tested elsewhere
    with tempfile.TemporaryDirectory() as folder:
        data = write_people(Path(folder) / "people", {"ada": 1}, size=16)
        _extract({"data": data, "output": Path(folder) / "features.h5", "options": {}})


def _extract(command: Mapping[str, Any]) -> Any:
    from facefeat.features import compute
    from facefeat.features.encode import plan
    from facefeat.features.extract import extract

    options = {"layer": "grey4", "code": "", **command["options"]}
    compute.SHARD_ROWS = SHARD_ROWS
    recipe = plan("thumb", layers=[options.pop("layer")], faces_mode="none")
    exec(options.pop("code"), {})
    return extract(command["data"], command["output"], recipe, **options)


def _run(command: Mapping[str, Any], to: int) -> None:
    """Extract under the fault, say how it ended, and end."""
    signal.alarm(SECONDS)
    disk = Disk(command["below"], command["kind"], command["n"])
    disk.replace_functions()
    answer: dict[str, Any]
    try:
        done = _extract(command)
        answer = {"how": "done", "counts": [done.images, done.computed, done.reused, done.duplicates]}
    except BaseException as error:
        answer = {
            "how": "stopped",
            "error": type(error).__name__,
            "sentence": str(error),
            "trace": traceback.format_exc(),
        }
    answer |= {"calls": [[call.name, call.path, call.size] for call in disk.calls], "unseen": disk.unseen}
    with open(to, "w") as pipe:
        pipe.write(json.dumps(answer))
    os._exit(0)


if __name__ == "__main__":
    _serve()
