"""Who may see an item at all. What may not be seen is answered as if it were not there."""

from states.item import State
from states.roles import EDITORS, Actor, Role


def is_staff(actor: Actor) -> bool:
    """Whether they work in the newsroom: with a role of their own beyond a correspondent's, or with a lent one."""
    return bool(actor.rights - {Role.CORRESPONDENT})


def can_see(state: State, author_id: str, actor: Actor) -> bool:
    """The author sees all of theirs; a draft is nobody else's; staff see whatever has been sent in."""
    if actor.person_id == author_id:
        return True
    return state is not State.DRAFT and is_staff(actor)


def can_inspect(state: State, author_id: str, actor: Actor) -> bool:
    """An administrator may read somebody else's draft, one by one and never in a list; each read goes on record."""
    is_theirs = actor.person_id == author_id
    return state is State.DRAFT and not is_theirs and Role.ADMINISTRATOR in actor.roles


def can_see_capture(author_id: str, actor: Actor) -> bool:
    """Where, when, with what and by whom a file was made: for its author, and for editors, who check facts by it."""
    return actor.person_id == author_id or bool(actor.rights & EDITORS)
