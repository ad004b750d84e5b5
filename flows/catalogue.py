"""Which flow follows from which effect: one table for the dispatcher, the deployments and the docs."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from states.events import Effect
from states.text import Text


@dataclass(frozen=True, slots=True)
class FlowEntry:
    """One deployment: the flow behind it, and what it takes from the outbox row's payload."""

    effect: Effect
    entrypoint: str
    label: Text
    queue: str
    takes: tuple[str, ...] = ()


# Renders have a queue of their own with a limit, so that a long one never keeps a sign-off waiting.
QUEUES: Mapping[str, int | None] = MappingProxyType({"default": None, "render": 2})

CATALOGUE: Mapping[Effect, FlowEntry] = MappingProxyType(
    {
        entry.effect: entry
        for entry in (
            FlowEntry(
                Effect.INTAKE,
                "flows.intake.intake",
                Text("入库检查", "intake"),
                "default",
                ("revision_sha256",),
            ),
            FlowEntry(
                Effect.RENDER,
                "flows.render.render",
                Text("制作成品", "render"),
                "render",
                ("revision_sha256",),
            ),
            FlowEntry(
                Effect.RELEASE,
                "flows.release.release",
                Text("到时发布", "release"),
                "default",
                ("revision_sha256",),
            ),
            FlowEntry(
                Effect.DISTRIBUTE,
                "flows.distribute.distribute",
                Text("分发", "distribute"),
                "default",
                ("revision_number",),
            ),
            FlowEntry(Effect.RETRACT, "flows.retract.retract", Text("撤稿", "retract"), "default"),
        )
    }
)


def item_tag(submission_id: object) -> str:
    """The tag that every run of an item carries in Prefect."""
    return f"item:{submission_id}"


def run_name(text: str) -> str:
    """A name for a task run. Prefect fills braces in it with the task's arguments, so those are doubled."""
    return text.replace("{", "{{").replace("}", "}}")
