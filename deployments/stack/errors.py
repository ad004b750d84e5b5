"""Why the stack does not come up, each in words for the person who started it."""

from states.text import Text


class StackError(Exception):
    """The embedded stack cannot go on."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class AlreadyRunning(StackError):
    """Another `sanshen up` holds this home."""


class PortTaken(StackError):
    """A port that a part needs is in use or cannot be used."""


class SecretsUnreadable(StackError):
    """The file with the keys of this installation is damaged."""


class NotInstalled(StackError):
    """A program that comes from a Python package is missing."""


class PartFailed(StackError):
    """A part, or a step between parts, did not come up."""


class SocketInTheWay(StackError):
    """A file of another user stands where a server would open its socket."""
