"""The implicit label of AI-made content (GB 45438-2025): the key `AIGC` and its fields. One that is there stays."""

import html
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# TC260-PG-20258A, the practice guide for pictures: one XMP property with the JSON text in it. The namespace as
# published tools write it, read 2026-11-22.
_NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"
_PROPERTY = re.compile(rb"<TC260:AIGC>(.*?)</TC260:AIGC>|TC260:AIGC=\"(.*?)\"", re.DOTALL)
_MAX_BYTES = 16_384
KEY = "AIGC"
# MXF has its free tags as comments.
_NAMES = (KEY, f"COMMENT_{KEY}")


@dataclass(frozen=True, slots=True)
class AiMark:
    """Who made the content and who passed it on. `label`: 1 it is AI-made, 2 it may be, 3 it is suspected."""

    label: str = "1"
    producer: str = ""
    produce_id: str = ""
    propagator: str = ""
    propagate_id: str = ""

    def to_json(self) -> str:
        """The value of the key, as GB 45438-2025, annex E, names its fields."""
        return json.dumps(
            {
                "Label": self.label,
                "ContentProducer": self.producer,
                "ProduceID": self.produce_id,
                "ReservedCode1": "",
                "ContentPropagator": self.propagator,
                "PropagateID": self.propagate_id,
                "ReservedCode2": "",
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def merged(there: str | None, ours: AiMark | None) -> str | None:
    """The value to write: what the source says stays, and we add ourselves as those who pass it on."""
    if there is None:
        return ours.to_json() if ours else None
    if ours is None:
        return there
    fields: dict[str, Any] = json.loads(there)
    fields |= {"ContentPropagator": ours.propagator, "PropagateID": ours.propagate_id}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def valid(value: object) -> str | None:
    """The value when it is one: a JSON object with a Label, of a sensible length; else None."""
    if not isinstance(value, str) or len(value) > _MAX_BYTES:
        return None
    try:
        fields = json.loads(value)
    except ValueError:
        return None
    return value if isinstance(fields, dict) and "Label" in fields else None


def in_metadata(metadata: dict[str, str]) -> str | None:
    """The value among a container's tags, whatever their letters' case."""
    return next(
        (found for key, text in metadata.items() if key.upper() in _NAMES and (found := valid(text))), None
    )


def in_xmp(packet: bytes) -> str | None:
    """The value in an XMP packet."""
    found = _PROPERTY.search(packet)
    return valid(html.unescape((found[1] or found[2]).decode("utf-8", "replace"))) if found else None


def as_xmp(value: str) -> bytes:
    """An XMP packet that holds the value and nothing else."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:TC260="{_NAMESPACE}">'
        f"<TC260:AIGC>{html.escape(value)}</TC260:AIGC>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def add_to_wave(path: Path, value: str) -> None:
    """Writes the value behind the sound of a finished WAV, BWF or RF64 as the entry `AIGC` of a LIST INFO chunk.

    ffmpeg writes there only what has a name in the RIFF specification.
    """
    content = value.encode() + b"\0"
    entry = KEY.encode() + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
    chunk = b"LIST" + (len(entry) + 4).to_bytes(4, "little") + b"INFO" + entry
    with path.open("r+b") as file:
        is_large = file.read(4) == b"RF64"
        size = file.seek(0, os.SEEK_END)
        file.write(b"\0" * (size % 2) + chunk)
        whole = file.tell() - 8
        # RF64 has its true size in the chunk `ds64`, which comes first (EBU Tech 3306).
        file.seek(20 if is_large else 4)
        file.write(whole.to_bytes(8 if is_large else 4, "little"))
