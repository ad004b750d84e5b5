"""How the process and its servers are."""

from api.schemas.base import Shown


class Alive(Shown):
    """The process answers."""

    status: str


class PartHealth(Shown):
    """One server: whether it answered, how long that took, and whether it can keep nothing more for lack of space."""

    is_ok: bool
    duration_s: float
    error: str | None = None
    is_full: bool = False


class Readiness(Shown):
    """Whether work can be done."""

    status: str
    parts: dict[str, PartHealth]
