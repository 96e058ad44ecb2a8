"""Device-code flow of Microsoft Entra ID (RFC 8628): two form posts, and silent renewal by a refresh token."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import quote

from lumnisai_core._transport import login
from lumnisai_core._transport.answer import Answer
from lumnisai_core._transport.call import Call, Form
from lumnisai_core._transport.checks import check_seconds
from lumnisai_core._transport.login import Step
from lumnisai_core._transport.service import checked_base_url
from lumnisai_core.exceptions import AuthenticationError, ConfigurationError

AUTHORITY = "https://login.microsoftonline.com"
_SCOPE = "User.Read openid profile offline_access"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

#: Statuses with which the identity provider answers "not yet" or "no", as JSON.
_ANSWERS = frozenset({400, 401, 403})
_INTERVAL, _SLOWER = 5.0, 5.0


def _to_stderr(message: str) -> None:
    sys.stderr.write(f"{message}\n")


class DeviceCodeFlowProvider:
    """Logs a person in with Microsoft Entra ID: they open a page in any browser and enter a code.

    The first login needs the person; later ones use the refresh token, which is kept in memory only. One provider can
    serve several clients.

    Args:
        tenant_id: Directory (tenant) ID of the app registration.
        client_id: Application (client) ID of the app registration.
        on_message: Called with the text that tells the person where to enter which code. Default: stderr.
        auth_challenge_timeout: Seconds to wait for the person. Default: as long as the code is valid, about 15 minutes.
        authority: Address of the identity provider, for national clouds.
    """

    def __init__(
        self,
        tenant_id: str,
        client_id: str,
        *,
        on_message: Callable[[str], object] | None = None,
        auth_challenge_timeout: float | None = None,
        authority: str = AUTHORITY,
    ) -> None:
        for name, value in (("tenant_id", tenant_id), ("client_id", client_id)):
            if not isinstance(value, str) or not value.strip():
                raise ConfigurationError(f"{name} must be a non-empty string, not {value!r}.")
        if auth_challenge_timeout is not None:
            check_seconds("auth_challenge_timeout", auth_challenge_timeout, error=ConfigurationError)
        self._address = f"{checked_base_url(authority, variable='authority', example=AUTHORITY)}/{quote(tenant_id, '')}"
        self._client_id = client_id
        self._on_message = on_message or _to_stderr
        self._timeout = auth_challenge_timeout
        self._refresh_token: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r}, {self._client_id!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_refresh_token": None}

    def access_token(self) -> Generator[Step, Any, str]:
        """Get an access token, as part of a login flow: silently if possible, else with the person's help.

        Raises:
            AuthenticationError: The person declined, the code expired, or the identity provider refuses.
        """
        if self._refresh_token is not None:
            fields = {"grant_type": "refresh_token", "refresh_token": self._refresh_token, "scope": _SCOPE}
            answer = yield from self._post("token", fields)
            if (token := self._token_in(answer)) is not None:
                return token
            self._refresh_token = None
        device = yield from self._post("devicecode", {"scope": _SCOPE})
        if not isinstance(device.get("device_code"), str):
            raise _refused(device)
        yield from login.invoke(lambda: self._on_message(_message_of(device)))
        return (yield from self._poll(device))

    def _poll(self, device: Mapping[str, Any]) -> Generator[Step, Any, str]:
        code = device["device_code"]
        fields = {"grant_type": _GRANT, "device_code": code, "code": code}
        interval, waited = _seconds(device.get("interval"), _INTERVAL), 0.0
        limit = self._timeout if self._timeout is not None else _seconds(device.get("expires_in"), 900.0)
        while waited + interval <= limit:
            yield from login.pause(interval)
            waited += interval
            answer = yield from self._post("token", fields)
            if (token := self._token_in(answer)) is not None:
                return token
            match answer.get("error"):
                case "authorization_pending":
                    pass
                case "slow_down":
                    interval += _SLOWER
                case _:
                    raise _refused(answer)
        raise AuthenticationError(f"The device login was not completed within {limit:g} s: log in again.")

    def _post(self, route: str, fields: Mapping[str, str]) -> Generator[Step, Any, Mapping[str, Any]]:
        call = Call(
            "POST",
            f"/oauth2/v2.0/{route}",
            _object,
            form=Form({"client_id": self._client_id, **fields}),
            base_url=self._address,
            authorised=False,
            idempotent=True,
            whole_answer=True,
            accepts=_ANSWERS,
            confidential=True,
        )
        return (yield from login.send(call))

    def _token_in(self, answer: Mapping[str, Any]) -> str | None:
        token, refresh_token = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(token, str) or not token:
            return None
        self._refresh_token = refresh_token if isinstance(refresh_token, str) else self._refresh_token
        return token


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, Mapping) else {}


def _seconds(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else default


def _message_of(device: Mapping[str, Any]) -> str:
    fallback = f"Open {device.get('verification_uri')} and enter the code {device.get('user_code')} to log in."
    return str(device.get("message") or fallback)


_REASONS = {
    "authorization_declined": "the person declined",
    "access_denied": "the person declined",
    "expired_token": "the code has expired",
    "bad_verification_code": "the device code is not known",
}


def _refused(answer: Mapping[str, Any]) -> AuthenticationError:
    code = str(answer.get("error") or "no reason given")
    reason = _REASONS.get(code) or str(answer.get("error_description") or code).partition("\n")[0].strip()
    return AuthenticationError(f"The identity provider refused the device login: {reason}.", code=code)
