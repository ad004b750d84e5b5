"""The renditions that exist, as data: what each takes, its size and rates, and where the numbers are from."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from media.profiles_air import AIR
from media.profiles_app import APP
from media.profiles_form import Output, Profile, Rung
from media.profiles_page import PAGES
from media.profiles_short import SHORT
from media.profiles_social import SOCIAL, WECHAT
from media.sniff import Kind

__all__ = ["PROFILES", "Output", "Profile", "Rung", "profiles_for"]

_ALL = (*APP, *SHORT, *WECHAT, *SOCIAL, *AIR, *PAGES)
PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})


def profiles_for(kind: Kind, names: Iterable[str]) -> tuple[Profile, ...]:
    """Those of the named profiles that take this kind of file, each once, in the order asked. KeyError: no such."""
    wanted = [PROFILES[name] for name in dict.fromkeys(names)]
    return tuple(profile for profile in wanted if kind in profile.kinds)
