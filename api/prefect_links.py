"""Addresses of pages in Prefect's UI."""

from urllib.parse import quote
from uuid import UUID

from storage.settings import Settings


def _ui(settings: Settings) -> str:
    """Prefect's UI lies beside its API."""
    api = settings.prefect_api_url or f"http://127.0.0.1:{settings.prefect_port}/api"
    return api.rstrip("/").removesuffix("/api")


def item_runs_url(settings: Settings, submission_id: UUID) -> str:
    """All runs of one item (the versioned path: an unversioned one ignores the filter)."""
    return f"{_ui(settings)}/v2/runs?tags={quote(f'item:{submission_id}', safe='')}&range=past-7-days"


def run_url(settings: Settings, flow_run_id: UUID) -> str:
    """One flow run."""
    return f"{_ui(settings)}/runs/flow-run/{flow_run_id}"
