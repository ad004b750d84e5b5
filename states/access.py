"""Who may see an item at all. What may not be seen is answered as if it were not there."""

from states.item import State
from states.roles import Actor, Role


def can_see(state: State, author_id: str, actor: Actor) -> bool:
    """The author sees all of theirs; a draft is nobody else's; staff see whatever has been sent in."""
    if actor.person_id == author_id:
        return True
    return state is not State.DRAFT and bool(actor.roles - {Role.CORRESPONDENT})
