"""What may happen to a delivery: one revision on its way to one destination, at most once."""

from enum import StrEnum

from states.refusals import MoveRefused
from states.text import Text


class DeliveryState(StrEnum):
    """Where a delivery stands. `sending` is on disk before the call is made."""

    PENDING = "pending"
    SENDING = "sending"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # it may have been accepted; a look-up or a person decides
    HANDED_OFF = "handed_off"  # a package waits for a person, who confirms with the link
    CANCELLED = "cancelled"
    RETRACTING = "retracting"
    RETRACTED = "retracted"
    NEEDS_PERSON = "needs_person"  # it must be taken down by hand


_S = DeliveryState
DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.PENDING: frozenset({_S.SENDING, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.PENDING, _S.CONFIRMED, _S.REFUSED, _S.UNKNOWN, _S.HANDED_OFF, _S.RETRACTING}),
    _S.HANDED_OFF: frozenset({_S.CONFIRMED, _S.CANCELLED, _S.RETRACTING}),
    _S.UNKNOWN: frozenset({_S.PENDING, _S.CONFIRMED, _S.REFUSED, _S.RETRACTING}),
    _S.REFUSED: frozenset({_S.PENDING, _S.CANCELLED, _S.RETRACTING}),
    _S.CONFIRMED: frozenset({_S.RETRACTING}),
    _S.RETRACTING: frozenset({_S.RETRACTED, _S.NEEDS_PERSON}),
    _S.NEEDS_PERSON: frozenset({_S.RETRACTED, _S.RETRACTING}),
    _S.CANCELLED: frozenset(),
    _S.RETRACTED: frozenset(),
}

# Sent, or perhaps sent: what a retraction has to reach.
MAY_BE_OUT = frozenset({_S.SENDING, _S.CONFIRMED, _S.HANDED_OFF, _S.UNKNOWN, _S.REFUSED})


class DeliveryMoveRefused(MoveRefused):
    """The delivery does not stand where this can be done to it."""

    def __init__(self, current: DeliveryState, wanted: DeliveryState) -> None:
        super().__init__(
            Text(
                f"该渠道的分发目前为 {current}，不能变为 {wanted}。请刷新查看最新状态。",
                f"This delivery is {current} and cannot become {wanted}. Reload to see where it stands.",
            )
        )
        self.current = current
        self.wanted = wanted


def check_delivery_move(current: DeliveryState, wanted: DeliveryState) -> None:
    """Raises DeliveryMoveRefused when a delivery cannot go from `current` to `wanted`."""
    if wanted not in DELIVERY_MOVES[current]:
        raise DeliveryMoveRefused(current, wanted)
