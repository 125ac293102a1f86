"""Whether the process lives, and whether it can take work."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from samgeo_core.web.context import AppContext

LEAST_FREE_BYTES = 512 << 20
"""With less than this no result is likely to fit."""

_UNKEPT = {"Cache-Control": "no-store"}


class Health:
    """Routes for those who watch the server.

    Args:
        context: the process's context.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context

    async def healthz(self, request: Request) -> Response:
        """That the process answers."""
        return JSONResponse({"status": "ok"}, headers=_UNKEPT)

    async def readyz(self, request: Request) -> Response:
        """That it can take work; 503 with the reasons where it can't."""
        troubles = await anyio.to_thread.run_sync(self._troubles)
        status = {"status": "not ready" if troubles else "ready", "troubles": troubles}
        return JSONResponse(status, status_code=503 if troubles else 200, headers=_UNKEPT)

    def _troubles(self) -> list[str]:
        """Sentences without paths: anybody may ask."""
        troubles = []
        if self._context.jobs.closed:
            troubles.append("The server is shutting down.")
        folder = self._context.settings.data_dir
        if not _is_writable(folder):
            troubles.append("The data folder can't be written.")
        elif shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            troubles.append(f"Less than {LEAST_FREE_BYTES >> 20} MiB of disk are free.")
        return troubles


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"ready")
    except OSError:
        return False
    return True
