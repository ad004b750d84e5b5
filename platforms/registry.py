"""Every platform by name: the one list that flows and the API read."""

from collections.abc import Mapping
from types import MappingProxyType

from platforms.app import AppPlatform
from platforms.bilibili import BilibiliPlatform
from platforms.by_hand import ByHandPlatform
from platforms.channels import ChannelsPlatform
from platforms.frame import Platform
from platforms.kuaishou import KuaishouPlatform
from platforms.mail import MAILS
from platforms.sftp import DROPS
from platforms.toutiao import ToutiaoPlatform
from platforms.vertical import VerticalPlatform
from platforms.webhook import WebhookPlatform
from platforms.xuexi import XuexiPlatform

_HANDOFFS: tuple[Platform, ...] = (
    VerticalPlatform(),
    ChannelsPlatform(),
    KuaishouPlatform(),
    ToutiaoPlatform(),
    BilibiliPlatform(),
    XuexiPlatform(),
    ByHandPlatform(),
)
_ALL: tuple[Platform, ...] = (AppPlatform(), WebhookPlatform(), *_HANDOFFS, *DROPS, *MAILS)
PLATFORMS: Mapping[str, Platform] = MappingProxyType({platform.name: platform for platform in _ALL})
