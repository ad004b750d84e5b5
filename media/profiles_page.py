"""The rendition of an H5 package: its files, one by one, as they were sent in."""

from media.profiles_form import Cite, Output, Profile
from media.sniff import Kind
from states.text import Text

PAGES = (
    Profile(
        "app_package",
        (Kind.PACKAGE,),
        Output.PAGE,
        Text("客户端 H5", "App H5 page"),
        "house value, 2026-11",
        cited=(Cite(("output",), "house value, 2026-11", "house"),),
    ),
)
