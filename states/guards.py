"""Named conditions of a move. Each is pure; its refusal says what stands in the way and what to do."""

from dataclasses import dataclass
from datetime import datetime

from states.apart import columns_fit, did_no_other_stage, may_review, signed_here
from states.conditions import Condition, is_later
from states.item import Item, Request
from states.roles import EDITORS
from states.text import Text


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition with its name and the words for the person whom it stops."""

    name: str
    holds: Condition
    refusal: Text


def _is_free_for(item: Item, person_id: str | None) -> bool:
    if item.claimed_by in (None, person_id):
        return True
    return item.claimed_until is not None and item.claimed_until <= item.now


def _asked(item: Item) -> bool:
    asked = item.override
    return (
        asked is not None
        and item.here is not None
        and (asked.stage, asked.revision_sha256) == (item.here.key, item.revision_sha256)
    )


def _asker_is_independent(item: Item) -> bool:
    if item.override is None:
        return False
    person = item.override.asker.person_id
    return (
        person not in (item.author_id, item.last_editor_id)
        and person not in signed_here(item)
        and did_no_other_stage(item, person)
    )


def _instant(request: Request) -> datetime | None:
    return request.release.instant() if request.release else None


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
        lambda item, request: did_no_other_stage(item, request.actor.person_id),
        Text(
            "您已审过本稿的另一审次；三审须由三个人完成，请交给其他编辑。",
            "You reviewed this piece at another stage; the three reviews take three people.",
        ),
    ),
    Guard(
        "column_fits",
        lambda item, request: columns_fit(item, request.actor),
        Text(
            "本稿所属栏目不在您负责的范围内，请联系管理员或该栏目的编辑。",
            "This piece belongs to a column outside your charge; ask its editors or the administrator.",
        ),
    ),
    Guard(
        "not_claimed_by_another",
        lambda item, request: _is_free_for(item, request.actor.person_id),
        Text(
            "另一位编辑正在处理本稿，请等其释放或处理完毕；紧急时可请部主任或总编辑收回。",
            "Another editor holds this piece; wait until they release or finish it, or ask a desk head or the "
            "editor-in-chief to take it back.",
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
    Guard(
        "is_held_by_another",
        lambda item, request: item.claimed_by not in (None, request.actor.person_id),
        Text("目前没有其他编辑占用本稿。", "Nobody else holds this piece."),
    ),
    Guard(
        "successor_fits",
        lambda item, request: request.successor is not None and may_review(item, request.successor),
        Text(
            "对方不能接手本稿：须具备本环节的角色和栏目，且不是作者、最后修改者或其他审次的审稿人。请另选一位。",
            "That person cannot take this piece over: it takes this stage's role and column, and neither its author, "
            "nor its last editor, nor a reviewer of another stage. Choose somebody else.",
        ),
    ),
    Guard(
        "signs_once",
        lambda item, request: request.actor.person_id not in signed_here(item),
        Text(
            "您在本环节已经签过，会签须由另一人完成。",
            "You have signed at this stage; the countersignature must be somebody else's.",
        ),
    ),
    Guard(
        "release_in_future",
        lambda item, request: is_later(item, _instant(request)),
        Text(
            "请给出尚未到来的发布时间（本地时间和时区）。",
            "Give a release time that is still to come (local time and zone).",
        ),
    ),
    Guard(
        "after_embargo",
        lambda item, request: (
            item.embargo_until is None or (_instant(request) or item.now) >= item.embargo_until
        ),
        Text(
            "发布时间早于稿件的禁发截止时间，请改晚。",
            "The release would be before the piece's embargo ends; choose a later time.",
        ),
    ),
    Guard(
        "is_due",
        lambda item, request: not is_later(item, item.release_at),
        Text("还没有到发布时间。", "The release time has not come yet."),
    ),
    Guard(
        "override_asked",
        lambda item, request: _asked(item),
        Text(
            "没有人为当前版本和环节申请紧急放行，请先由一位编辑申请。",
            "Nobody asked for an emergency override for this revision at this stage; an editor must ask first.",
        ),
    ),
    Guard(
        "not_override_asker",
        lambda item, request: (
            item.override is None or item.override.asker.person_id != request.actor.person_id
        ),
        Text(
            "紧急放行须由另一人确认，申请人不能自己确认。",
            "Another person confirms an emergency override; who asked cannot.",
        ),
    ),
    Guard(
        "asker_independent",
        lambda item, request: _asker_is_independent(item),
        Text(
            "申请人是作者、最后修改者或已审过本稿，不能放行；请由其他编辑申请。",
            "Who asked wrote, edited or reviewed this piece; somebody else must ask.",
        ),
    ),
)

GUARDS: dict[str, Guard] = {guard.name: guard for guard in _ALL}

# Whoever acts for somebody else passes these for both: nobody reviews their own piece through a deputy.
PERSONAL = frozenset(
    {"not_author", "not_last_editor", "not_earlier_reviewer", "signs_once", "not_override_asker"}
)
