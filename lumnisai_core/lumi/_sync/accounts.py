# Generated from lumnisai_core/lumi/_async/accounts.py by `make sync`; edit that file.
"""Accounts at Lumi.new: signing up, in and out, and the user of a client."""

from __future__ import annotations

from collections.abc import (
    Callable,
)

from pydantic import SecretStr

from lumnisai_core._transport._sync.resource import Resource
from lumnisai_core._transport.secrets import concealed
from lumnisai_core._transport.waiting import check_callback
from lumnisai_core.exceptions import AuthenticationError
from lumnisai_core.lumi.calls import accounts
from lumnisai_core.lumi.config import LumiService, usable_token
from lumnisai_core.lumi.models import (
    AuthChange,
    OtpType,
    SignIn,
    User,
)


class Auth(Resource[LumiService]):
    """Accounts: sign up, sign in and out, and the user that the client works for."""

    def sign_in_with_password(self, email: str, password: str | SecretStr) -> SignIn:
        """Sign in, and work for this user from now on.

        When the service later refuses the token, the client signs in once more by itself. For that, it keeps the hash
        of the password in memory until ``sign_out``.

        Args:
            email: The user's e-mail address.
            password: The password. Only its SHA-256 is sent.

        Raises:
            ConfigurationError: The client works for another user: one client works for one user.
            LumnisAIError: The service refuses, with its ``code``.
        """
        self._settings.session.check_free_for(email)
        hashed = accounts.password_hash(password)
        with concealed(hashed):
            result = self._send(accounts.sign_in(self._settings.project_id, email, hashed))
        self._settings.session.adopt(result, (email, hashed))
        return result

    def send_otp(self, email: str, type: OtpType | str) -> None:  # noqa: A002 - the product's name
        """Send a one-time code by e-mail.

        Args:
            email: Where to send it.
            type: ``register`` or ``reset_password``.
        """
        self._send(accounts.send_code(self._settings.project_id, email, type))

    def sign_up_with_password(
        self, email: str, password: str | SecretStr, otp: str, user_name: str | None = None
    ) -> SignIn:
        """Register a user, and work for this user from now on.

        Args:
            email: The user's e-mail address.
            password: The password. Only its SHA-256 is sent.
            otp: The code that ``send_otp(email, "register")`` has sent.
            user_name: Display name.

        Raises:
            ConfigurationError: The client works for another user.
            LumnisAIError: The service refuses, with its ``code``.
        """
        self._settings.session.check_free_for(email)
        hashed = accounts.password_hash(password)
        with concealed(hashed, otp):
            result = self._send(accounts.register(self._settings.project_id, email, hashed, otp, user_name))
        self._settings.session.adopt(result, (email, hashed))
        return result

    def reset_password(self, email: str, new_password: str | SecretStr, otp: str) -> None:
        """Set a new password.

        Args:
            email: The user's e-mail address.
            new_password: The new password. Only its SHA-256 is sent.
            otp: The code that ``send_otp(email, "reset_password")`` has sent.
        """
        hashed = accounts.password_hash(new_password, "new_password")
        with concealed(hashed, otp):
            self._send(accounts.reset_password(self._settings.project_id, email, hashed, otp))

    def refresh_user(self) -> User:
        """Read the user that the token belongs to, and keep it as ``user``.

        Raises:
            AuthenticationError: The client has no token.
            SessionExpiredError: The token is not valid any more.
        """
        session = self._settings.session
        if session.token is None:
            raise AuthenticationError("No user is signed in: sign in first, or pass authorization= to the client.")
        epoch = session.epoch
        user = self._send(accounts.get_user())
        session.know(user, epoch)
        return user

    def sign_out(self) -> None:
        """Forget token, user and password. The service has no route for it: the token stays valid there."""
        self._settings.session.replace(None, None)

    @property
    def access_token(self) -> str | None:
        """The user's token, or None. Setting it makes the client work for the owner of that token."""
        token = self._settings.session.token
        return None if token is None else token.get_secret_value()

    @access_token.setter
    def access_token(self, token: str | None) -> None:
        usable = usable_token(token)
        session = self._settings.session
        session.replace(usable, session.user if usable == session.token else None)

    @property
    def user(self) -> User | None:
        """The user, known after signing in or ``refresh_user``; it can be set, too."""
        return self._settings.session.user

    @user.setter
    def user(self, user: User | None) -> None:
        self._settings.session.replace(self._settings.session.token, user)

    @property
    def is_authenticated(self) -> bool:
        """Whether the client has a token that the service has not refused."""
        return self._settings.session.is_authenticated

    def on_auth_change(self, callback: Callable[[AuthChange], object]) -> Callable[[], None]:
        """Call a function whenever the token or the user of this client changes.

        Args:
            callback: Called at once, in the thread of the change, with an :class:`AuthChange`. Its exceptions are
                logged.

        Returns:
            A function that ends it.
        """
        check_callback("callback", callback)
        return self._settings.session.listen(callback)
