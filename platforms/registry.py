"""Every platform by name: the one list that flows and the API read."""

from collections.abc import Mapping
from types import MappingProxyType

from platforms.app import AppPlatform
from platforms.frame import Platform
from platforms.vertical import VerticalPlatform
from platforms.webhook import WebhookPlatform

PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {platform.name: platform for platform in (AppPlatform(), WebhookPlatform(), VerticalPlatform())}
)
