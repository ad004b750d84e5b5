"""The table of flows: complete, importable, and fed by what the moves write."""

import inspect
from typing import Any

import pytest
from prefect import Flow
from prefect.utilities.importtools import import_object

from deployments.worker import _PRELOAD
from flows.catalogue import CATALOGUE, QUEUES, item_tag, run_name
from states.events import Effect, Event
from states.item import State
from states.wall_time import WallTime
from storage import outbox


def test_every_effect_has_an_entry() -> None:
    assert set(CATALOGUE) == set(Effect)
    assert all(entry.effect is effect for effect, entry in CATALOGUE.items())


@pytest.mark.parametrize("effect", list(Effect))
def test_entry_point_is_an_async_flow_that_takes_what_the_dispatcher_gives(effect: Effect) -> None:
    entry = CATALOGUE[effect]
    flow = import_object(entry.entrypoint)
    assert isinstance(flow, Flow)
    assert flow.name == effect.value  # the dispatcher asks Prefect for "<effect>/<effect>"
    assert flow.isasync  # a sync flow takes a second more: PREFECT-FACTS.md
    assert set(inspect.signature(flow.fn).parameters) == {
        "submission_id",
        "outbox_id",
        "attempt",
        *entry.takes,
    }
    assert entry.queue in QUEUES
    assert entry.label.zh
    assert entry.label.en


def test_every_flow_is_loaded_before_the_first_run() -> None:
    assert {entry.entrypoint.rpartition(".")[0] for entry in CATALOGUE.values()} <= set(_PRELOAD)


async def test_what_the_moves_write_is_what_the_flows_take(newsroom: Any) -> None:
    item = await newsroom.in_state(State.APPROVED)
    await newsroom.send(item, Event.RETRACT, "chief", reason="失实")
    embargo = WallTime("2094-01-01T08:00", "Asia/Shanghai")
    later = await newsroom.in_state(State.APPROVED, embargo=embargo)
    async with newsroom.db.transaction() as session:
        rows = [*await outbox.work_of(session, item), *await outbox.work_of(session, later)]
    assert {row.effect for row in rows} == {effect.value for effect in Effect}
    for row in rows:
        assert set(CATALOGUE[Effect(row.effect)].takes) <= set(row.payload)


def test_tag_names_the_item() -> None:
    assert item_tag("abc") == "item:abc"


@pytest.mark.parametrize("text", ["新桥通车", "{work}", "{{x}}", "}{", "{work.settings.database_url}"])
def test_run_name_survives_being_taken_for_a_template(text: str) -> None:
    assert run_name(text).format(work="a secret") == text
