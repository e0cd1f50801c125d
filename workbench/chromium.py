"""A page on paper: Chromium is started, asked through its own protocol (a pipe, no network), and ended."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from workbench.errors import MissingProgram, StageError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
_IN, _OUT = 3, 4  # where Chromium looks for the pipe
_HINT = "open the HTML file in a browser and print it there"


def find_chromium() -> str | None:
    """The path of Chromium or Chrome, or None; the environment variable WORKBENCH_CHROMIUM comes first."""
    named = os.environ.get("WORKBENCH_CHROMIUM", "")
    return next((path for path in map(shutil.which, (named, *NAMES) if named else NAMES) if path), None)


def known_chromium() -> str:
    """The path of Chromium.

    Raises:
        MissingProgram: there is none here.
    """
    browser = find_chromium()
    if browser is None or sys.platform == "win32":
        raise MissingProgram(
            f"a PDF needs Chromium, which was not found (looked for {', '.join(NAMES)})",
            hint=f"apt-get install chromium, or name it in WORKBENCH_CHROMIUM, or {_HINT}",
        )
    return browser


class Tab:
    """One page in a running Chromium: `ask` is a call of the DevTools protocol."""

    def __init__(self, source: int, target: int, seconds: float) -> None:
        self._source, self._target = source, target
        self._until = time.monotonic() + seconds
        self._waiting = b""
        self._asked = 0
        self._session: dict[str, Any] = {}
        opened = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.ask("Target.attachToTarget", targetId=opened, flatten=True)["sessionId"]}

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call.

        Raises:
            StageError: Chromium refuses, ends, or takes too long.
        """
        self._asked += 1
        sent = {"id": self._asked, "method": method, "params": parameters, **self._session}
        rest = memoryview(json.dumps(sent).encode() + b"\0")
        try:
            while rest:
                rest = rest[os.write(self._target, rest) :]
        except OSError as e:
            raise StageError(f"Chromium ended before {method}: {e}", hint=_HINT) from None
        for answer in self._answers():
            if answer.get("id") == self._asked:
                if "error" in answer:
                    raise StageError(f"Chromium refused {method}: {answer['error'].get('message')}", hint=_HINT)
                return dict(answer["result"])
        raise StageError(f"Chromium did not answer {method}", hint=_HINT)

    def _answers(self) -> Iterator[Mapping[str, Any]]:
        while True:
            while b"\0" not in self._waiting:
                left = self._until - time.monotonic()
                if left <= 0 or not select.select([self._source], [], [], left)[0]:
                    return
                got = os.read(self._source, 1 << 20)
                if not got:
                    return
                self._waiting += got
            one, self._waiting = self._waiting.split(b"\0", 1)
            yield json.loads(one)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression, or its promise, gives in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise StageError(f"the page failed: {found['exceptionDetails'].get('text')}", hint=_HINT)
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression holds in the page."""
        while not self.value(f"Boolean({expression})"):
            time.sleep(0.05)
            if time.monotonic() > self._until:
                raise StageError("the page was not drawn in time", hint=_HINT)

    def pdf(self, **options: Any) -> bytes:
        """The page as PDF; `options` as of `Page.printToPDF`."""
        return base64.b64decode(self.ask("Page.printToPDF", **options)["data"])


@contextmanager
def open_tab(seconds: float = 300.0) -> Iterator[Tab]:
    """An empty page in a Chromium of its own, which ends with the block.

    Args:
        seconds: that it may take in all.

    Raises:
        MissingProgram: there is no Chromium here.
        StageError: it does not start.
    """
    browser = known_chromium()
    with tempfile.TemporaryDirectory(prefix="workbench-", ignore_cleanup_errors=True) as profile:
        flags = [*_FLAGS, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:  # its sandbox refuses to run for root
            flags.append("--no-sandbox")
        pid, source, target = _start(browser, flags)
        try:
            tab = Tab(source, target, seconds)
            yield tab
            tab._session = {}
            tab.ask("Browser.close")
        finally:
            os.close(target)  # without its pipe Chromium ends
            os.close(source)
            _end(pid)


def _start(browser: str, flags: list[str]) -> tuple[int, int, int]:
    """The process of Chromium, where it answers and where it listens (file descriptors)."""
    import fcntl  # not on Windows

    theirs_in, target = os.pipe()
    source, theirs_out = os.pipe()
    # none of them may lie where another is put in the child
    spare = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 10) for handle in (theirs_in, theirs_out)]
    quiet = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, quiet, n) for n in (0, 1, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, spare[0], _IN), (os.POSIX_SPAWN_DUP2, spare[1], _OUT)]
    try:
        pid = os.posix_spawn(browser, [browser, *flags, "about:blank"], os.environ, file_actions=actions)
    except OSError as e:
        os.close(target)
        os.close(source)
        raise StageError(f"{browser} does not start: {e.strerror}", hint=_HINT) from None
    finally:
        for handle in (theirs_in, theirs_out, quiet, *spare):
            os.close(handle)
    return pid, source, target


def _end(pid: int) -> None:
    for _ in range(100):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
