"""Named conditions of a move. Each is pure; its refusal says what stands in the way and what to do."""

from collections.abc import Callable
from dataclasses import dataclass

from states.item import Item, Request, State
from states.roles import EDITORS
from states.text import Text

Condition = Callable[[Item, Request], bool]


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition with its name and the words for the person whom it stops."""

    name: str
    holds: Condition
    refusal: Text


def _did_no_other_stage(item: Item, request: Request) -> bool:
    stage_now = State.FIRST_REVIEW if item.state is State.RECEIVED else item.state
    return all(stage is stage_now or who != request.actor.person_id for stage, who in item.reviewers)


def _columns_fit(item: Item, request: Request) -> bool:
    return not request.actor.columns or item.column is None or item.column in request.actor.columns


_ALL = (
    Guard(
        "is_author",
        lambda item, request: request.actor.person_id == item.author_id,
        Text("只有作者本人可以这样操作，请联系作者。", "Only the author can do this; ask them."),
    ),
    Guard(
        "not_author",
        lambda item, request: request.actor.person_id != item.author_id,
        Text(
            "不能审核自己的稿件，请由其他编辑审核。",
            "Nobody reviews a piece of their own; another editor must do it.",
        ),
    ),
    Guard(
        "not_last_editor",
        lambda item, request: request.actor.person_id != item.last_editor_id,
        Text(
            "您最后修改过这篇稿件，不能审核它，请由其他编辑审核。",
            "You were the last to edit this piece, so another editor must review it.",
        ),
    ),
    Guard(
        "not_earlier_reviewer",
        _did_no_other_stage,
        Text(
            "您已审过本稿的另一审次；三审须由三个人完成，请交给其他编辑。",
            "You reviewed this piece at another stage; the three reviews take three people.",
        ),
    ),
    Guard(
        "column_fits",
        _columns_fit,
        Text(
            "本稿所属栏目不在您负责的范围内，请联系管理员或该栏目的编辑。",
            "This piece belongs to a column outside your charge; ask its editors or the administrator.",
        ),
    ),
    Guard(
        "not_claimed_by_another",
        lambda item, request: item.claimed_by in (None, request.actor.person_id),
        Text(
            "另一位编辑正在处理本稿，请等其释放或处理完毕。",
            "Another editor holds this piece; wait until they release or finish it.",
        ),
    ),
    Guard(
        "holds_claim",
        lambda item, request: item.claimed_by is not None and item.claimed_by == request.actor.person_id,
        Text("您没有认领本稿，请先认领。", "You do not hold this piece; claim it first."),
    ),
    Guard(
        "sees_current_revision",
        lambda item, request: request.revision_sha256 == item.revision_sha256,
        Text(
            "您看到的不是当前版本，请刷新后重新审阅。",
            "What you saw is not the current revision; reload, read it again and decide again.",
        ),
    ),
    Guard(
        "gives_reason",
        lambda item, request: bool(request.reason and request.reason.strip()),
        Text("请写明理由。", "Give a reason."),
    ),
    Guard(
        "intake_done",
        lambda item, request: item.is_intake_done,
        Text("素材还在检查中，请稍候。", "The files are still being checked; try again in a moment."),
    ),
    Guard(
        "has_changes",
        lambda item, request: item.is_changed_since_live,
        Text(
            "更正稿与已发布的版本相同，请先修改，或撤回更正。",
            "The correction is what readers have already; change it, or withdraw the correction.",
        ),
    ),
    Guard(
        "has_title",
        lambda item, request: item.has_title,
        Text("请填写标题。", "Give the piece a title."),
    ),
    Guard(
        "has_content",
        lambda item, request: item.has_body_or_asset,
        Text("请填写正文或上传素材。", "Write a text or send a file."),
    ),
    Guard(
        "ai_declared",
        lambda item, request: item.is_ai_declared,
        Text(
            "请声明是否使用了人工智能生成内容（ai_label：none、assisted 或 generated）。",
            "Declare whether AI-generated content was used (ai_label: none, assisted or generated).",
        ),
    ),
    Guard(
        "uploads_finished",
        lambda item, request: not item.has_open_uploads,
        Text(
            "还有素材没有传完，请先完成或取消上传。",
            "Some files are not fully sent; finish or cancel them first.",
        ),
    ),
    Guard(
        "has_destination",
        lambda item, request: item.has_destination,
        Text(
            "没有可用的发布渠道，请至少选择一个。",
            "No destination is open for this piece; choose at least one.",
        ),
    ),
    Guard(
        "renditions_ready",
        lambda item, request: not item.missing_renditions,
        Text(
            "各平台的成品尚未全部制作完成，请稍候；若有失败，请查看成品列表。",
            "Not every platform's rendition is ready; wait, or look at the list of renditions for a failure.",
        ),
    ),
    Guard(
        "within_platform_limits",
        lambda item, request: not item.destination_problems,
        Text(
            "稿件超出所选平台的限制，请修改或取消该平台。",
            "The piece is over a chosen platform's limits; change it or drop that platform.",
        ),
    ),
    Guard(
        "is_author_or_editor",
        lambda item, request: (
            request.actor.person_id == item.author_id or bool(request.actor.roles & EDITORS)
        ),
        Text(
            "只有作者或编辑可以这样操作，请联系他们。",
            "Only the author or an editor can do this; ask one of them.",
        ),
    ),
)

GUARDS: dict[str, Guard] = {guard.name: guard for guard in _ALL}

# What chooses between two rows of one event and state; they refuse nothing by themselves.
CONDITIONS: dict[str, Condition] = {
    "is_live": lambda item, request: item.is_live,
    "not_live": lambda item, request: not item.is_live,
    "is_fast_track": lambda item, request: item.is_fast_track,
    "is_ordinary": lambda item, request: not item.is_fast_track,
    "held_from_first_review": lambda item, request: item.held_from is State.FIRST_REVIEW,
    "held_from_second_review": lambda item, request: item.held_from is State.SECOND_REVIEW,
    "held_from_final_review": lambda item, request: item.held_from is State.FINAL_REVIEW,
}
