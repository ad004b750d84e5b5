"""What pydantic found wrong with a request, in words for people. Never repeats what was sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.problems import FieldError
from states.text import Text

_NO_TIME = Text(
    "应为带时区的时间，如 2026-10-01T08:00:00+08:00；在地址中“+”须写作 %2B。",
    "This must be a time with its zone, as in 2026-10-01T08:00:00+08:00; in an address write + as %2B.",
)
_WORDS: Mapping[str, Text] = {
    "missing": Text("缺少该字段，请填写。", "This field is required."),
    "extra_forbidden": Text("没有这个字段，请删除。", "There is no such field; leave it out."),
    "string_type": Text("应为文字。", "This must be a string."),
    "string_unicode": Text("含有不完整的字符，请删除。", "It holds broken Unicode; remove it."),
    "string_too_long": Text("最多 {max_length} 个字符。", "At most {max_length} characters."),
    "string_too_short": Text("至少 {min_length} 个字符。", "At least {min_length} characters."),
    "string_pattern_mismatch": Text("格式不符：{pattern}", "It does not have the form {pattern}"),
    "too_long": Text("最多 {max_length} 项。", "At most {max_length} items."),
    "too_short": Text("至少 {min_length} 项。", "At least {min_length} items."),
    "greater_than_equal": Text("不能小于 {ge}。", "Not less than {ge}."),
    "less_than_equal": Text("不能大于 {le}。", "Not more than {le}."),
    "int_type": Text("应为整数。", "This must be an integer."),
    "int_parsing": Text("应为整数。", "This must be an integer."),
    "int_from_float": Text("应为整数。", "This must be an integer."),
    "bool_type": Text("应为 true 或 false。", "This must be true or false."),
    "bool_parsing": Text("应为 true 或 false。", "This must be true or false."),
    "enum": Text("只能是：{expected}。", "It must be one of {expected}."),
    "union_tag_invalid": Text("类型只能是：{expected_tags}。", "Its kind must be one of {expected_tags}."),
    "union_tag_not_found": Text(
        "缺少类型 {discriminator}，请填写。", "Say which kind it is, in {discriminator}."
    ),
    "literal_error": Text("只能是：{expected}。", "It must be one of {expected}."),
    "uuid_type": Text("编号格式不符。", "This is not an identifier."),
    "uuid_parsing": Text("编号格式不符。", "This is not an identifier."),
    "timezone_aware": Text("时间须带时区，如 +08:00。", "A time takes a zone, as in +08:00."),
    "datetime_type": _NO_TIME,
    "datetime_parsing": _NO_TIME,
    "datetime_from_date_parsing": _NO_TIME,
    "datetime_object_invalid": _NO_TIME,
    "list_type": Text("应为列表。", "This must be a list."),
    "dict_type": Text("应为对象。", "This must be an object."),
    "json_invalid": Text("不是有效的 JSON。", "This is not valid JSON."),
    "model_attributes_type": Text(
        "请以 Content-Type: application/json 发送一个 JSON 对象。",
        "Send a JSON object with Content-Type: application/json.",
    ),
    "in_words": Text("{zh}", "{en}"),
}
_OTHER = Text("内容无效（{type}）。", "Not valid ({type}).")
_LONGEST_FIELD = 200


def field_errors(found: Sequence[Mapping[str, Any]]) -> tuple[FieldError, ...]:
    """One FieldError for each of pydantic's errors."""
    return tuple(FieldError(_field(each), _words(each)) for each in found)


def _field(error: Mapping[str, Any]) -> str:
    """The path without its first part, which says only where it was: body, query, header."""
    where, *path = error["loc"]
    if error["type"] == "json_invalid" or not path:  # the path would be a position in the text
        return str(where)
    # A field's name is the client's own text: it may hold what JSON cannot carry back.
    named = ".".join(map(str, path)).encode("utf-8", "backslashreplace").decode()
    return named[:_LONGEST_FIELD]


def _words(error: Mapping[str, Any]) -> Text:
    words = _WORDS.get(error["type"], _OTHER)
    facts = {"type": error["type"], **error.get("ctx", {})}
    return Text(words.zh.format_map(facts), words.en.format_map(facts))
