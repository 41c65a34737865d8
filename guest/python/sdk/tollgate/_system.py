"""What Python's library asks of the system, in a component that has none.

The time and randomness come from the gate; output becomes log lines; what is not there (files, sockets,
threads, modules that were not loaded) raises an error that says so, instead of ending the call.
"""

from __future__ import annotations

import _thread
import ast
import builtins
import errno
import importlib
import io
import linecache
import os
import random as library_random
import sys
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn, TextIO

from . import clock, log, random
from ._wit import Gate

MAX_LINES = 90
"""The most log lines of a call: the gate drops those after 100, and the report of a fault must not be one."""
MAX_FRAMES = 12
MAX_REPORT = 3000
# What Python loads when it is first used, which is too late in a call.
_LATER = """_strptime base64 binascii calendar codecs contextlib encodings.ascii encodings.cp1252 encodings.iso8859_1
encodings.iso8859_15 encodings.idna
encodings.latin_1 encodings.punycode encodings.utf_16 encodings.utf_16_le encodings.utf_16_be encodings.utf_32
encodings.utf_8_sig encodings.unicode_escape ipaddress logging stringprep traceback uuid warnings zlib""".split()
_ABSENT = {
    "open": "files of its own; use tollgate.files",
    "socket": "network of its own; use tollgate.http",
    "subprocess": "other programs",
    "shutil": "files of its own; use tollgate.files",
    "tempfile": "files of its own; use tollgate.files",
    "glob": "files of its own; use tollgate.files",
    "os": "system and files of its own; use tollgate.files and tollgate.config",
}
_HARMLESS = ("os.putenv", "os.unsetenv")


class System:
    """Stands for the system while a gate is open, and for nothing while the component is built."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.lines = 0
        self.dropped = 0
        self.seeded = False

    def install(self) -> None:
        """Replaces what Python's library would ask the system for. Call it before the tools are loaded."""
        sys.stdin = io.StringIO()
        for name, level in (("stdout", "info"), ("stderr", "warn")):
            output = Output(self, level, getattr(sys, name))
            setattr(sys, name, output)
            setattr(sys, f"__{name}__", output)
        self._install_time()
        self._install_randomness()
        for name in ("stat", "lstat", "access", "readlink", "getpid", "getppid", "cpu_count"):
            if hasattr(os, name):
                self._replace(os, name, lambda *_, **__: _absent("os"))
        for name in ("start_new_thread", "start_new", "start_joinable_thread", "_start_joinable_thread"):
            if hasattr(_thread, name):
                self._replace(_thread, name, _no_thread)
        sys.addaudithook(self._audit)
        self._install_logging()

    def finish(self) -> None:
        """Loads what a call would load later. Call it after the tools are loaded; then nothing can be loaded."""
        own = [module for module in list(sys.modules.values()) if _is_own(module)]
        for name in [*_LATER, *(name for module in own for name in _later_imports(module))]:
            try:
                importlib.import_module(name)
            except ImportError:
                pass
        for module in own:
            _keep_source(module)
        sys.meta_path[:] = [*sys.meta_path[:2], Absence(self.gate)]

    def flush(self) -> None:
        """Logs the last lines of the output."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Output):
                stream.end()
        if self.dropped:
            log.warn(f"{self.dropped} more lines of this call were dropped")

    def _install_time(self) -> None:
        def seconds() -> float:
            return clock.unix_millis() / 1000

        def elapsed() -> float:
            return clock.elapsed().total_seconds()

        for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
            self._replace(time, name, elapsed)
            self._replace(time, f"{name}_ns", lambda: round(elapsed() * 1000) * 1_000_000)
        self._replace(time, "time", seconds)
        self._replace(time, "time_ns", lambda: clock.unix_millis() * 1_000_000)
        self._replace(time, "clock_gettime", lambda which: seconds() if which == 0 else elapsed())
        self._replace(time, "sleep", _no_sleep)
        for name in ("gmtime", "localtime", "ctime"):
            own = getattr(time, name)
            self._replace(time, name, lambda at=None, own=own: own(seconds() if at is None else at))
        # Finer than the gate's clock is nothing.
        self._replace(time, "get_clock_info", lambda _: SimpleNamespace(resolution=0.001, monotonic=True))
        self._replace(time, "clock_getres", lambda _: 0.001)
        written, spelled = time.strftime, time.asctime
        self._replace(time, "strftime", lambda form, at=None: written(form, time.gmtime() if at is None else at))
        self._replace(time, "asctime", lambda at=None: spelled(time.gmtime() if at is None else at))

    def _install_randomness(self) -> None:
        self._replace(os, "urandom", random.bytes)
        setattr(library_random, "_urandom", os.urandom)
        seed = library_random.Random.seed

        def seeded(own: library_random.Random, a: Any = None, version: int = 2) -> None:
            # The generator would ask the system.
            a = int.from_bytes(os.urandom(32), "big") if a is None and self.gate.open else a
            seed(own, a, version)

        setattr(library_random.Random, "seed", seeded)
        shared: library_random.Random = library_random._inst
        for name, own in list(vars(library_random).items()):
            if getattr(own, "__self__", None) is shared:
                setattr(library_random, name, self._seeding(shared, name))

    def _seeding(self, shared: library_random.Random, name: str) -> Callable[..., Any]:
        """A function of `random`, which is seeded anew in each call: the component's state is the same in each."""

        def drawn(*arguments: Any, **more: Any) -> Any:
            if self.gate.open and not self.seeded:
                self.seeded = True
                if name != "seed":
                    shared.seed()
            return getattr(shared, name)(*arguments, **more)

        return drawn

    def _install_logging(self) -> None:
        import logging

        logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
        levels = {"DEBUG": log.debug, "INFO": log.info, "WARNING": log.warn}

        class Handler(logging.Handler):
            def emit(own, record: logging.LogRecord) -> None:  # noqa: N805
                if self.gate.open:
                    self.say(levels.get(record.levelname, log.error), own.format(record))

        handler = Handler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.INFO)
        logging.captureWarnings(True)

    def say(self, level: Callable[[str], None], line: str) -> None:
        """Logs a line, unless there were too many."""
        if self.lines >= MAX_LINES:
            self.dropped += 1
            return
        self.lines += 1
        level(line)

    def _replace(self, module: ModuleType, name: str, function: Callable[..., Any]) -> None:
        """Within a call, `function` is used instead of a function of a module."""
        own = getattr(module, name, None)

        def replaced(*arguments: Any, **more: Any) -> Any:
            if self.gate.open or own is None:
                return function(*arguments, **more)
            return own(*arguments, **more)

        replaced.__name__ = replaced.__qualname__ = name
        setattr(module, name, replaced)

    def _audit(self, event: str, _: tuple[Any, ...]) -> None:
        # Python reports what it is about to do. An error keeps it from being done.
        if self.gate.open and event not in _HARMLESS:
            kind = event.partition(".")[0]
            if kind in _ABSENT:
                _absent(kind)


def _absent(kind: str) -> NoReturn:
    raise OSError(errno.ENOSYS, f"a tool has no {_ABSENT[kind]}")


def _no_sleep(_: float) -> NoReturn:
    raise OSError(errno.ENOSYS, "a tool cannot sleep; it has tollgate.clock to see the time, and a limited time to run")


def _no_thread(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("a tool cannot start a thread: it has one")


class Output(io.TextIOBase):
    """Standard output or error: each line is a log line."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, system: System, level: str, own: TextIO) -> None:
        self._system = system
        self._own = own
        self._level = level
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not self._system.gate.open:
            self._own.write(text)
        else:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._say(line)
        return len(text)

    def end(self) -> None:
        """Logs a last line without an end."""
        rest, self._rest = self._rest, ""
        self._say(rest)

    def _say(self, line: str) -> None:
        if line.strip():
            self._system.say(getattr(log, self._level), line)


class Absence:
    """A finder of modules that finds none."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def find_spec(self, name: str, *_: Any) -> None:
        """Says why there is none."""
        raise ModuleNotFoundError(
            f"No module named {name!r} in the component: import it at the top of tool.py, and list packages in "
            "requirements.txt",
            name=name,
        )


def _is_own(module: ModuleType) -> bool:
    """Whether a module is the tool's own, and not of a library or this SDK."""
    path = getattr(module, "__file__", None) or ""
    return path.endswith(".py") and path.startswith("/0/") and not path.startswith("/0/sdk/")


def _later_imports(module: ModuleType) -> list[str]:
    """What functions of a module import."""
    try:
        tree = ast.parse(_source(module))
    except (OSError, SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _keep_source(module: ModuleType) -> None:
    """Keeps the lines of a module, so that a traceback shows them."""
    try:
        text = _source(module)
    except OSError:
        return
    path = str(module.__file__)
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


def _source(module: ModuleType) -> str:
    with builtins.open(str(module.__file__), encoding="utf-8") as file:
        return file.read()


def fault(error: BaseException) -> str:
    """An error that a tool did not expect, for the operator: type, message and where it happened, latest first."""
    import traceback

    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(lines) < MAX_FRAMES:
        text = f"{type(seen).__name__}: {seen}".removesuffix(": ")
        lines.append(f"caused by {text}" if lines else text)
        frames = traceback.extract_tb(seen.__traceback__)[::-1]
        # The tool's own frames, and where the error is from, unless that is this SDK.
        own = [frame for frame in frames if frame is frames[0] or frame.filename.startswith("/0/")]
        own = [frame for frame in own if "/tollgate" not in frame.filename]
        lines += [f"  at {_place(frame)}" for frame in own[:MAX_FRAMES]]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(lines)[:MAX_REPORT]


def _place(frame: Any) -> str:
    path = frame.filename.removeprefix("/0/").removeprefix("/1/").removeprefix("/python/")
    return f"{path}:{frame.lineno} in {frame.name}" + (f": {frame.line}" if frame.line else "")
