"""Bringing a database to the current schema, with Alembic. One dialect: PostgreSQL."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for one database; there is no ini file to keep in step."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str) -> None:
    """Run every migration that the database has not seen. Blocks; safe to repeat and to run twice at once."""
    command.upgrade(alembic_config(database_url), "head")
