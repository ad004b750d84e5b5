"""The key with which a request may be repeated: its first answer counts, for a day."""

from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=255, description="A repeat with the same key gets the first answer again."
    ),
]
