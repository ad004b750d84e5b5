"""What differs between installations. Built at the edges only (API, CLI, worker) and passed inwards."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import DotEnvSettingsSource

STACK_FILE = "stack.env"


class SettingMissing(RuntimeError):
    """A setting that this command needs is not there."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} 未设置：请先运行 sanshen up，或设置该环境变量。 "
            f"{name} is not set: start `sanshen up` first, or set it in the environment."
        )


class Settings(BaseSettings):
    """Every setting, from the environment with the prefix `SANSHEN_`.

    What `sanshen up` decided for this installation (addresses, keys) stands in `<home>/stack.env`,
    readable by the owner only, so that `sanshen worker` in a second terminal finds the same servers.
    The environment wins over the file.
    """

    model_config = SettingsConfigDict(env_prefix="SANSHEN_", extra="ignore", populate_by_name=True)

    home: Path = Field(Path(".sanshen"), description="Folder for all data of the embedded stack.")
    host: str = Field("127.0.0.1", description="Address on which the API listens.")
    port: int = Field(8000, description="Port of the API and the desk.")
    packages_port: int = Field(
        8001,
        description="Port of the origin of H5 pages, which is served by the API and never by its own port.",
    )
    prefect_port: int = Field(4200, description="Port of the embedded Prefect server.")
    s3_port: int = Field(
        8333, description="First of five ports of the embedded S3 gateway (each + 10000 is taken too)."
    )
    database_url: str | None = Field(
        None, description="An outside PostgreSQL (`postgresql://…`); without it the embedded one is started."
    )
    database_owner_url: str | None = Field(
        None,
        description="The same database with the login that owns its tables, for migrations, grants and erasing; the "
        "other login can then only add to the record. Default: one login does both.",
    )
    database_pool_size: int = Field(20, description="Connections to PostgreSQL that one process keeps.")
    s3_endpoint: str | None = Field(
        None, description="An outside S3 (`http(s)://host:port`); without it the embedded one is started."
    )
    s3_access_key: str | None = Field(None, description="Access key of the S3 account.")
    s3_secret_key: SecretStr | None = Field(None, description="Secret key of the S3 account.")
    s3_folder: Path | None = Field(
        None,
        description="Folder of the S3 data where they lie on this machine, so that a full disk is known as such; "
        "`sanshen up` sets it for the embedded one.",
    )
    s3_region: str = Field("us-east-1", description="Region that requests are signed for.")
    prefect_api_url: str | None = Field(
        None,
        validation_alias="PREFECT_API_URL",
        description="An outside Prefect server (Prefect's own variable); without it one is started.",
    )
    prefect_work_pool: str = Field("sanshen", description="Name of the Prefect work pool.")
    site_url: str | None = Field(
        None, description="Where readers reach this installation; default `http://127.0.0.1:<PORT>`."
    )
    media_url: str | None = Field(
        None,
        description="Where readers reach the public bucket; default `<SITE_URL>/media`, which the API serves.",
    )
    packages_url: str | None = Field(
        None,
        description="Where readers reach H5 pages, of another domain than the site; default "
        "`http://127.0.0.1:<PACKAGES_PORT>`.",
    )
    site_name: str = Field("三审融媒体中心", description="Name of the newsroom, in feeds and on story pages.")
    worker_limit: int = Field(8, description="Flow runs at one time on this host.")
    lease_s: int = Field(20, description="Seconds after which work whose worker fell silent is run again.")
    max_attempts: int = Field(6, description="Attempts of one piece of work before a person is told.")
    session_hours: int = Field(12, description="Hours that a sign-in lasts.")
    upload_max_bytes: int = Field(50 * 10**9, description="Largest file that can be sent in.")
    upload_most_open: int = Field(100, description="Uploads that one person may have unfinished.")
    upload_most_open_bytes: int = Field(
        200 * 10**9, description="Bytes that one person's unfinished uploads may have together."
    )
    upload_most_day_bytes: int = Field(
        500 * 10**9, description="Bytes that one person may begin to send within 24 hours."
    )
    upload_most_a_minute: int = Field(120, description="Uploads that one person may begin within a minute.")
    clamd: str | None = Field(
        None,
        pattern=r"^(unix:///.+|tcp://.+:\d+)$",
        description="clamd, the malware scanner: `unix:///path` or `tcp://host:port`; without it no file is scanned.",
    )
    clamd_max_bytes: int = Field(
        25 * 2**20,
        description="The least of `StreamMaxLength`, `MaxFileSize` and `MaxScanSize` in clamd.conf. A larger file is "
        "not sent: clamd would answer OK for what it passes over.",
    )
    credentials_key: Path | None = Field(
        None,
        description="File of the key that encrypts the credentials of destinations; default "
        "`<HOME>/credentials.key`, made when it is first needed. Hosts that share a database share it.",
    )
    ledger_key: Path | None = Field(
        None,
        description="File of the key that signs the log; default `<HOME>/ledger.key`, made at the first start.",
    )
    ledger_origin: str | None = Field(
        None,
        description="Name of the log in its checkpoints, for a key that is made anew; default `sanshen/<random>`.",
    )
    ledger_webhook: str | None = Field(
        None, description="Address that is sent a copy of every checkpoint, with the hashes of its entries."
    )
    demo_port: int = Field(8095, description="Port of the demo's webhook receiver.")
    allowed_private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated hosts in private networks that a webhook may call."
    )

    @field_validator("allowed_private_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by the stack file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not used
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then what `sanshen up` wrote for this home."""
        home = init_settings().get("home") or env_settings().get("home") or ".sanshen"
        stack = DotEnvSettingsSource(settings_cls, env_file=Path(str(home)) / STACK_FILE)
        return init_settings, env_settings, stack

    @property
    def reader_url(self) -> str:
        """Where readers find story pages and feeds, without a slash at the end."""
        return (self.site_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def reader_media_url(self) -> str:
        """Where readers find public files, without a slash at the end."""
        return (self.media_url or f"{self.reader_url}/media").rstrip("/")

    @property
    def reader_packages_url(self) -> str:
        """Where readers find H5 pages, without a slash at the end."""
        return (self.packages_url or f"http://{self.host}:{self.packages_port}").rstrip("/")

    @property
    def credentials_key_file(self) -> Path:
        """The file of the key that encrypts the credentials of destinations."""
        return self.credentials_key or self.home / "credentials.key"

    @property
    def ledger_key_file(self) -> Path:
        """The file of the key that signs the log."""
        return self.ledger_key or self.home / "ledger.key"

    def require_database_url(self) -> str:
        """The address of the database. Raises SettingMissing when nothing says where it is."""
        if self.database_url is None:
            raise SettingMissing("SANSHEN_DATABASE_URL")
        return self.database_url

    def require_owner_url(self) -> str:
        """The address with the login that owns the tables. Raises SettingMissing as `require_database_url` does."""
        return self.database_owner_url or self.require_database_url()
