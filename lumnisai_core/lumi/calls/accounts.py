"""Calls of accounts: sign in, sign up, one-time codes, the current user. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from lumnisai_core._transport import answer
from lumnisai_core._transport.call import Call
from lumnisai_core._transport.checks import not_none, text
from lumnisai_core._transport.secrets import Concealed
from lumnisai_core.exceptions import ValidationError
from lumnisai_core.lumi.calls.values import address
from lumnisai_core.lumi.models import (
    OtpType,
    SignIn,
    User,
)


class AccountRoute:
    """Paths of the account routes below ``/lm/``."""

    LOGIN = "user/password/login"
    SEND_CODE = "user/email/code/send"
    REGISTER = "user/password/register"
    RESET = "user/password/reset"
    INFO = "user/info"

    @classmethod
    def without_token(cls) -> tuple[str, ...]:
        """Return the routes that make or restore an access: an old token would only get in their way."""
        return (cls.LOGIN, cls.SEND_CODE, cls.REGISTER, cls.RESET)


def password_hash(password: str | SecretStr, name: str = "password") -> SecretStr:
    """Return what is sent instead of a password: its SHA-256, which is as secret as the password.

    Raises:
        ValidationError: It is not a string, or empty.
    """
    plain = password.get_secret_value() if isinstance(password, SecretStr) else password
    if not isinstance(plain, str) or not plain:
        raise ValidationError(f"{name} must be a non-empty string.")  # the value stays out of the message
    try:
        return SecretStr(hashlib.sha256(plain.encode()).hexdigest())
    except UnicodeEncodeError:
        raise ValidationError(f"{name} must be valid Unicode.") from None


def sign_in(project_id: str, email: str, password: SecretStr) -> Call[SignIn]:
    """Log in; twice does no harm."""
    return _entry(AccountRoute.LOGIN, project_id, email=email, password=password, idempotent=True)


def register(project_id: str, email: str, password: SecretStr, otp: str, user_name: str | None) -> Call[SignIn]:
    """Sign up with a one-time code."""
    further = not_none(userName=None if user_name is None else text("user_name", user_name))
    return _entry(AccountRoute.REGISTER, project_id, email=email, password=password, code=text("otp", otp), **further)


def _entry(
    route: str, project_id: str, *, email: str, password: SecretStr, idempotent: bool = False, **further: str
) -> Call[SignIn]:
    body = {"projectId": project_id, "email": address("email", email), "password": password.get_secret_value()}

    def read(data: Any) -> SignIn:
        token = data.get("userToken") if isinstance(data, Mapping) else None
        return SignIn(project_id=project_id, access_token=token, user=user(data))

    content = Concealed({**body, **further})
    return Call("POST", f"/lm/{route}", read, body=content, idempotent=idempotent, confidential=True)


def send_code(project_id: str, email: str, kind: OtpType | str) -> Call[None]:
    """Send a one-time code by e-mail."""
    names = {name: known for known in OtpType for name in (known.value, known.name.lower())}
    if kind not in names:
        raise ValidationError(f"type must be one of {', '.join(OtpType)}, not {kind!r}.")
    body = {"projectId": project_id, "email": address("email", email), "emailType": names[kind].value}
    return Call("POST", f"/lm/{AccountRoute.SEND_CODE}", answer.nothing, body=body)


def reset_password(project_id: str, email: str, password: SecretStr, otp: str) -> Call[None]:
    """Set a new password with a one-time code."""
    body = {"projectId": project_id, "email": address("email", email), "newPassword": password.get_secret_value()}
    content = Concealed({**body, "code": text("otp", otp)})
    return Call("POST", f"/lm/{AccountRoute.RESET}", answer.nothing, body=content)


def get_user() -> Call[User]:
    """Read the user that the token belongs to."""
    return Call("POST", f"/lm/{AccountRoute.INFO}", user, idempotent=True, confidential=True)


def user(data: Any) -> User:
    """Read a user; the token in it, if any, is left out."""
    known = {name: value for name, value in data.items() if name != "userToken"} if isinstance(data, Mapping) else data
    return User.model_validate(known)
