"""A client of the public API, as any phone or script would be one. Used by the demo, the tests, the benchmarks."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any, cast

import httpx

_PARTS_AT_ONCE = 4


class ApiRefused(RuntimeError):
    """The API answered with a problem."""

    def __init__(self, response: httpx.Response) -> None:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        detail = problem.get("detail", response.text[:300])
        super().__init__(f"{response.request.method} {response.request.url}: {response.status_code} {detail}")
        self.status, self.problem = response.status_code, problem


class Client:
    """One person's connection."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.AsyncClient(
            base_url=f"{base_url}/api/v1", headers=headers, timeout=60, trust_env=False
        )

    @classmethod
    async def sign_in(cls, base_url: str, username: str, password: str) -> "Client":
        """A signed-in client. Raises ApiRefused."""
        visitor = cls(base_url)
        try:
            session = await visitor.post("/sessions", {"username": username, "password": password})
        finally:
            await visitor.close()
        return cls(base_url, session["token"])

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request. Raises ApiRefused on any 4xx or 5xx."""
        response = await self.http.request(method, path, **more)
        if response.is_error:
            raise ApiRefused(response)
        return response

    async def get(self, path: str) -> Any:
        """The JSON at a path."""
        return (await self.call("GET", path)).json()

    async def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a JSON body."""
        return (await self.call("POST", path, json=body)).json()

    async def send_event(self, submission_id: str, event: str, **more: Any) -> dict[str, Any]:
        """Send one event for the revision that the item has now."""
        item = await self.get(f"/submissions/{submission_id}")
        body = {"event": event, "revision_sha256": item["revision_sha256"], **more}
        return cast(dict[str, Any], await self.post(f"/submissions/{submission_id}/events", body))

    async def upload(self, submission_id: str, path: Path, caption: str) -> dict[str, Any]:
        """Send a file in parts, straight to the store, and complete it."""
        data = await asyncio.to_thread(path.read_bytes)
        announced = {
            "filename": path.name,
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "caption": caption,
        }
        upload = await self.post(f"/submissions/{submission_id}/uploads", announced)
        await self._send_parts(upload, data)
        done = await self.post(f"/submissions/{submission_id}/uploads/{upload['id']}/complete", {})
        return cast(dict[str, Any], done)

    async def _send_parts(self, upload: dict[str, Any], data: bytes) -> None:
        gate, size = asyncio.Semaphore(_PARTS_AT_ONCE), upload["part_size_bytes"]
        async with httpx.AsyncClient(timeout=120, trust_env=False) as store:

            async def send(number: int, url: str) -> None:
                async with gate:
                    part = data[(number - 1) * size : number * size]
                    (await store.put(url, content=part)).raise_for_status()

            await asyncio.gather(*(send(part["number"], part["url"]) for part in upload["parts"]))

    async def wait_for(
        self, submission_id: str, is_there: Any, what: str, timeout_s: float = 180
    ) -> dict[str, Any]:
        """Look at the item until `is_there(item)`; raises TimeoutError naming what was waited for."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    item = await self.get(f"/submissions/{submission_id}")
                    if is_there(item):
                        return cast(dict[str, Any], item)
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise TimeoutError(
                f"{what} did not come within {timeout_s:.0f} s; state {item['state']}"
            ) from None
