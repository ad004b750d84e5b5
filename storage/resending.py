"""Sending a delivery again, on a person's word, and only what may still go out."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.delivery import DeliveryMoveRefused, DeliveryState
from states.events import Effect
from states.item import State
from states.text import Text
from storage.deliveries import move_delivery
from storage.effects import enqueue
from storage.tables import Delivery, Revision, Submission


class NotToBeSent(DeliveryMoveRefused):
    """The story was retracted, or a newer revision has taken this one's place."""

    def __init__(self, current: DeliveryState) -> None:
        super().__init__(current, DeliveryState.PENDING)
        self.text = Text(
            "稿件已撤回，或已有更新的版本签发，此次分发不能再发送。",
            "The story was retracted, or a newer revision was signed; this delivery is not sent again.",
        )


async def send_again(session: AsyncSession, delivery: Delivery, seen: DeliveryState) -> None:
    """Make the delivery pending again, with work that sends it.

    Raises NotToBeSent, and DeliveryMoveRefused when the delivery stands elsewhere by now.
    """
    statement = (
        select(Submission, Revision.sha256)
        .join(Revision, col(Revision.submission_id) == col(Submission.id))
        .where(col(Submission.id) == delivery.submission_id, col(Revision.number) == delivery.revision_number)
        .execution_options(populate_existing=True)
        # A retraction waits for this lock, and then cancels what we make pending; or we wait and see it.
        .with_for_update(read=True, of=Submission)
    )
    row, revision_sha256 = (await session.exec(statement)).one()
    is_current = row.live_revision_number == delivery.revision_number
    if row.state == State.RETRACTED.value or not is_current:
        raise NotToBeSent(seen)
    await move_delivery(session, delivery.id, DeliveryState.PENDING, seen=seen, message=None)
    payload = {"revision_number": delivery.revision_number, "revision_sha256": revision_sha256}
    urgency = 0 if row.is_fast_track else 1
    await enqueue(session, Effect.DISTRIBUTE, row.id, payload=payload, urgency=urgency)
