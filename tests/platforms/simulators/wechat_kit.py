"""A story with the pictures that the official account needs, and the account of the simulator."""

from platforms.frame import DestinationConfig
from platforms.story import StoryFile, StoryRendition

JPEG = b"\xff\xd8\xff\xe0" + b"x" * 1000


def rendition(profile, asset, media_type="image/jpeg", size_bytes=1004):
    """A finished picture; its bytes are JPEG once it is stocked."""
    file = StoryFile("image", "p.jpg", f"renditions/{asset}/{profile}", media_type, size_bytes, "ab" * 32)
    width, height = (900, 383) if profile == "wechat_cover" else (1600, 1200)
    return StoryRendition(profile, (file,), width, height)


def with_pictures(story):
    """The story, with the renditions that the account needs."""
    for media in story.media:
        profiles = ("wechat_cover",) if media.kind == "video" else ("wechat_cover", "wechat_still")
        media.renditions.update({name: rendition(name, media.asset_sha256[:4]) for name in profiles})
    return story


def stock(tools, story):
    """Put the pictures' bytes into the store of the tools."""
    for media in story.media:
        for made in media.renditions.values():
            tools.private[made.primary.object_key] = JPEG


def account_of(simulator):
    """The destination of the simulator's account."""
    return DestinationConfig("dest-9", "青川发布", {"app_id": simulator.app_id}, simulator.secret)
