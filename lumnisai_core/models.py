"""The models of the agent platform under a short name: ``from lumnisai_core.models import FileMetadata``."""

from typing import TYPE_CHECKING

from lumnisai_core.lumnis.models import *  # noqa: F403 - the package lists its public names in __all__

if not TYPE_CHECKING:  # which take every name of a star import as public if there is no list
    from lumnisai_core.lumnis.models import __all__  # noqa: F401
