"""What a decision is compared with: a FastAPI endpoint that does one UPDATE and one INSERT, nothing else."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from storage.database import Database

_URL = os.environ["BENCH_DATABASE_URL"]
_DRIVER = os.environ["BENCH_DRIVER"]


class Decision(BaseModel):
    """The request's body."""

    event: str


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    if _DRIVER == "asyncpg":
        async with asyncpg.create_pool(_URL, min_size=20, max_size=20) as pool:
            app.state.pool = pool
            yield
    else:
        app.state.db = Database(_URL, 20)
        yield
        await app.state.db.close()


app = FastAPI(lifespan=_lifespan)


if _DRIVER == "asyncpg":

    @app.post("/items/{number}")
    async def decide(number: int, decision: Decision) -> dict[str, int]:
        async with app.state.pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE bare_item SET version = version + 1 WHERE id = $1", number)
            await connection.execute(
                "INSERT INTO bare_event (item, event) VALUES ($1, $2)", number, decision.event
            )
        return {"version": 1}

else:

    @app.post("/items/{number}")
    async def decide(number: int, decision: Decision) -> dict[str, int]:
        update = text("UPDATE bare_item SET version = version + 1 WHERE id = :id")
        insert = text("INSERT INTO bare_event (item, event) VALUES (:id, :event)")
        async with app.state.db.transaction() as session:
            connection = await session.connection()
            await connection.execute(update, {"id": number})
            await connection.execute(insert, {"id": number, "event": decision.event})
        return {"version": 1}
