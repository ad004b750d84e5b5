"""Destinations: configured accounts on platforms."""

from typing import Annotated

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Name, Shown, TextShown, Words

Slug = Annotated[str, Field(min_length=1, max_length=40, pattern="^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$")]
SettingName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
SettingValue = Annotated[Words, Field(max_length=4000)]  # the host keys of a server are several lines


class NewDestination(Body):
    """A destination to be added. The secret is never shown again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "city-portal",
                    "platform": "webhook",
                    "name": "市门户网站",
                    "settings": {"url": "https://portal.example.org/hooks/sanshen"},
                    "secret": "at-least-16-characters",
                }
            ]
        }
    )
    id: Slug
    platform: str = Field(max_length=40, examples=["app", "webhook", "tv_drop", "outlet_mail"])
    name: Name
    settings: dict[SettingName, SettingValue] = Field(default_factory=dict, max_length=20)
    secret: Annotated[Words, Field(min_length=1, max_length=10_000)] | None = Field(
        None, description="What signs or signs in: a webhook's key, a password, a private key in PEM."
    )


class DestinationShown(Shown):
    """A destination. Settings are shown to administrators only: an address may carry a key."""

    id: str
    platform: str
    platform_label: TextShown
    name: str
    is_enabled: bool
    has_secret: bool
    settings: dict[str, str] | None
