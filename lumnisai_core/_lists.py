"""Pages of lists. Pure."""

from __future__ import annotations

from lumnisai_core.exceptions import ValidationError

_LARGEST_PAGE = 100


def page_query(*, limit: int, offset: int) -> dict[str, int]:
    """Check and write a page of a limit/offset list.

    Raises:
        ValidationError: The page is not possible.
    """
    if not 1 <= limit <= _LARGEST_PAGE:
        raise ValidationError(f"limit must be 1 to {_LARGEST_PAGE}, not {limit!r}.")
    if offset < 0:
        raise ValidationError(f"offset must be 0 or more, not {offset!r}.")
    return {"limit": limit, "offset": offset}
