"""The child process that decodes: one request in, one line of JSON out. Run by `media.guard` alone.

Everything in here works on a stranger's bytes behind the guard; it imports only what the operation needs.
"""

import importlib
import json
import os
from pathlib import Path
from typing import Any, get_type_hints

from media.errors import MediaError, TooLarge
from media.plain import from_plain, to_plain
from states.text import Text

# Where each operation is done. Its first parameter is the path; the others say by their types what they take.
_OPERATIONS = {
    "streams": ("media.streams", "stream_facts"),
    "rung": ("media.rung", "rung_timings"),
    "still": ("media.stills", "still_facts"),
    "looks": ("media.looks", "look_at"),
    "still_signs": ("media.looks", "still_signs"),
    "sheet": ("media.sheets", "make_sheet"),
    "still_tags": ("media.tags_still", "still_tags"),
    "stream_tags": ("media.tags_stream", "stream_tags"),
    "make_still": ("media.stills_out", "make_still"),
    "package": ("media.packages", "check_package"),
    "unpack": ("media.packages", "unpack_package"),
    "word": ("media.word", "read_word"),
}


def main(request: str) -> None:
    """Does what the request asks and writes the answer, or the refusal, as one line."""
    # A library that prints must not spoil the answer: only this descriptor leads to whoever asked.
    answers = os.dup(1)
    os.dup2(2, 1)
    line = json.dumps(_reply(json.loads(request)), separators=(",", ":")).encode() + b"\n"
    with os.fdopen(answers, "wb") as out:
        out.write(line)


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    module, name = _OPERATIONS[request["operation"]]
    function = getattr(importlib.import_module(module), name)
    hints = get_type_hints(function)
    more = {key: from_plain(hints[key], value) for key, value in request["arguments"].items()}
    try:
        return {"answer": to_plain(function(Path(request["path"]), **more))}
    except MediaError as error:
        refused = error
    except (MemoryError, RecursionError) as error:
        refused = _too_much(type(error).__name__)
    return {
        "refused": {
            "error": type(refused).__name__,
            "text": refused.text.to_json(),
            "detail": refused.detail,
        }
    }


def _too_much(detail: str) -> TooLarge:
    return TooLarge(
        Text(
            "解开此文件所需的内存超过上限，请缩小后重新上传。",
            "Decoding this file takes more memory than it may; make it smaller and upload it again.",
        ),
        detail,
    )
