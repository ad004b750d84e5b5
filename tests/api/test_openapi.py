"""The OpenAPI document: sound, with an example for every body and the problems of every route."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from api.problems import KINDS

DOCUMENT: dict[str, Any] = create_app().openapi()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]
OPEN = re.compile(r"/feeds/.*|/stories/.*|/healthz|/readyz|/api/v1/sessions")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(each)


def test_document_is_openapi_31_and_every_reference_leads_somewhere() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    schemas = DOCUMENT["components"]["schemas"]
    for node in _nodes(DOCUMENT):
        if isinstance(reference := node.get("$ref"), str):
            kind, _, name = reference.removeprefix("#/components/").partition("/")
            assert name in DOCUMENT["components"][kind], reference
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_has_one_name_and_a_known_tag() -> None:
    identifiers = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(identifiers)) == len(identifiers)
    known = {tag["name"] for tag in DOCUMENT["tags"]}
    for _, _, operation in OPERATIONS:
        assert set(operation["tags"]) <= known
        assert operation["summary"]
        assert operation["description"]


def _followed(response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in response:
        return response
    found: dict[str, Any] = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[-1]]
    return found


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_route_declares_its_problems(method: str, path: str, operation: dict[str, Any]) -> None:
    responses = {status: _followed(body) for status, body in operation["responses"].items()}
    problems = {
        status: body["content"]["application/problem+json"]
        for status, body in responses.items()
        if "application/problem+json" in body.get("content", {})
    }
    assert "500" in problems
    if not OPEN.fullmatch(path) and method != "options":  # asking what is spoken needs no sign-in
        assert {"401", "503"} <= set(problems)
    if operation.get("parameters") or "requestBody" in operation:
        assert "422" in problems
    for status, body in problems.items():
        assert body["schema"] == {"$ref": "#/components/schemas/Problem"}
        for slug, reference in body["examples"].items():
            assert reference == {"$ref": f"#/components/examples/{slug}"}
            example = DOCUMENT["components"]["examples"][slug]
            assert example["value"]["type"] == KINDS[slug].type
            assert str(KINDS[slug].status) == status
    assert "HTTPValidationError" not in str(responses)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_body_has_an_example_that_fits_its_schema(method: str, path: str, operation: dict[str, Any]) -> None:
    if "requestBody" not in operation:
        return
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    examples = DOCUMENT["components"]["schemas"][reference.rsplit("/", 1)[-1]]["examples"]
    assert examples
    validator = Draft202012Validator({"$ref": reference, "components": DOCUMENT["components"]})
    for example in examples:
        validator.validate(example)


async def test_document_is_served(api: Any) -> None:
    answer = await api("GET", "/openapi.json")
    assert answer.json() == DOCUMENT
