"""How the process and its servers are."""

from api.schemas.base import Shown


class Alive(Shown):
    """The process answers."""

    status: str


class PartHealth(Shown):
    """One server: whether it answered, and how long that took."""

    is_ok: bool
    duration_s: float
    error: str | None = None


class Readiness(Shown):
    """Whether work can be done."""

    status: str
    parts: dict[str, PartHealth]
