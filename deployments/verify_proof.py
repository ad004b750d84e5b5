#!/usr/bin/env python3
"""Checks a proof of one submission offline. It may be copied alone to any machine: Python 3.11 and `cryptography`."""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

REVIEWS = {"first_review", "second_review", "final_review"}
OUTGOING = {"go_out", "delivery_confirmed", "delivery_handed_off", "delivery_refused", "delivery_unknown"}
FAULTS = (InvalidSignature, ValueError, LookupError, TypeError, AttributeError, RecursionError)
PROVES = """成立。 It holds.
【证明】稿件 {item} 的 {seq} 个事件逐字如此，依次在日志 {origin} 的前 {size} 条中；截至第 {as_of} 条再无其他事件；
现状态 {state}；凡发布的内容和成品，都先由作者以外的三个人在三审中签过；所附内容即所签内容。
It proves: these {seq} events are, word for word and in this order, among the first {size} entries of the log; as of
entry {as_of} the item has no other; whatever went out, content and renditions, had been signed by three people in
three reviews, none of them its author; the contents in this file are those.
【不证明】其后的事；内容属实；账号由本人使用；时间准确（取自服务器）；未向他人出示另一日志（请比对检查点）。
It does not prove: what came later; that the content is true; that accounts were used by their owners; the times (the
server's); that nobody is shown another log (compare checkpoints). {hidden} 项个人信息未公开或已删除 values not told.
"""


def need(holds: object, zh: str, en: str) -> None:
    """Nothing, or ValueError in both languages."""
    if not holds:
        raise ValueError(zh + " " + en)


def canonical(value: Any) -> str:
    """RFC 8785; names are sorted by UTF-16 code units, and numbers are integers."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def sha256(value: Any) -> str:
    """The hash of a value's canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without a name that stands twice: parsers differ on which one counts."""
    need(len(dict(pairs)) == len(pairs), "文件中有重名字段。", "A name stands twice in the file.")
    return dict(pairs)


def open_note(note: str, key: str, first: str, count: int) -> list[str]:
    """The lines of a C2SP signed note that this key has signed; `first` is its first line."""
    name, key_id, encoded = key.split("+", 2)
    public = base64.b64decode(encoded)
    hint = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    need(public[:1] == b"\x01" and hint.hex() == key_id, "验证公钥不正确。", "The key is malformed.")
    text, _, rest = note.rpartition("\n\n")
    *signers, end = [line.split(" ") for line in rest.split("\n")]
    need(end == [""] and all(each[0] == "—" for each in signers), "文书格式不对。", "A note is malformed.")
    found = [base64.b64decode(each[2], validate=True) for each in signers if each[1] == name]
    mine = [each[4:] for each in found if each[:4] == hint]
    need(mine, "文书没有该公钥的签名。", "A note is not signed with this key.")
    for signature in mine:
        Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature, f"{text}\n".encode())
    told = text.split("\n")
    need((len(told), told[0]) == (count, first) and name in told, "文书种类不符。", "Another kind of note.")
    return told


def tree_head(note: str, key: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint."""
    lines = open_note(note, key, key.partition("+")[0], 3)
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def fold(fn: int, sn: int, seed: bytes, path: Iterable[bytes]) -> tuple[bytes, bytes]:
    """The loop that RFC 9162 sections 2.1.3.2 and 2.1.4.2 share; two empty strings when it fails."""
    fr = sr = seed
    for c in path:
        if sn == 0 or len(c) != 32:
            return b"", b""
        if fn & 1 or fn == sn:
            fr, sr = (hashlib.sha256(b"\x01" + c + each).digest() for each in (fr, sr))
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = hashlib.sha256(b"\x01" + sr + c).digest()
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr) if sn == 0 else (b"", b"")


def is_consistent(old: int, size: int, roots: tuple[bytes, bytes], path: list[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2; an equal size takes an equal root and no path."""
    if old == size or not path:
        return old == size and not path and roots[0] == roots[1]
    steps = [roots[0], *path] if old & (old - 1) == 0 else path
    level = (old & -old).bit_length() - 1  # of the largest perfect subtree at the old tree's right edge
    return 0 < old < size and fold((old - 1) >> level, (size - 1) >> level, steps[0], steps[1:]) == roots


def check_events(proof: dict[str, Any], size: int, root: bytes) -> int:
    """Each event is in the log as it stands here, in its chain; returns how many values are not told."""
    item, previous, index, hidden = proof["submission_id"], "0" * 64, -1, 0
    for seq, event in enumerate(proof["events"], 1):
        body, at = event["body"], f"#{seq}"
        need(body["submission_id"] == item, f"{at} 属于另一稿件。", f"{at} is another item's.")
        in_order = body["item_seq"] == seq and index < event["index"] < size
        need(in_order, f"{at} 缺失、重复或次序不对。", f"{at} is missing, doubled or out of order.")
        need(body["prev_hash"] == previous, f"{at} 不接前一事件。", f"{at} does not follow the one before.")
        previous, index = sha256(body), event["index"]
        leaf = hashlib.sha256(b"\x00" + bytes.fromhex(previous)).digest()
        found = fold(index, size - 1, leaf, map(bytes.fromhex, event["path"]))[1]
        need(found == root, f"{at} 不在日志中或被改动。", f"{at} is not in the log as it stands here.")
        for name, (salt, value) in event["opened"].items():
            fits = body["commitments"].get(name) == sha256([name, salt, value])
            need(fits, f"{at} 的 {name} 被改动。", f"{name} of {at} is not what was recorded.")
        hidden += len(body["commitments"]) - len(event["opened"])
    return hidden


def check_head(proof: dict[str, Any], key: str, size: int) -> int:
    """These are all events of the item as of a size of the log, which is returned."""
    lines, last = open_note(proof["item_head"], key, "sanshen item head v1", 6), proof["events"][-1]
    whole = lines[2:5] == [proof["submission_id"], str(last["body"]["item_seq"]), sha256(last["body"])]
    need(whole, "事件不完整，与签署的总数或末端不符。", "Events are missing: the signed number is another.")
    need(last["index"] < int(lines[5]) <= size, "末端声明与日志不符。", "The item head does not fit the log.")
    return int(lines[5])


def check_reviews(proof: dict[str, Any]) -> str:
    """Nothing went out but what three people had signed; returns the state."""
    state, author, editor = None, proof["events"][0]["body"]["actor_id"], None
    revisions, approvals, done = [], [], []  # type: ignore[var-annotated]
    signed: dict[int, str] = {}  # by the revision's number, the hash of its renditions
    for seq, body in enumerate((each["body"] for each in proof["events"]), 1):
        kind, facts, content, at = body["event"], body["facts"], body["revision_sha256"], f"#{seq}"
        follows = body["from_state"] == state and (kind == "create") == (seq == 1)
        need(follows, f"{at} 的状态不连续。", f"{at} does not begin in the state that the last one left.")
        if kind in ("create", "edit") and content not in revisions[-1:]:
            revisions, editor = [*revisions, content], body["actor_id"]
        need(content == revisions[-1], f"{at} 的版本不符。", f"{at} is about another revision.")
        done = [] if body["to_state"] == "received" != state else done
        state = body["to_state"]
        if kind in ("approve", "confirm_override"):
            actor, stage = body["actor_id"], facts["stage"]
            signer = actor if kind == "approve" else facts["override_asked_by"]
            people = {signer, facts.get("on_behalf_of", signer)} if kind == "approve" else {signer}
            others = {author, editor, None, *(each[1] for each in done if each[0] != stage)}
            apart = not people & others and (kind == "approve" or actor not in {author, editor, signer})
            need(apart, f"{at} 的审稿人不独立。", f"{at}: the reviewer wrote, edited or reviewed it before.")
            done += [(stage, each, body["from_state"]) for each in people]
            approvals.append([seq, signer, stage, content])
            if state == "approved":
                need(
                    {each[2] for each in done} >= REVIEWS, f"{at} 未完成三审。", f"{at}: reviews are missing."
                )
                signed[len(revisions)] = facts["manifest_sha256"]
        if kind == "recall":
            signed.pop(len(revisions), None)
        is_signed = kind not in OUTGOING or facts.get("revision_number", len(revisions)) in signed
        need(is_signed, f"{at} 发布了未签发的内容。", f"{at}: what went out was not signed.")
    need(approvals == proof["approvals"], "审批与事件不符。", "The approvals are not those of the events.")
    need(revisions == [sha256(each) for each in proof["revisions"]], "内容被改动。", "Content was changed.")
    made = set(map(sha256, proof["manifests"]))
    need(made >= set(signed.values()), "成品清单与签发的不符。", "Renditions are not those that were signed.")
    return str(state)


def check(path: Path, key: str, older: Path | None) -> str:
    """What the file proves, in words. Raises ValueError with what does not hold, others for a malformed file."""
    proof = json.loads(path.read_bytes(), object_pairs_hook=unique)
    size, root = tree_head(proof["checkpoint"], key)
    if older is not None:
        old = tree_head(older.read_text(encoding="utf-8"), key)
        steps = proof["consistency"] or {"old_size": size, "path": []}
        need(steps["old_size"] == old[0], f"请用 ?since={old[0]} 重新索取。", f"Ask with ?since={old[0]}.")
        same = is_consistent(old[0], size, (old[1], root), [bytes.fromhex(each) for each in steps["path"]])
        need(same, "日志被改写，与旧检查点矛盾。", "The log was rewritten: it contradicts your checkpoint.")
    told = {"hidden": check_events(proof, size, root), "as_of": check_head(proof, key, size), "size": size}
    texts = {"item": proof["submission_id"], "origin": key.partition("+")[0], "state": check_reviews(proof)}
    return PROVES.format(**told, **texts, seq=len(proof["events"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("proof", type=Path)
    parser.add_argument("--key", required=True, help="verifier key, from the newsroom and not from the file")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that you have kept")
    given = parser.parse_args()
    try:
        sys.stdout.write(check(given.proof, given.key.strip(), given.checkpoint))
    except FAULTS as error:
        sys.exit(f"不成立。 It does not hold. {str(error) or '签名无效。 A signature is forged.'}")
