"""Every platform by name: the one list that flows and the API read."""

from collections.abc import Mapping
from types import MappingProxyType

from platforms.app import AppPlatform
from platforms.frame import Platform
from platforms.mail import MAILS
from platforms.sftp import DROPS
from platforms.vertical import VerticalPlatform
from platforms.webhook import WebhookPlatform

_ALL = (AppPlatform(), WebhookPlatform(), VerticalPlatform(), *DROPS, *MAILS)
PLATFORMS: Mapping[str, Platform] = MappingProxyType({platform.name: platform for platform in _ALL})
