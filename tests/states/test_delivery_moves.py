"""The moves of a delivery, pair by pair: at most once, and nothing that may be out escapes a retraction."""

import pytest

from states.delivery import (
    DELIVERY_MOVES,
    MAY_BE_OUT,
    DeliveryMoveRefused,
    DeliveryState,
    check_delivery_move,
)

EXPECTED = {
    "pending": "sending cancelled",
    "sending": "pending confirmed refused unknown handed_off retracting",
    "handed_off": "confirmed cancelled retracting",
    "unknown": "pending confirmed refused retracting",
    "refused": "pending cancelled retracting",
    "confirmed": "retracting",
    "retracting": "retracted needs_person",
    "needs_person": "retracted retracting",
    "cancelled": "",
    "retracted": "",
}


@pytest.mark.parametrize("wanted", DeliveryState)
@pytest.mark.parametrize("current", DeliveryState)
def test_delivery_move(current: DeliveryState, wanted: DeliveryState) -> None:
    if wanted.value in EXPECTED[current.value].split():
        check_delivery_move(current, wanted)
        return
    with pytest.raises(DeliveryMoveRefused) as refused:
        check_delivery_move(current, wanted)
    assert (refused.value.current, refused.value.wanted) == (current, wanted)
    assert current.value in refused.value.text.zh
    assert wanted.value in refused.value.text.en


def test_delivery_that_may_be_out_can_always_be_taken_back() -> None:
    assert all(DeliveryState.RETRACTING in DELIVERY_MOVES[state] for state in MAY_BE_OUT)


def test_delivery_that_is_confirmed_is_never_sent_again() -> None:
    reached, waiting = set(), [DeliveryState.CONFIRMED]
    while waiting:
        for state in DELIVERY_MOVES[waiting.pop()] - reached:
            reached.add(state)
            waiting.append(state)
    assert reached.isdisjoint({DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.CONFIRMED})


def test_delivery_is_confirmed_or_handed_off_only_after_sending_was_on_disk() -> None:
    assert DELIVERY_MOVES[DeliveryState.PENDING] == {DeliveryState.SENDING, DeliveryState.CANCELLED}
