"""E-mails of the application backend: kept in an outbox, and handed to a server if there is one."""

from __future__ import annotations

import asyncio
import smtplib
from typing import Any
from urllib.parse import unquote, urlsplit

from lumnisai_core.local.lumi.settings import LumiSettings
from lumnisai_core.local.lumi.shapes import LumiMail, SendMail
from lumnisai_core.local.lumi.store import Store
from lumnisai_core.local.web.errors import ApiError, invalid
from lumnisai_core.local.web.ids import now_z

_RELAY_TIMEOUT = 20.0


class Post:
    """Accepts e-mails.

    Args:
        settings: the sender, and the server that e-mails are handed to.
        store: has the outbox.
    """

    def __init__(self, settings: LumiSettings, store: Store) -> None:
        self._settings = settings
        self._store = store

    async def accept(self, body: SendMail) -> None:
        """Accept the e-mail of a request.

        Raises:
            ApiError: it has no content, or the server does not take it.
        """
        if not body.text and not body.html:
            raise invalid("An e-mail needs html or text.", "missing", "text")
        await self.send(
            to=(*body.to,),
            subject=body.subject,
            text=body.text or "",
            html=body.html,
            from_name=body.from_name,
            reply_to=(*(body.reply_to or ()),),
            scheduled_at=body.scheduled_at,
        )

    async def send(self, **fields: Any) -> None:
        """Put an e-mail into the outbox and, unless it is scheduled, hand it to the server.

        Raises:
            ApiError: the server does not take it; then it is not in the outbox either.
        """
        mail = LumiMail(0, now_z(), self._settings.sender, **fields)
        if self._settings.smtp is not None and mail.scheduled_at is None:
            try:
                await asyncio.to_thread(_relay, self._settings.smtp, mail)
            except (OSError, smtplib.SMTPException) as error:
                message = f"The mail server did not take the e-mail: {type(error).__name__}."
                raise ApiError(500, "MAIL_REFUSED", message) from error
        self._store.add_mail(mail)


def _relay(address: str, mail: LumiMail) -> None:
    parts = urlsplit(address)
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    with kind(parts.hostname or "", parts.port or 0, timeout=_RELAY_TIMEOUT) as server:
        if parts.username:
            if parts.scheme == "smtp":
                server.starttls()
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(mail.message)
