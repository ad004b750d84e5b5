"""What lies in a drop folder for one story: the files under their names, and the XML that tells of them.

Nothing in a sidecar depends on the hour: written twice, it is the same file. `docs/sidecar.xsd` describes it.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from platforms._jinja import render
from platforms.ninjs import ninjs
from platforms.story import Site, Story, StoryFile, StoryMedia, StoryRendition, legal_text, utc_text

NAMESPACE = "urn:sanshen:drop:1"
Status = Literal["usable", "retracted"]
_FACTS = ("frame_rate", "video_codec", "audio_codec", "loudness_lufs", "true_peak_dbtp", "dpi")


@dataclass(frozen=True, slots=True)
class DropFile:
    """One file of a drop: a private object of the store, or small bytes made here (`data`)."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    object_key: str = ""
    data: bytes = b""
    asset: StoryMedia | None = None
    rendition: StoryRendition | None = None


def base_name(story: Story) -> str:
    """What all names of this version begin with; the sidecar is called this and `.xml`."""
    return f"{story.id}_v{story.version}"


def is_base_of(base: str, story: Story) -> bool:
    """Whether a name noted elsewhere is that of some version of this story, and so safe as a file name."""
    return re.fullmatch(re.escape(story.id) + r"_v\d{1,9}", base) is not None


def drop_files(story: Story, profiles: Sequence[str]) -> tuple[DropFile, ...]:
    """The files of these profiles that are made, each under a name of its own that holds for this content alone.

    Names are ASCII without spaces: playout and cart systems choke on others. The first eight digits of the
    content's SHA-256 are in the name, so that a name and a size that are there stand for the right bytes.
    """
    files: list[DropFile] = []
    for asset in story.media:
        for profile in profiles:
            rendition = asset.renditions.get(profile)
            for file in rendition.files if rendition else ():
                files.append(_drop_file(story, len(files) + 1, file, asset, rendition))
    return tuple(files)


def _drop_file(
    story: Story, number: int, file: StoryFile, asset: StoryMedia, rendition: StoryRendition | None
) -> DropFile:
    suffix = re.sub(r"[^a-z0-9]", "", PurePosixPath(file.name).suffix.lower())[:5] or "bin"
    name = f"{base_name(story)}_{number:02d}_{file.sha256[:8]}{_slug(story.title)}.{suffix}"
    return DropFile(
        name,
        file.media_type,
        file.size_bytes,
        file.sha256,
        object_key=file.object_key,
        asset=asset,
        rendition=rendition,
    )


def _slug(title: str) -> str:
    """What of a title is ASCII, for the eye: `_G20-summit`; nothing for a Chinese title."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:32].strip("-")
    return f"_{slug}" if len(slug) >= 3 else ""


def text_files(story: Story, site: Site) -> tuple[DropFile, ...]:
    """The text for a print desk: HTML to read and to place, and ninjs for its editorial system."""
    html = render("sidecar_text.html", story=story)
    item = legal_text(json.dumps(ninjs(story, site), ensure_ascii=False, indent=2))
    return (
        _made(story, "text", "html", "text/html; charset=utf-8", html.encode()),
        _made(story, "ninjs", "json", "application/json", item.encode()),
    )


def _made(story: Story, word: str, suffix: str, media_type: str, data: bytes) -> DropFile:
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{base_name(story)}_{word}_{sha256[:8]}.{suffix}"
    return DropFile(name, media_type, len(data), sha256, data=data)


def sidecar(
    story: Story, kind: str, files: Sequence[DropFile], *, status: Status = "usable", replaces: str = ""
) -> DropFile:
    """The XML for a drop of this kind. A retracted one holds no text, only what is taken back and why."""
    root = Element("drop", xmlns=NAMESPACE, kind=kind, status=status)
    _story(SubElement(root, "story"), story, is_whole=status == "usable")
    if replaces:
        SubElement(root, "replaces", base=replaces)
    listed = SubElement(root, "files")
    for file in files:
        _file(listed, file)
    data: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    name = base_name(story) + (".xml" if status == "usable" else ".retracted.xml")
    return DropFile(name, "application/xml", len(data), hashlib.sha256(data).hexdigest(), data=data)


def _story(element: Element, story: Story, *, is_whole: bool) -> None:
    element.attrib |= {
        "id": story.urn,
        "version": str(story.version),
        "revision_sha256": story.revision_sha256,
        "language": legal_text(story.language),
    }
    texts = {"title": story.title, "note": story.note or ""}
    if is_whole:
        texts |= {"digest": story.digest, "byline": story.byline, "column": story.column}
        texts |= {"ai_label": story.ai_label, "published_at": utc_text(story.published_at)}
    texts["updated_at"] = utc_text(story.updated_at)
    for name, text in texts.items():
        SubElement(element, name).text = legal_text(text)
    for tag in story.tags if is_whole else ():
        SubElement(element, "tag").text = legal_text(tag)
    if is_whole:
        body = SubElement(element, "body")
        for paragraph in story.paragraphs:
            SubElement(body, "p").text = legal_text(paragraph)


def _file(listed: Element, file: DropFile) -> None:
    attributes: dict[str, Any] = {
        "name": file.name,
        "media_type": file.media_type,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
    }
    made = file.rendition
    if made is not None:
        attributes |= {"profile": made.profile, "duration_s": made.duration_s}
        attributes |= {"width": made.width, "height": made.height}
        attributes |= {fact: made.measured.get(fact) for fact in _FACTS}
    if file.asset is not None:
        attributes["asset_sha256"] = file.asset.asset_sha256
    known = {name: str(value) for name, value in attributes.items() if value is not None}
    element = SubElement(listed, "file", known)
    if file.asset is not None and file.asset.caption:
        SubElement(element, "caption").text = legal_text(file.asset.caption)
