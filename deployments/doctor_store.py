"""What the doctor says of the object store: each thing that it can do, or what stands in for it."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from deployments.doctor_check import Check
from states.text import Text
from storage.settings import Settings
from storage.store_probe import WRITERS, StoreFacts

ProbeS3 = Callable[[Settings], Awaitable[StoreFacts]]
"""What the store can do. Raises when it cannot be used at all."""


@dataclass(frozen=True, slots=True)
class _Line:
    label: Text
    works: Text
    missing: Text
    is_needed: bool = False


_LINES = {
    "conditional_put": _Line(
        Text("条件写入", "conditional put"),
        Text(f"可用：{WRITERS} 个写入者同时写，只有一个成功", f"works: of {WRITERS} writers at once one won"),
        Text(
            "不支持；同名文件会被相同内容覆盖，账本副本不再防止他人覆盖",
            "not known; files are replaced by equal ones, and nothing keeps a copy of the log from being replaced",
        ),
    ),
    "versioning": _Line(
        Text("版本控制", "versioning"),
        Text("可用：素材的旧版本保留 30 天", "works: older versions of assets are kept for 30 days"),
        Text(
            "不支持；误删的素材无法从存储中找回，请另做备份",
            "not known; an asset that is removed by mistake is gone, so keep backups",
        ),
    ),
    "object_lock": _Line(
        Text("对象锁定", "object lock"),
        Text("可用：账本副本锁定 10 年", "works: copies of the log are locked for 10 years"),
        Text(
            "不支持；账本副本可被本账号删除，请保留数据目录 checkpoints/ 或 Webhook 处的副本",
            "not known; this account can remove copies of the log, so keep those in checkpoints/ or at the webhook",
        ),
    ),
    "lifecycle": _Line(
        Text("生命周期", "lifecycle"),
        Text(
            "规则已接受；是否执行无法在此验证，派发进程自己也会清理",
            "rules are taken; whether they are carried out cannot be seen here, and the dispatcher tidies up itself",
        ),
        Text(
            "不支持；未完成和临时的文件由派发进程清理，素材旧版本不会自动清理",
            "not known; the dispatcher removes what is unfinished and temporary, older versions of assets stay",
        ),
    ),
    "cors": _Line(
        Text("跨域上传", "CORS"),
        Text("可用：本站页面可直接上传分片", "works: pages of this site may send parts of uploads"),
        Text(
            "浏览器不能直接上传分片；请在存储上允许 SANSHEN_SITE_URL 使用 PUT，手机客户端不受影响",
            "browsers cannot send parts; allow PUT for SANSHEN_SITE_URL at the store (apps are not concerned)",
        ),
    ),
    "multipart": _Line(
        Text("分片", "multipart"),
        Text("可用：分片写入、分片复制", "works: parts are joined and copied"),
        Text(
            "不可用；无法上传。请换用支持分片的 S3 服务",
            "does not work, so nothing can be uploaded; use a store that joins parts",
        ),
        is_needed=True,
    ),
    "is_closed": _Line(
        Text("访问权限", "access"),
        Text(
            "已关闭：外人只能按名读取 public 中的文件",
            "closed: strangers read objects of `public`, by name, and nothing else",
        ),
        Text(
            "外人能列出或读取不该公开的内容，或读不到公开文件。请检查存储桶策略",
            "strangers can list or read what is not public, or cannot read what is; check the buckets' policies",
        ),
        is_needed=True,
    ),
}


def store_checks(facts: StoreFacts) -> Iterator[Check]:
    """One check for each thing; only what nothing can stand in for is a failure."""
    for name, line in _LINES.items():
        is_there = bool(getattr(facts, name))
        title = f"S3 {line.label.en}"
        if is_there:
            yield Check(title, True, line.works)
        elif line.is_needed:
            yield Check(title, False, line.missing, _MEND)
        else:
            yield Check(title, True, Text(f"警告：{line.missing.zh}", f"Warning: {line.missing.en}"))


_MEND = Text(
    "请改正存储的设置后运行 sanshen prepare，再运行 sanshen doctor。",
    "Correct the store's settings, run sanshen prepare, then sanshen doctor again.",
)
