"""The one door to Jinja2: the templates beside this file, every value escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from platforms.story import legal_text

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: object) -> str:
    """The filled template, without characters that HTML and XML forbid."""
    return legal_text(_ENVIRONMENT.get_template(template).render(**values))
