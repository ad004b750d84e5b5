"""The way to Prefect's server: always the one of the settings, never one that Prefect starts by itself."""

from prefect.client.orchestration import PrefectClient

from storage.settings import SettingMissing, Settings


def prefect_client(settings: Settings) -> PrefectClient:
    """A client of the server in the settings, to be used with `async with`. Raises SettingMissing."""
    if settings.prefect_api_url is None:
        raise SettingMissing("PREFECT_API_URL")
    return PrefectClient(settings.prefect_api_url)
