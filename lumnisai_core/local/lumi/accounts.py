"""Accounts of the application backend: passwords, one-time codes and tokens, of which only hashes are stored."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
import time

from lumnisai_core.local.lumi.mail import Post
from lumnisai_core.local.lumi.settings import LumiSettings
from lumnisai_core.local.lumi.shapes import CodeKind, Login, Register, Reset, SendCode, UserRow
from lumnisai_core.local.lumi.store import Store
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import new_id, now_z
from lumnisai_core.local.web.shapes import Object

#: Wrong codes after which a code is void.
_MOST_TRIES = 5
_SUBJECTS = {"register": "Your code for signing up", "resetPassword": "Your code for a new password"}


class Accounts:
    """The accounts of the project.

    Args:
        settings: lifetimes and administrators.
        store: the tables.
        post: where codes are sent.
    """

    def __init__(self, settings: LumiSettings, store: Store, post: Post) -> None:
        self._settings = settings
        self._store = store
        self._post = post

    async def send_code(self, body: SendCode) -> None:
        """Send a one-time code, which replaces an earlier one.

        Raises:
            ApiError: there is an account already, or there is none.
        """
        email = body.email.casefold()
        is_known = self._store.users.one(email=email) is not None
        if body.email_type == "register" and is_known:
            raise ApiError(409, "ACCOUNT_EXISTS", "There is an account with this e-mail address.")
        if body.email_type == "resetPassword" and not is_known:
            raise ApiError(404, "NOT_FOUND", "There is no account with this e-mail address.")
        code = f"{secrets.randbelow(10**6):06d}"
        self._store.keep_code(email, body.email_type, _digest(code), time.time() + self._settings.code_lifetime)
        text = f"Your code is {code}. It is valid for {self._settings.code_lifetime / 60:g} minutes."
        await self._post.send(to=(body.email,), subject=_SUBJECTS[body.email_type], text=text, code=code)

    async def register(self, body: Register) -> Object:
        """Make an account, and return it with a token.

        Raises:
            ApiError: the code is wrong, or there is an account already.
        """
        email = body.email.casefold()
        password = await asyncio.to_thread(_hashed, body.password)
        self._use_code(email, "register", body.code)
        name = body.user_name or body.email.partition("@")[0]
        user = UserRow(f"u-{new_id()}", email, name, password, now_z())
        try:
            self._store.users.add(user)
        except sqlite3.IntegrityError as error:
            raise ApiError(409, "ACCOUNT_EXISTS", "There is an account with this e-mail address.") from error
        return self._signed_in(user)

    async def log_in(self, body: Login) -> Object:
        """Return an account with a new token.

        Raises:
            ApiError: address or password is wrong.
        """
        user = self._store.users.one(email=body.email.casefold())
        # Without an account the same work is done, so that the time does not show whether there is one.
        stored = _NO_PASSWORD if user is None else user.password
        if not await asyncio.to_thread(_matches, body.password, stored) or user is None:
            raise ApiError(403, "WRONG_PASSWORD", "The e-mail address or the password is wrong.")
        return self._signed_in(user)

    async def reset(self, body: Reset) -> None:
        """Set a new password and end all sessions of the account.

        Raises:
            ApiError: the code is wrong.
        """
        email = body.email.casefold()
        password = await asyncio.to_thread(_hashed, body.new_password)
        self._use_code(email, "resetPassword", body.code)
        with self._store.transaction():
            user = self._store.users.one(email=email)
            if user is not None:
                self._store.users.change({"id": user.id}, password=password)
                self._store.remove_tokens(user.id)

    def find(self, token: str) -> UserRow | None:
        """Return whose token it is, or None."""
        return self._store.user_of_token(_digest(token), time.time())

    def of_token(self, token: str) -> UserRow:
        """Return whose token it is.

        Raises:
            ApiError: nobody's, or it has expired.
        """
        user = self.find(token)
        if user is None:
            raise ApiError(401, "TOKEN_INVALID", "The token is not valid or has expired.")
        return user

    def view(self, user: UserRow) -> Object:
        """Return an account as clients see it."""
        return {
            "userId": user.id,
            "email": user.email,
            "userName": user.user_name,
            "userRole": "ADMIN" if self._settings.is_admin(user.email) else "USER",
            "createdTime": user.created_at,
        }

    def _signed_in(self, user: UserRow) -> Object:
        token, now = secrets.token_urlsafe(32), time.time()
        self._store.add_token(_digest(token), user.id, now + self._settings.token_lifetime, now)
        return {**self.view(user), "userToken": token}

    def _use_code(self, email: str, kind: CodeKind, code: str) -> None:
        known = self._store.code(email, kind, time.time())
        if known is None or known[1] >= _MOST_TRIES:
            raise ApiError(400, "WRONG_CODE", "The code is wrong or has expired: send a new one.")
        if not hmac.compare_digest(known[0], _digest(code.strip())):
            self._store.count_try(email, kind)
            raise ApiError(400, "WRONG_CODE", "The code is wrong or has expired: send a new one.")
        self._store.remove_code(email, kind)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _hashed(password: str, salt: bytes | None = None) -> str:
    """Return a salted hash that is costly to guess from, with its salt. Takes some milliseconds."""
    salt = secrets.token_bytes(16) if salt is None else salt
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, n=1 << 12, r=8, p=1).hex()}"


def _matches(password: str, stored: str) -> bool:
    return hmac.compare_digest(_hashed(password, bytes.fromhex(stored.partition("$")[0])), stored)


_NO_PASSWORD = f"{bytes(16).hex()}$"
