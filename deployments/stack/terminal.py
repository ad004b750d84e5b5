"""What the person in front of the terminal sees while the stack starts, runs and stops."""

import os

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from deployments.stack.parts import Item
from states.text import Language, Text


def reader_language() -> Language:
    """The language of the terminal: Chinese where LC_ALL or LANG begins with zh, else English."""
    return "zh" if (os.environ.get("LC_ALL") or os.environ.get("LANG", "")).startswith("zh") else "en"


class Terminal:
    """One line for each thing that happened; below them, on a terminal, what is being waited for."""

    def __init__(self, console: Console | None = None, shown_language: Language | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._language = shown_language or reader_language()
        self._waiting: dict[str, str] = {}
        self._status: Status | None = None

    def starting(self, item: Item) -> None:
        """Show that `item` is being started."""
        self._waiting[item.name] = item.label.in_language(self._language)
        self._show_waiting()

    def started(self, item: Item, seconds: float) -> None:
        """One line: it is up, where, and after how long."""
        label = self._waiting.pop(item.name, None) or item.label.in_language(self._language)
        url = getattr(item, "url", None) or ""
        line = (
            f"[green]✓[/] {escape(label)}  [cyan]{escape(url)}[/]" if url else f"[green]✓[/] {escape(label)}"
        )
        self._console.print(f"{line}  [dim]{seconds:.1f} s[/]", soft_wrap=True)
        self._show_waiting()

    def say(self, text: Text) -> None:
        """One plain line."""
        self._console.print(text.in_language(self._language), markup=False, soft_wrap=True)

    def warn(self, text: Text) -> None:
        """One line that calls for attention."""
        self._console.print(text.in_language(self._language), style="yellow", markup=False, soft_wrap=True)

    def fail(self, text: Text) -> None:
        """Why it does not go on, and what to do."""
        self.rest()
        self._console.print(
            f"✗ {text.in_language(self._language)}", style="red", markup=False, soft_wrap=True
        )

    def rest(self) -> None:
        """Take the line of waiting away."""
        self._waiting.clear()
        self._show_waiting()

    def _show_waiting(self) -> None:
        if not self._console.is_terminal:
            return
        if not self._waiting:
            if self._status:
                self._status.stop()
            self._status = None
        elif self._status:
            self._status.update(" · ".join(self._waiting.values()))
        else:
            self._status = self._console.status(" · ".join(self._waiting.values()))
            self._status.start()
