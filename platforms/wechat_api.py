"""Calls to the WeChat official account's API: the token, kept and renewed, and what each error code means.

From the platform's documents "获取稳定版接口调用凭据", "全局返回码" and those of each call, read 2026-11-22.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from platforms.calling import Answer, CallFailed, Request, broken_off, call
from platforms.frame import DestinationConfig, Refused, Tools, TryLater, Unknown
from states.text import Text

BASE_URL = "https://api.weixin.qq.com"
TIMEOUT_S = 15.0
UPLOAD_TIMEOUT_S = 60.0  # 10 MB at 1.5 Mbit/s

_TOKEN_MARGIN_S = 60.0  # the platform keeps an old token good for five minutes beside its successor
_TOKEN_LONGEST_S = 7200.0
_STALE = frozenset({40001, 40014, 42001})
BUSY = -1
NO_MEDIA = 40007  # of a draft too
UNKNOWN_ARTICLE = 53600
# The documents call 45009 a daily limit and do not say at which hour the day begins: ask again every hour.
_WAITS_S: Mapping[int, float] = {
    BUSY: 60.0,
    45009: 3600.0,
    45011: 60.0,
    45028: 3600.0,
    **dict.fromkeys(_STALE, 60.0),
}


class CodeRefused(CallFailed):
    """The platform answered with an error code and did nothing."""

    def __init__(self, code: int, outcome: Refused | TryLater) -> None:
        super().__init__(outcome)
        self.code = code


class Tokens:
    """Access tokens in memory, by account and secret, until shortly before their end. Nothing of them is printed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[str, float]] = {}

    def get(self, key: str) -> str | None:
        """The kept token that is still good, or None."""
        token, until = self._kept.get(key, ("", 0.0))
        return token if token and self._clock() < until else None

    def keep(self, key: str, token: str, expires_in_s: float) -> None:
        """Keep a token that was just given for so many seconds."""
        lasts_s = max(0.0, min(expires_in_s, _TOKEN_LONGEST_S))
        self._kept[key] = (token, self._clock() + lasts_s - _TOKEN_MARGIN_S)

    def forget(self, key: str, token: str) -> None:
        """Drop this token, unless another one was kept meanwhile."""
        if self._kept.get(key, ("", 0.0))[0] == token:
            del self._kept[key]


class Account:
    """One official account for the length of one delivery. Raises CallFailed where it is not set up."""

    def __init__(self, destination: DestinationConfig, tools: Tools, tokens: Tokens) -> None:
        self._app_id, self._secret = destination.settings.get("app_id", ""), destination.secret or ""
        if not self._app_id or not self._secret:
            raise CallFailed(Refused(_NOT_SET_UP))
        self._base_url = (destination.settings.get("api_url") or BASE_URL).rstrip("/")
        self._tools, self._tokens = tools, tokens
        # With the secret: one that was reset must not go on with the token of the old one.
        whole = "\n".join((self._base_url, self._app_id, self._secret))
        self._key = hashlib.sha256(whole.encode()).hexdigest()

    async def ask(self, path: str, body: Mapping[str, Any], *, is_final: bool = False) -> dict[str, Any]:
        """The JSON answer to a POST of JSON. Raises CodeRefused for an error code, CallFailed for no usable answer;
        of a final call, Unknown where it may have been accepted.
        """
        return await self._with_token(
            lambda token: Request(
                "POST",
                self._base_url + path,
                is_final=is_final,
                query={"access_token": token},
                json=body,
                timeout_s=TIMEOUT_S,
            )
        )

    async def upload(
        self, path: str, name: str, data: bytes, media_type: str, **query: str
    ) -> dict[str, Any]:
        """The JSON answer to one uploaded file, in the field `media`. Raises as `ask` does."""
        return await self._with_token(
            lambda token: Request(
                "POST",
                self._base_url + path,
                query={"access_token": token, **query},
                files={"media": (name, data, media_type)},
                timeout_s=UPLOAD_TIMEOUT_S,
            )
        )

    async def _with_token(self, make: Callable[[str], Request]) -> dict[str, Any]:
        body, code = await self._once(make)
        if code in _STALE:  # turned away at the door: the same call with a new token is no repeat
            body, code = await self._once(make)
        if code:
            raise _meaning(code, is_final=make("").is_final)
        return body

    async def _once(self, make: Callable[[str], Request]) -> tuple[dict[str, Any], int]:
        token = self._tokens.get(self._key) or await self._new_token()
        answer = await call(self._tools, make(token))
        body = answer.object()
        code = _code(answer, body)
        if code in _STALE:
            self._tokens.forget(self._key, token)
        return body, code

    async def _new_token(self) -> str:
        wanted = {
            "grant_type": "client_credential",
            "appid": self._app_id,
            "secret": self._secret,
            "force_refresh": False,
        }
        url = f"{self._base_url}/cgi-bin/stable_token"
        answer = await call(self._tools, Request("POST", url, json=wanted, timeout_s=TIMEOUT_S))
        body = answer.object()
        code = _code(answer, body)
        if code:  # here 40001 is said of the secret
            raise _meaning(40125 if code == 40001 else code, is_final=False)
        token, seconds = text_in(body, "access_token"), body.get("expires_in")
        self._tokens.keep(self._key, token, seconds if isinstance(seconds, int | float) else 0.0)
        return token


def text_in(body: Mapping[str, Any], key: str, *, is_final: bool = False) -> str:
    """A short text of an answer; numbers, which the documents give now as one and now as the other, as text.

    Raises CallFailed where it is missing: such an answer says nothing of what was done.
    """
    value = body.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= 1024:
        raise CallFailed(broken_off(is_final=is_final))
    return value


def _code(answer: Answer, body: Mapping[str, Any]) -> int:
    """The answer's error code, 0 for none."""
    value = body.get("errcode", 0)
    try:
        code = int(value)
    except (TypeError, ValueError, OverflowError):
        raise CallFailed(broken_off(is_final=answer.is_final)) from None
    if answer.status >= 400 and not code:
        raise CallFailed(Refused(_words(answer.status, "HTTP")))
    return code


def _meaning(code: int, *, is_final: bool) -> CallFailed:
    if code < 0 and is_final:  # "系统繁忙": nothing says that it was not done
        return CallFailed(Unknown(_BUSY_AFTER_ALL))
    if code < 0 or code in _WAITS_S:
        words = _WORDS.get(code, _WORDS[BUSY])
        return CodeRefused(code, TryLater(_numbered(words, code), _WAITS_S.get(code, _WAITS_S[BUSY])))
    return CodeRefused(code, Refused(_words(code, "errcode")))


def _words(code: int, kind: str) -> Text:
    return _numbered(_WORDS.get(code, _NO_WORDS), code, kind)


def _numbered(words: Text, code: int, kind: str = "errcode") -> Text:
    return Text(
        zh=f"微信公众号（{kind} {code}）：{words.zh}",
        en=f"WeChat official account ({kind} {code}): {words.en}",
    )


_NOT_SET_UP = Text(
    zh="该公众号渠道缺少 AppID（app_id）或 AppSecret。请管理员补全后重新投递。",
    en="The official account has no app_id or no AppSecret. Ask an administrator to complete it, then retry.",
)
_BUSY_AFTER_ALL = Text(
    zh="微信公众号（errcode -1）：提交发布时平台答复系统繁忙，可能已经收下，不会自动重发。请先查询或到公众平台核实。",
    en="WeChat official account (errcode -1): busy, it said to the publication, which it may have taken. It is not "
    "sent again by itself. Look it up, or look there first.",
)
_NO_WORDS = Text(
    zh="平台拒绝了调用。请按错误码查平台文档，改正后重新投递。",
    en="the platform refused the call. Look the code up in its documents, mend it, then retry.",
)
_BAD_SECRET = Text(
    zh="AppID 或 AppSecret 不对，或已停用。请管理员核对。",
    en="AppID or AppSecret is wrong or disabled. Have an administrator check them.",
)
_QUOTA = Text(
    zh="接口调用次数已到上限，稍后自动再试；急稿请在公众平台人工处理。",
    en="the limit of calls is reached. Retrying later; what is urgent is done by hand on the platform's site.",
)
_STALE_TOKEN = Text(
    zh="平台两次不认访问令牌，稍后自动再试。持续出现时请检查是否有别的系统在刷新令牌。",
    en="the access token was turned away twice. Retrying. If it goes on, look for another system that renews it.",
)
_BANNED = Text(
    zh="该账号或接口被平台封禁。请登录公众平台查看原因。",
    en="the account or the call is blocked. Sign in to the platform's site to see why.",
)
_WORDS: Mapping[int, Text] = {
    BUSY: Text(zh="系统繁忙，稍后自动再试。", en="the system is busy. Retrying."),
    **dict.fromkeys(_STALE, _STALE_TOKEN),
    **dict.fromkeys((45009, 45011, 45028), _QUOTA),
    **dict.fromkeys((40013, 40125, 40243, 41002, 41004), _BAD_SECRET),
    **dict.fromkeys((48004, 50002, 50004, 50007), _BANNED),
    40164: Text(
        zh="本机出口地址不在公众号的 IP 白名单中。请管理员在公众平台把它加入白名单。",
        en="this server's address is not on the account's IP list. Have an administrator add it there.",
    ),
    48001: Text(
        zh="该账号没有这个接口的权限。2025 年 7 月起，个人主体、未认证和不支持认证的账号不能用接口发布。"
        "请完成认证，或在公众平台人工操作。",
        en="the account has no right to this call. Since July 2025 personal accounts and those without "
        "verification cannot publish by API. Have it verified, or do it by hand on the platform's site.",
    ),
    53503: Text(
        zh="草稿没有通过发布检查。请在草稿箱检查内容。",
        en="the draft did not pass the check. Look at it in the draft box.",
    ),
    53504: Text(
        zh="该草稿须到公众平台官网人工发布。",
        en="this draft has to be published by hand on the platform's site.",
    ),
    53505: Text(
        zh="该草稿须先在公众平台官网人工保存，再发布。",
        en="this draft has to be saved by hand on the platform's site before it is published.",
    ),
    NO_MEDIA: Text(
        zh="素材或草稿已不存在，可能在公众平台被人删除。请核实后重新投递。",
        en="the material or the draft is gone, perhaps deleted by hand on the platform's site. Check, then retry.",
    ),
    **dict.fromkeys(
        (40005, 40006, 40009, 40137, 45001),
        Text(zh="平台不收这个图片文件。请重新转码。", en="the picture is not taken. Render it again."),
    ),
    **dict.fromkeys(
        (45002, 45003, 45004, 45005, 45110, 40227, 44003),
        Text(
            zh="标题、作者、摘要或正文超限或为空。请改正文字。",
            en="title, author, digest or body is too long or empty. Correct the text.",
        ),
    ),
    UNKNOWN_ARTICLE: Text(zh="平台没有这篇文章。", en="the platform knows no such article."),
}
