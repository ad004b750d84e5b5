"""States and events in words, for messages, pages and the docs. Identifiers stay what they are on the wire."""

from collections.abc import Mapping
from types import MappingProxyType

from states.events import Event
from states.item import State
from states.text import Text

STATE_NAMES: Mapping[State, Text] = MappingProxyType(
    {
        State.DRAFT: Text("草稿", "draft"),
        State.RECEIVED: Text("已收稿", "received"),
        State.FIRST_REVIEW: Text("初审", "first review"),
        State.SECOND_REVIEW: Text("复审", "second review"),
        State.FINAL_REVIEW: Text("终审", "final review"),
        State.EXTRA_REVIEW: Text("加审", "extra review"),
        State.APPROVED: Text("已签发", "approved"),
        State.PUBLISHED: Text("已发布", "published"),
        State.CORRECTING: Text("更正中", "correcting"),
        State.RETURNED: Text("退回修改", "returned"),
        State.HELD: Text("待用", "held"),
        State.REJECTED: Text("已退稿", "rejected"),
        State.WITHDRAWN: Text("已撤回", "withdrawn"),
        State.RETRACTED: Text("已撤稿", "retracted"),
    }
)

EVENT_NAMES: Mapping[Event, Text] = MappingProxyType(
    {
        Event.EDIT: Text("修改", "edit"),
        Event.SUBMIT: Text("提交", "submit"),
        Event.INTAKE_PASSED: Text("入库检查通过", "intake passed"),
        Event.INTAKE_REFUSED: Text("入库检查未通过", "intake refused"),
        Event.CLAIM: Text("认领", "claim"),
        Event.RELEASE: Text("释放", "release"),
        Event.HAND_OVER: Text("转交", "hand over"),
        Event.FORCE_RELEASE: Text("收回认领", "force release"),
        Event.APPROVE: Text("通过", "approve"),
        Event.RETURN_FOR_REVISION: Text("退回修改", "return for revision"),
        Event.HOLD: Text("待用", "hold"),
        Event.RESUME: Text("恢复审核", "resume"),
        Event.REJECT: Text("退稿", "reject"),
        Event.ASK_OVERRIDE: Text("申请紧急放行", "ask for an emergency override"),
        Event.CONFIRM_OVERRIDE: Text("确认紧急放行", "confirm an emergency override"),
        Event.DECLINE_OVERRIDE: Text("拒绝紧急放行", "decline an emergency override"),
        Event.WITHDRAW: Text("撤回", "withdraw"),
        Event.MEDIA_READY: Text("成品齐备", "media ready"),
        Event.MEDIA_FAILED: Text("成品制作失败", "media failed"),
        Event.DELIVERY_CONFIRMED: Text("渠道已确认", "delivery confirmed"),
        Event.DELIVERY_HANDED_OFF: Text("已交接人工发布", "delivery handed off"),
        Event.DELIVERY_REFUSED: Text("渠道拒收", "delivery refused"),
        Event.DELIVERY_UNKNOWN: Text("渠道结果不明", "delivery unknown"),
        Event.SCHEDULE: Text("定时发布", "schedule"),
        Event.UNSCHEDULE: Text("取消定时", "unschedule"),
        Event.RECALL: Text("撤回签发", "recall"),
        Event.GO_OUT: Text("到时发布", "go out"),
        Event.REMIND: Text("时限提醒", "remind"),
        Event.ESCALATE: Text("超时上报", "escalate"),
        Event.CORRECT: Text("更正", "correct"),
        Event.RETRACT: Text("撤稿", "retract"),
    }
)
_BY_VALUE = {event.value: text for event, text in EVENT_NAMES.items()}


def event_in_words(event: str) -> Text:
    """The event's name with its identifier in brackets; the identifier alone for one that is not of the table."""
    names = _BY_VALUE.get(event)
    if names is None:
        return Text(event, event)
    return Text(f"{names.zh}（{event}）", names.en if names.en == event else f"{names.en} ({event})")


def state_in_words(state: str) -> Text:
    """The state's name with its identifier in brackets."""
    names = STATE_NAMES[State(state)]
    return Text(f"{names.zh}（{state}）", names.en if names.en == state else f"{names.en} ({state})")
