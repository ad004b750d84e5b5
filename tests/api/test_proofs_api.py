"""The proof of a submission over HTTP: for whom, and what the verifier says to it."""

import json
from pathlib import Path
from typing import Any

from deployments import verify_proof


async def test_proof_over_http_is_what_the_verifier_takes(api: Any, book: Any, tmp_path: Path) -> None:
    item = await book.published()
    await book.sequence()
    answer = await api("GET", f"/v1/submissions/{item}/proof", "chief")
    assert answer.status_code == 200
    assert f"proof-{item}.json" in answer.headers["content-disposition"]
    (tmp_path / "proof.json").write_bytes(answer.content)
    said = verify_proof.check(tmp_path / "proof.json", str(book.signer.verifier), None)
    assert str(item) in said
    kept = tmp_path / "kept.note"
    kept.write_text(answer.json()["checkpoint"])
    await book.newsroom.draft()
    await book.sequence()
    since = int(answer.json()["checkpoint"].split("\n")[1])
    later = await api("GET", f"/v1/submissions/{item}/proof?since={since}", "chief")
    (tmp_path / "proof.json").write_bytes(later.content)
    assert str(item) in verify_proof.check(tmp_path / "proof.json", str(book.signer.verifier), kept)


async def test_proof_is_for_staff_and_the_author_who_is_told_no_address(
    api: Any, book: Any, is_problem: Any
) -> None:
    item = (await api.draft())["id"]
    await api.event(item, "submit", "writer")
    await book.sequence()
    path = f"/v1/submissions/{item}/proof"
    for who in ("duty", "operator", "admin"):
        assert "192.0.2.7" in (await api("GET", path, who)).text
    own = await api("GET", path, "writer")
    assert own.status_code == 200
    assert "192.0.2.7" not in own.text
    assert [sorted(event["opened"]) for event in own.json()["events"]] == [["actor_name"]] * 2
    is_problem(await api("GET", path, "other_writer"), 404, "not-found")
    is_problem(await api("GET", path), 401, "unauthenticated")


async def test_proof_that_cannot_be_made_yet_says_why(api: Any, book: Any, is_problem: Any) -> None:
    item = (await api.draft())["id"]
    path = f"/v1/submissions/{item}/proof"
    answer = await api("GET", path, "writer")
    is_problem(answer, 409, "not-in-log-yet")
    assert int(answer.headers["retry-after"]) > 0
    await book.sequence()
    is_problem(await api("GET", f"{path}?since=1000000", "writer"), 409, "no-such-checkpoint")
    for since in ("0", "-1", "x", "9" * 30):
        is_problem(await api("GET", f"{path}?since={since}", "writer"), 422, "invalid-request")
    assert json.loads((await api("GET", f"{path}?since=1", "writer")).text)["consistency"]["old_size"] == 1
