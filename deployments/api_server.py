"""The API's server: uvicorn, told to end the event streams first, because it waits for open answers when it stops."""

import socket
import sys
from contextlib import suppress

import uvicorn

from api.app import app
from storage.settings import Settings

_PATIENCE_S = 5


class Server(uvicorn.Server):
    """Ends streams before it waits for the rest."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, without keeping anybody's stream open."""
        resources = getattr(app.state, "resources", None)
        if resources is not None:
            resources.live.end_streams()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, at the port of the API and, for H5 pages alone, at theirs.

    Ends the process with a status when it could not start.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        proxy_headers=False,
        timeout_graceful_shutdown=_PATIENCE_S,
    )
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run([_listening(settings.host, port) for port in (settings.port, settings.packages_port)])
    if not server.started:
        sys.exit(3)  # as uvicorn's own command


def _listening(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        sys.exit(f"{host}:{port}: {error.strerror}")
    return listening
