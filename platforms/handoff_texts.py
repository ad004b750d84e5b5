"""The written parts of a hand-off package: texts to copy, checklists, manifest. Nothing depends on the hour."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platforms.frame import DestinationConfig, Sent
from platforms.handoff_rules import describe
from platforms.story import Story, StoryFile, StoryMedia, legal_text

_AI_LINES = {
    "generated": "[ ] 本稿为人工智能生成内容：上传时勾选平台的“AI 生成”声明",
    "assisted": "[ ] 本稿含人工智能辅助生成内容：上传时勾选平台的“AI 生成”声明",
}
_KIND_WORDS = {"video": "视频", "audio": "音频", "still": "图片", "package": "互动页面"}


@dataclass(frozen=True, slots=True)
class Part:
    """One media file of a package, and the asset that it was made of."""

    file: StoryFile
    media: StoryMedia


Parts = dict[str, Part]  # by the name in the package


def film_texts(story: Story) -> str:
    """Title, description and topics of a video."""
    topics = " ".join(f"#{tag}" for tag in story.tags) or "（无）"
    return legal_text(f"标题\n{story.title}\n\n简介\n{describe(story)}\n\n话题\n{topics}\n")


def article_texts(story: Story, parts: Parts) -> str:
    """The whole article: what a film has, then author, body, and the caption of each asset at its first file."""
    body = "\n\n".join(story.paragraphs) or "（无）"
    shown = "\n".join(_captions(parts)) or "（无）"
    more = f"\n作者\n{story.byline or '（无）'}\n\n正文\n{body}\n\n图片和视频说明\n{shown}\n"
    return film_texts(story) + legal_text(more)


def _captions(parts: Parts) -> list[str]:
    first = {part.media.asset_sha256: (name, part.media.caption) for name, part in reversed(parts.items())}
    return [f"{name}：{caption}" for name, caption in reversed(first.values()) if caption]


def checklist(
    story: Story,
    destination: DestinationConfig,
    names: Sequence[str],
    lines: Sequence[str],
    left_out: Sequence[str],
) -> str:
    """What a person does, from checking the files to giving the link back; `lines` are the platform's own."""
    every = [
        *_head("发布清单", story, destination),
        f"[ ] 核对文件：{'、'.join(names)} 与 manifest.json 中的 sha256 一致"
        if names
        else "[ ] 本包只有文字，没有媒体文件",
        *lines,
        *([_AI_LINES[story.ai_label]] if story.ai_label in _AI_LINES else []),
        *([f"[ ] 更正说明须随稿发布：{story.note}"] if story.note else []),
        *left_out,
        "[ ] 发布后打开作品确认能播放，把链接填回本系统并点“确认”"
        if names
        else "[ ] 发布后打开作品核对，把链接填回本系统并点“确认”",
    ]
    return legal_text("\n".join(every)) + "\n"


def kinds_left_out(story: Story, kinds: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A line for the kinds of media that the platform is not sent; none where it is sent all."""
    out = dict.fromkeys(_KIND_WORDS[media.kind] for media in story.media if media.kind not in kinds)
    return (f"[ ] 本稿另有{'、'.join(out)}，不在此包内",) if out else ()


def retract_list(story: Story, destination: DestinationConfig) -> str:
    """What a person does to take the work back."""
    lines = [
        *_head("撤稿清单", story, destination)[:-1],
        f"原因：{story.note or '（未填写）'}",
        "",
        "[ ] 如尚未上传：不再上传，删除已下载的文件",
        "[ ] 如已上传：在平台上删除作品，或设为不可见",
        "[ ] 打开原链接，确认读者已看不到",
        "[ ] 在本系统点“确认撤稿”",
    ]
    return legal_text("\n".join(lines)) + "\n"


def correct_list(story: Story, destination: DestinationConfig, before: Sent) -> str:
    """What a person does to put this package in the place of an earlier work, whose link is not known here."""
    item = [f"先前作品编号：{before.external_id}"] if before.external_id else []
    lines = [
        *_head("更正清单", story, destination)[:-1],
        f"更正说明：{story.note or '（未填写）'}",
        f"先前投递编号：{before.delivery_id}",
        *item,
        "",
        "[ ] 本包替换先前发布的作品：按先前投递中填回的链接，或在平台后台按标题找到它",
        "[ ] 如先前的包尚未上传：不再上传旧包，只上传本包",
        "[ ] 如已上传且平台可以修改：在原作品上改正文字、更换文件，保留原链接",
        "[ ] 如已上传而平台不能修改：按 checklist.txt 发布本包，再删除旧作品，不得两件并存",
        "[ ] 确认读者只能看到更正后的作品，把它的链接填回本系统并点“确认”",
    ]
    return legal_text("\n".join(lines)) + "\n"


def manifest(
    story: Story, delivery_id: str, files: Mapping[str, StoryFile], *, replaces_earlier: bool = False
) -> str:
    """JSON: the revision, its texts, and each file with size and SHA-256."""
    value = {
        "delivery_id": delivery_id,
        "story_id": story.id,
        "version": story.version,
        "revision_sha256": story.revision_sha256,
        **({"replaces_earlier": True} if replaces_earlier else {}),
        "title": story.title,
        "description": describe(story),
        "tags": list(story.tags),
        "ai_label": story.ai_label,
        "files": [
            {
                "name": name,
                "sha256": file.sha256,
                "size_bytes": file.size_bytes,
                "media_type": file.media_type,
            }
            for name, file in files.items()
        ],
    }
    return legal_text(json.dumps(value, ensure_ascii=False, indent=2)) + "\n"


def _head(heading: str, story: Story, destination: DestinationConfig) -> list[str]:
    return [f"{heading}：{destination.name}", f"稿件：{story.title}（第 {story.version} 版）", ""]
