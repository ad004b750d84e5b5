"""Why a move is not made. The one error tree of `states`; every refusal says what to do next."""

from states.names import event_in_words, state_in_words
from states.roles import ROLE_NAMES, Role
from states.text import Text


class MoveRefused(Exception):
    """A move that is not made; nothing has changed."""

    text: Text

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class IllegalMove(MoveRefused):
    """The event does not exist for an item in this state."""

    def __init__(self, event: str, state: str, allowed: tuple[str, ...]) -> None:
        asked, stands = event_in_words(event), state_in_words(state)
        can = [event_in_words(each) for each in allowed]
        now_zh = f"现在可以：{'、'.join(each.zh for each in can)}。" if can else "现在没有可用操作。"
        now_en = f"It takes: {', '.join(each.en for each in can)}." if can else "It takes no event now."
        super().__init__(
            Text(
                f"稿件目前为{stands.zh}，不能{asked.zh}。{now_zh}",
                f"The item is in {stands.en} and takes no {asked.en}. {now_en}",
            )
        )
        self.event = event
        self.state = state
        self.allowed = allowed


class RoleMissing(MoveRefused):
    """The actor holds none of the roles that may make this move."""

    def __init__(self, event: str, roles: frozenset[Role]) -> None:
        names = [ROLE_NAMES[role] for role in Role if role in roles]
        super().__init__(
            Text(
                f"{event_in_words(event).zh}需要以下角色之一：{'、'.join(name.zh for name in names)}。请联系管理员。",
                f"{event_in_words(event).en} takes one of these roles: {', '.join(name.en for name in names)}. "
                "Ask the administrator.",
            )
        )
        self.event = event
        self.roles = roles


class GuardRefused(MoveRefused):
    """A named guard stands in the way."""

    def __init__(self, guard: str, text: Text, details: tuple[str, ...] = ()) -> None:
        more = ("：" + "；".join(details), ": " + "; ".join(details)) if details else ("", "")
        super().__init__(Text(text.zh + more[0], text.en + more[1]))
        self.guard = guard
        self.details = details
