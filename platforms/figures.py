"""A story's media as readers meet it: each with its public addresses, sizes, caption and words for the blind."""

from dataclasses import dataclass

from platforms.story import (
    PAGE_PROFILE,
    SUBTITLES,
    MediaKind,
    Site,
    Story,
    StoryFile,
    StoryMedia,
    StoryRendition,
    public_url,
)


@dataclass(frozen=True, slots=True)
class Link:
    """One public file: its address and what a player wants to know before fetching it."""

    url: str
    media_type: str
    size_bytes: int
    width: int | None
    height: int | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One asset on the page or in a feed; what has not been made is None."""

    kind: MediaKind
    caption: str
    alt: str
    hls: Link | None = None
    mp4: Link | None = None
    poster: Link | None = None
    audio: Link | None = None
    image: Link | None = None
    thumbnail: Link | None = None
    page: Link | None = None
    subtitles: Link | None = None  # WebVTT, where they stand beside the film

    @property
    def download(self) -> Link | None:
        """The one file that stands for the asset: MP4, audio or picture; never a playlist."""
        return self.mp4 or self.audio or self.image

    @property
    def downloads(self) -> tuple[Link, ...]:
        """Every form of the asset that is one file, the best first: a video, and its sound alone."""
        return tuple(link for link in (self.mp4, self.audio, self.image) if link)

    @property
    def picture(self) -> Link | None:
        """The picture that stands for the asset: the still itself or the video's poster."""
        return self.image or self.poster


def cover_picture(story: Story, site: Site) -> Link | None:
    """The picture that stands for the story: that of its chosen cover, else the first there is."""
    shown = (_figure(story, site, media) for media in story.cover_first if media.public_renditions)
    return next((figure.picture for figure in shown if figure.picture), None)


def figures(story: Story, site: Site) -> tuple[Figure, ...]:
    """The story's media in its own order, without those that have nothing public yet."""
    shown = (_figure(story, site, media) for media in story.media if media.public_renditions)
    return tuple(figure for figure in shown if figure.download or figure.hls or figure.page)


def _figure(story: Story, site: Site, media: StoryMedia) -> Figure:
    links = {made.profile: _link(story, site, media, made) for made in media.public_renditions}
    return Figure(
        kind=media.kind,
        caption=media.caption,
        alt=media.caption or f"{story.title}（{_KIND_WORDS[media.kind]}）",
        hls=links.get("app_hls"),
        mp4=links.get("app_mp4"),
        poster=links.get("poster"),
        audio=links.get("app_audio"),
        image=links.get("app_still"),
        thumbnail=links.get("thumbnail"),
        page=links.get(PAGE_PROFILE),
        subtitles=_subtitles(story, site, media),
    )


_KIND_WORDS = {"video": "视频", "audio": "音频", "still": "配图", "package": "互动页面"}


def _subtitles(story: Story, site: Site, media: StoryMedia) -> Link | None:
    """One track for all forms of a film: each has the same cues."""
    for rendition in media.public_renditions:
        for file in rendition.files:
            if file.role == SUBTITLES:
                return _link_to(story, site, media, rendition, file)
    return None


def _link(story: Story, site: Site, media: StoryMedia, rendition: StoryRendition) -> Link:
    return _link_to(story, site, media, rendition, rendition.primary)


def _link_to(story: Story, site: Site, media: StoryMedia, rendition: StoryRendition, file: StoryFile) -> Link:
    return Link(
        url=public_url(site, story, media, rendition, file),
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        width=rendition.width,
        height=rendition.height,
        duration_s=rendition.duration_s,
    )
