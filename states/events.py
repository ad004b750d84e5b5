"""What can be asked of a submission, and what follows from a move. `states.submission` says when."""

from enum import StrEnum


class Event(StrEnum):
    """What can be asked of a submission: verbs from outside, and facts that the flows report."""

    EDIT = "edit"
    SUBMIT = "submit"
    INTAKE_PASSED = "intake_passed"
    INTAKE_REFUSED = "intake_refused"
    CLAIM = "claim"
    RELEASE = "release"
    HAND_OVER = "hand_over"
    FORCE_RELEASE = "force_release"
    APPROVE = "approve"
    RETURN_FOR_REVISION = "return_for_revision"
    HOLD = "hold"
    RESUME = "resume"
    REJECT = "reject"
    ASK_OVERRIDE = "ask_override"
    CONFIRM_OVERRIDE = "confirm_override"
    DECLINE_OVERRIDE = "decline_override"
    WITHDRAW = "withdraw"
    MEDIA_READY = "media_ready"
    MEDIA_FAILED = "media_failed"
    DELIVERY_CONFIRMED = "delivery_confirmed"
    DELIVERY_HANDED_OFF = "delivery_handed_off"
    DELIVERY_REFUSED = "delivery_refused"
    DELIVERY_UNKNOWN = "delivery_unknown"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    RECALL = "recall"
    GO_OUT = "go_out"
    REMIND = "remind"
    ESCALATE = "escalate"
    CORRECT = "correct"
    RETRACT = "retract"


class Effect(StrEnum):
    """What follows from a move, written as outbox rows in the same transaction."""

    INTAKE = "intake"
    RENDER = "render"
    RELEASE = "release"
    DISTRIBUTE = "distribute"
    RETRACT = "retract"
