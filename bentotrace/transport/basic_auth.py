"""Basic authentication (RFC 7617) from an option for the user name and one for the password."""

from __future__ import annotations

from collections.abc import Mapping

from bentotrace.exceptions import OptionError
from bentotrace.redaction import basic_credentials

__all__ = ["basic_auth"]

_HEADER = "Authorization"


def basic_auth(
    username: str | None,
    password: str | None,
    *,
    options: tuple[str, str] = ("username", "password"),
    headers: Mapping[str, str] | None = None,
    headers_option: str = "headers",
) -> dict[str, str]:
    """Return the ``Authorization`` header of a user name and a password; none if both are None.

    Call it from ``__attrs_post_init__``, for its errors, and for the header itself. Declare the
    password with ``secret=True``; the header is then masked too, if the other option has "user",
    "login" or "account" in its name.

    Args:
        username: the user name.
        password: the password, which may be empty.
        options: the dotted names of both options, for errors.
        headers: the other headers, which may not have an ``Authorization`` too.
        headers_option: the dotted name of their option.

    Raises:
        OptionError: one is missing, cannot be sent, or is set twice; the message has no value.
    """
    names = " and ".join(name.rpartition(".")[2] for name in options)
    values = dict(zip(options, (username, password), strict=True))
    missing = [name for name, value in values.items() if value is None]
    if len(missing) == 2:
        return {}
    if missing:
        raise OptionError(missing[0], f"is missing; set {names}, or neither")
    if ":" in (username or ""):
        raise OptionError(
            options[0], "has a colon, after which a receiver would read the password; remove it"
        )
    for name, value in values.items():
        if any(character < " " or character == "\x7f" for character in value or ""):
            raise OptionError(name, "has a line break or another control character; remove it")
        try:
            (value or "").encode()
        except UnicodeEncodeError:
            raise OptionError(name, "is not valid UTF-8; correct its encoding") from None
    if _HEADER.lower() in map(str.lower, headers or ()):
        reason = f"contain {_HEADER}, which {names} set too; remove one of them"
        raise OptionError(headers_option, reason)
    return {_HEADER: basic_credentials(username or "", password or "")}
