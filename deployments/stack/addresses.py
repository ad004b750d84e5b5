"""Which servers are given from outside, which are ours, and how other processes learn of them."""

from dataclasses import dataclass

from dotenv import dotenv_values
from pydantic import SecretStr

from deployments.stack import s3
from deployments.stack.home import write_private
from deployments.stack.postgres import APP_LOGIN, Cluster, cluster_in
from deployments.stack.secrets import SECRETS_FILE, Secrets, load_secrets
from storage.settings import STACK_FILE, Settings

_OF_S3 = ("SANSHEN_S3_ENDPOINT", "SANSHEN_S3_ACCESS_KEY", "SANSHEN_S3_SECRET_KEY", "SANSHEN_S3_FOLDER")


@dataclass(frozen=True, slots=True)
class Embedded:
    """The servers that this stack runs itself."""

    postgres: bool
    s3: bool
    prefect: bool


def embedded_parts(settings: Settings) -> Embedded:
    """What is not given from outside.

    An address that equals the one an earlier start wrote into `stack.env` is our own: `Settings` reads it
    from there. Outside addresses are never written to that file, so the two cannot be confused.
    """
    ours = dotenv_values(settings.home / STACK_FILE)
    return Embedded(
        postgres=settings.database_url in (None, ours.get("SANSHEN_DATABASE_URL")),
        s3=settings.s3_endpoint in (None, ours.get("SANSHEN_S3_ENDPOINT")),
        prefect=settings.prefect_api_url in (None, ours.get("PREFECT_API_URL")),
    )


def with_addresses(settings: Settings, embedded: Embedded, keys: Secrets, cluster: Cluster) -> Settings:
    """The settings with the addresses and keys of the embedded servers filled in."""
    update: dict[str, object] = {}
    data = s3.data_folder(settings.home / "s3")
    if embedded.postgres:
        update["database_url"] = cluster.url(APP_LOGIN, keys.sanshen_app_password, "sanshen")
        update["database_owner_url"] = cluster.url("sanshen", keys.sanshen_password, "sanshen")
    if embedded.s3:
        update["s3_endpoint"] = f"http://127.0.0.1:{settings.s3_port}"
        update["s3_access_key"] = keys.s3_access_key
        update["s3_secret_key"] = SecretStr(keys.s3_secret_key)
        update["s3_folder"] = data
    elif settings.s3_folder == data:  # known from an earlier start, when the store was our own
        update["s3_folder"] = None
    if embedded.prefect:
        update["prefect_api_url"] = f"http://127.0.0.1:{settings.prefect_port}/api"
    return settings.model_copy(update=update)


def with_owner_address(settings: Settings) -> Settings:
    """For commands that act as the owner on our own PostgreSQL: its address, from the home's keys.

    Settings for an outside server stay as they are.
    """
    home = settings.home.expanduser().resolve()
    if not embedded_parts(settings).postgres or not (home / SECRETS_FILE).exists():
        return settings
    url = cluster_in(home / "postgres").url("sanshen", load_secrets(home).sanshen_password, "sanshen")
    return settings.model_copy(update={"database_owner_url": url})


def write_stack_file(settings: Settings, embedded: Embedded) -> None:
    """`<home>/stack.env`, 0600: what `sanshen worker` in another terminal needs to find our servers.

    Without the owner's address: nothing that runs all the time needs it.
    """
    known = as_environment(settings)
    names = [
        *(["SANSHEN_DATABASE_URL"] if embedded.postgres else []),
        *(_OF_S3 if embedded.s3 else ()),
        *(["PREFECT_API_URL"] if embedded.prefect else []),
    ]
    lines = "".join(f"{name}='{known[name]}'\n" for name in names)
    write_private(settings.home / STACK_FILE, f"# Written by `sanshen up` at every start.\n{lines}")


def as_environment(settings: Settings) -> dict[str, str]:
    """Every setting that differs from its default, as variables for a child process; not the owner's address."""
    variables = {}
    for name, field in Settings.model_fields.items():
        value = None if name == "database_owner_url" else getattr(settings, name)
        if value is not None and value != field.default:
            variables[str(field.validation_alias or f"SANSHEN_{name.upper()}")] = _as_text(value)
    return variables


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
