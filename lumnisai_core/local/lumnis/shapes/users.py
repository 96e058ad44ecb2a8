"""Requests about users."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lumnisai_core.local.web.shapes import Shape

Email = Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
_Name = Annotated[str, Field(max_length=255)]


class PutUser(Shape):
    """Body of `PUT /v1/users/{id}`; what is missing stays as it is."""

    first_name: _Name | None = None
    last_name: _Name | None = None


class CreateUser(PutUser):
    """Body of `POST /v1/users`."""

    email: Email
