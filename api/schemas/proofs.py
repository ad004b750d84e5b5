"""The proof of one submission as a file."""

from typing import Any

from pydantic import Field

from api.schemas.base import Shown


class ProofEvent(Shown):
    """One event: what was hashed, its place in the log, and what stands beside it of people."""

    index: int
    body: dict[str, Any]
    path: list[str] = Field(description="RFC 9162 inclusion path against the checkpoint.")
    opened: dict[str, tuple[str, str]] = Field(
        description="By field, salt and value of what the event commits to; without what was erased or is withheld."
    )


class Consistency(Shown):
    """That the log begins with what it was at an older checkpoint."""

    old_size: int
    path: list[str]


class WorkflowShown(Shown):
    """The reviews that the submission went through."""

    id: int
    column: str | None
    number: int
    definition: dict[str, Any]


class Proof(Shown):
    """Everything that `verify_proof.py` needs; it runs offline, on any machine."""

    format: str
    submission_id: str
    verifier_key: str = Field(
        description="For convenience: get the key from the newsroom itself before you rely on it."
    )
    checkpoint: str = Field(description="A C2SP signed note: name, size and root of the log.")
    item_head: str = Field(
        description="A signed note: how many events the item has, as of a size of the log."
    )
    consistency: Consistency | None
    events: list[ProofEvent]
    approvals: list[tuple[int, str, str, str]] = Field(
        description="item_seq, person, stage and revision_sha256 of each."
    )
    revisions: list[dict[str, Any]] = Field(description="The contents; files are named by their SHA-256.")
    manifests: list[list[dict[str, Any]]] = Field(
        description="The renditions that were signed, with SHA-256."
    )
    workflows: list[WorkflowShown]
