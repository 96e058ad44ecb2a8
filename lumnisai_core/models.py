"""The models of the agent platform under a short name: ``from lumnisai_core.models import FileMetadata``."""

from lumnisai_core.lumnis.models import *  # noqa: F403
from lumnisai_core.lumnis.models import __all__ as __all__  # noqa: PLC0414
