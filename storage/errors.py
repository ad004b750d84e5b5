"""What storage refuses. Each error carries the words for the person who meets it."""

from collections.abc import Sequence
from typing import ClassVar

from states.text import Text
from states.workflow_faults import Fault


class StorageError(Exception):
    """Root of the tree; `text` is for people."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class NotFound(StorageError):
    """There is no such thing, or not for this person."""

    def __init__(self, what: str, identifier: object) -> None:
        super().__init__(
            Text(
                f"没有找到 {what} {identifier}，请检查编号。",
                f"There is no {what} {identifier}; check the identifier.",
            )
        )
        self.what = what
        self.identifier = identifier


class Conflict(StorageError):
    """Somebody else changed the item first; nothing was written."""

    def __init__(self, submission_id: object) -> None:
        super().__init__(
            Text(
                "稿件刚刚被他人更改，您的操作未生效，请刷新后重试。",
                "Somebody else changed this piece a moment ago; nothing was done. Reload and try again.",
            )
        )
        self.submission_id = submission_id


class StaleVersion(Conflict):
    """The request was made on an older version than the current one."""

    def __init__(self, submission_id: object, seen: int, current: int) -> None:
        super().__init__(submission_id)
        self.seen = seen
        self.current = current


class AlreadyExists(StorageError):
    """A name that must be unique is taken."""


class UploadRefused(StorageError):
    """The bytes that arrived are not the ones announced; they can be sent again."""


class UploadBusy(StorageError):
    """Another request works on the upload and goes on with it; try again later."""

    def __init__(self, upload_id: object) -> None:
        super().__init__(
            Text(
                "另一个请求正在处理此上传，请稍后重试；已传完的部分不会丢失。",
                "Another request works on this upload; try again later. What has arrived is not lost.",
            )
        )
        self.upload_id = upload_id


class QuotaExceeded(StorageError):
    """One person has too much under way; `retry_after_s` says when it may be possible."""

    def __init__(self, text: Text, retry_after_s: int) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class StoreUnavailable(StorageError):
    """The object store refuses, or gives back other bytes than it was given."""

    words: ClassVar[Text] = Text(
        "素材存储暂时不可用，请稍后重试；已传完的部分不会丢失。",
        "The object store is not available now; try again later. What has arrived is not lost.",
    )

    def __init__(self, why: str, code: str = "") -> None:
        super().__init__(self.words)
        self.why = why
        self.code = code  # the store's own, such as `PreconditionFailed`

    def __str__(self) -> str:
        return f"{self.text.en} [{self.why}]"


class StoreAway(StoreUnavailable):
    """The object store does not answer, or failed; whoever waits finds it back without doing anything."""


class StoreFull(StoreUnavailable):
    """There is no space left in the object store; it takes bytes again by itself once there is."""

    words = Text(
        "存储空间已满，暂时不能接收文件；已传完的部分不会丢失，审稿不受影响。请稍后继续上传；"
        "管理员请清理磁盘或扩容，之后自动恢复，无需重启。",
        "The store has no space left and takes no files now. Nothing that has arrived is lost, and reviews go on. Go "
        "on with the upload later; operators: free or add disk space, it then recovers by itself, without a restart.",
    )


class StoredDiffers(StorageError):
    """Other bytes lie under a name that stands for its content; both are kept, and a person must look."""

    def __init__(self, bucket: str, key: str) -> None:
        super().__init__(
            Text(
                f"存储桶 {bucket} 中已有同名但内容不同的 {key}，没有覆盖。请核对两份内容后再处理。",
                f"Bucket {bucket} has other content under {key}; it was not replaced. Compare the two first.",
            )
        )


class LeaseLost(StorageError):
    """This attempt is no longer the current one: another worker has taken the work over."""

    def __init__(self, outbox_id: int, attempt: int) -> None:
        super().__init__(
            Text(
                f"任务 {outbox_id} 的第 {attempt} 次执行已失效，不再写入任何结果。",
                f"Attempt {attempt} of work {outbox_id} is no longer current; it writes nothing.",
            )
        )
        self.outbox_id = outbox_id
        self.attempt = attempt


def _at_stage(fault: Fault, colon: str, words: str) -> str:
    return words if fault.stage is None else f"{fault.stage}{colon}{words}"


class WorkflowInvalid(StorageError):
    """A definition of reviews with faults; nothing was stored."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(
            Text(
                "流程定义有误：" + "".join(_at_stage(fault, "：", fault.text.zh) for fault in faults),
                "The definition has faults: "
                + " ".join(_at_stage(fault, ": ", fault.text.en) for fault in faults),
            )
        )
        self.faults = tuple(faults)


class DelegationRefused(StorageError):
    """A role that cannot be lent like this; nothing was stored."""
