"""Names in the object store. The server chooses every key; nothing a client sends becomes part of one."""

from uuid import UUID

ASSETS = "assets"
RENDITIONS = "renditions"
PUBLIC = "public"
PACKAGES = "packages"
LEDGER = "ledger"
BUCKETS = (ASSETS, RENDITIONS, PUBLIC, PACKAGES, LEDGER)
# What lies below these is on its way to somewhere else, or a trial; nothing refers to it for long.
TEMPORARY_PREFIXES = ("incoming/", "probe/")


def incoming_key(upload_id: UUID) -> str:
    """Where an upload's bytes lie until they are hashed (bucket `assets`)."""
    return f"incoming/{upload_id}"


def asset_key(sha256: str) -> str:
    """Where content lies for good (bucket `assets`): one copy, named by its hash."""
    return f"sha256/{sha256[:2]}/{sha256}"


def station_key(sha256: str) -> str:
    """Where the station's own logo or clip lies (bucket `assets`); no piece's end takes it away."""
    return f"station/{sha256}"


def rendition_key(key: str, name: str) -> str:
    """Where a file of a rendition lies (bucket `renditions`), by the rendition's key."""
    return f"made/{key[:2]}/{key}/{name}"


def is_temporary(key: str) -> bool:
    """Whether nothing of this object is kept once it is removed, not even a version."""
    return key.startswith(TEMPORARY_PREFIXES)


def checkpoint_key(name: str) -> str:
    """Where a copy of a checkpoint, or of its entries, lies (bucket `ledger`)."""
    return f"checkpoints/{name}"
