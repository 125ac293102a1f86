"""Whether any process opened a file of a folder: Linux tells (inotify)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver


class _Listener(FileSystemEventHandler):
    def __init__(self) -> None:
        self.paths: list[str] = []

    def on_opened(self, event: FileSystemEvent) -> None:
        if not event.is_directory:
            self.paths.append(str(event.src_path))


@contextmanager
def opened_files(folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Watch a folder; yields what tells the files of it that were opened since.

    The watch is tried on a file of its own first, so that its silence means something.

    Raises:
        RuntimeError: the system doesn't tell.
    """
    listener, observer = _Listener(), InotifyObserver()
    observer.schedule(listener, str(folder))
    observer.start()
    try:
        probe = folder / "probe"
        probe.write_text("probe")
        probe.read_text()
        probe.unlink()
        _settle(observer)
        if not listener.paths:
            raise RuntimeError("This system doesn't tell which files are opened.")
        listener.paths.clear()

        def told() -> list[str]:
            _settle(observer)
            return list(listener.paths)

        yield told
    finally:
        observer.stop()
        observer.join()


def _settle(observer: InotifyObserver) -> None:
    """Wait for what is on its way: watchdog holds events back for half a second."""
    observer.join(1.5)
