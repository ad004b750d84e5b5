"""The kinds of problem that the API answers with (RFC 9457). Their `type` never changes once published."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from states.text import Text


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: the last part of its `type`, its status, and its title."""

    slug: str
    status: int
    title: Text

    @property
    def type(self) -> str:
        """The stable URI reference of this kind."""
        return f"/problems/{self.slug}"


_ALL = (
    Kind("bad-request", 400, Text("请求无法读取", "The request cannot be read")),
    Kind("unauthenticated", 401, Text("请先登录", "Sign in first")),
    Kind("wrong-credentials", 401, Text("登录名或密码不正确", "Wrong sign-in name or password")),
    Kind("role-missing", 403, Text("没有权限", "A role is missing")),
    Kind("upload-finished", 403, Text("上传已完成，不再接收数据", "A finished upload takes no bytes")),
    Kind("not-found", 404, Text("没有找到", "Not found")),
    Kind("method-not-allowed", 405, Text("此地址不支持该方法", "Method not allowed here")),
    Kind("illegal-event", 409, Text("当前状态不能执行该操作", "The state takes no such event")),
    Kind("guard-refused", 409, Text("条件不满足", "A condition does not hold")),
    Kind("conflict", 409, Text("稿件刚被他人更改", "Somebody else was first")),
    Kind("already-exists", 409, Text("名称已被使用", "The name is taken")),
    Kind("upload-refused", 409, Text("素材与声明不符", "Not the announced bytes")),
    Kind("upload-offset", 409, Text("偏移量不符", "Another offset is current")),
    Kind("delivery-move-refused", 409, Text("分发状态不允许该操作", "The delivery cannot do this now")),
    Kind("own-account", 409, Text("不能停用自己的账号", "Not your own account")),
    Kind("delegation-refused", 409, Text("不能这样委托", "The role cannot be lent like this")),
    Kind("not-in-log-yet", 409, Text("尚未写入日志", "Not in the log yet")),
    Kind("no-such-checkpoint", 409, Text("没有这样的检查点", "No such checkpoint")),
    Kind("upload-gone", 410, Text("上传已取消或过期", "The upload is over")),
    Kind("stale-version", 412, Text("版本已过期", "The version is stale")),
    Kind("tus-version", 412, Text("不支持此 tus 版本", "Not a version of tus that is spoken here")),
    Kind("body-too-large", 413, Text("请求内容过大", "The request body is too large")),
    Kind("unsupported-media-type", 415, Text("内容类型不符", "Not the content type of this route")),
    Kind("invalid-request", 422, Text("请求内容有误", "The request is not valid")),
    Kind("upload-mismatch", 422, Text("素材与声明不符", "Not the announced bytes")),
    Kind("workflow-invalid", 422, Text("流程定义有误", "The workflow has faults")),
    Kind("idempotency-key-reused", 422, Text("幂等键已用于另一请求", "The key belongs to another request")),
    Kind("upload-locked", 423, Text("上传正被占用", "The upload is in use")),
    Kind("precondition-required", 428, Text("缺少 If-Match", "If-Match is required")),
    Kind("too-many-attempts", 429, Text("登录尝试过多", "Too many attempts to sign in")),
    Kind("upload-quota", 429, Text("超出上传配额", "Over the quota for uploads")),
    Kind("upload-checksum", 460, Text("校验值不符", "Checksum mismatch")),
    Kind("internal-error", 500, Text("服务器内部错误", "Internal error")),
    Kind("server-busy", 503, Text("服务器繁忙", "The server is busy")),
    Kind("database-unavailable", 503, Text("数据库暂时不可用", "The database is not available")),
    Kind("store-unavailable", 503, Text("素材存储暂时不可用", "The object store is not available")),
    Kind("store-full", 507, Text("存储空间已满", "No space is left")),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.slug: kind for kind in _ALL})


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the request; `field` is its path, as in `assets.0.sha256`."""

    field: str
    text: Text

    def to_json(self) -> dict[str, str]:
        """As it stands in the problem's `errors`."""
        return {"field": self.field, **self.text.to_json()}


class ApiProblem(Exception):
    """An answer that is a problem: its kind, the words, more members, and headers."""

    def __init__(
        self, slug: str, text: Text, members: Mapping[str, Any] | None = None, **headers: str
    ) -> None:
        super().__init__(text.en)
        self.kind = KINDS[slug]
        self.text = text
        self.members = dict(members or {})
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class InvalidFields(ApiProblem):
    """Fields of a well-formed request that cannot be taken as they are."""

    def __init__(self, *errors: FieldError) -> None:
        shown = errors[:20]
        text = Text(
            "；".join(f"{each.field}：{each.text.zh}" for each in shown),
            "; ".join(f"{each.field}: {each.text.en}" for each in shown),
        )
        super().__init__("invalid-request", text, {"errors": [each.to_json() for each in shown]})


def invalid_field(field: str, zh: str, en: str) -> InvalidFields:
    """One field that cannot be taken as it is."""
    return InvalidFields(FieldError(field, Text(zh, en)))
