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


def numbered_page_query(*, page: int, page_size: int, size_name: str = "page_size") -> dict[str, int]:
    """Check and write a page of a list whose pages are numbered from 1.

    Args:
        page: Number of the page.
        page_size: Things on the page.
        size_name: What the route calls the size.

    Raises:
        ValidationError: The page is not possible.
    """
    if page < 1:
        raise ValidationError(f"page must be 1 or more, not {page!r}.")
    if not 1 <= page_size <= _LARGEST_PAGE:
        raise ValidationError(f"{size_name} must be 1 to {_LARGEST_PAGE}, not {page_size!r}.")
    return {"page": page, size_name: page_size}
