"""Xuexi Qiangguo (学习强国): stories go in by hand, and none of its limits is known."""

from platforms.by_hand import UNKNOWN, ByHandPlatform
from platforms.handoff_rules import unknown
from states.text import Text


class XuexiPlatform(ByHandPlatform):
    """Body, stills, sounds, and videos with their posters, in the forms of our own app."""

    name = "xuexi"
    label = Text(zh="学习强国（人工上传）", en="Xuexi Qiangguo (uploaded by hand)")
    called = Text(zh="学习强国", en="Xuexi Qiangguo")
    source = "house value, 2026-11: PLATFORMS.md has no row for Xuexi Qiangguo"
    limits = unknown("xuexi", *UNKNOWN)
