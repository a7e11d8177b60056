"""Keeping secrets out of everything that is shown: logs, status, errors, ``doctor``, ``explain``.

A text from outside (a response, an exception, a certificate) passes a :class:`Redaction` before it
is cut, because half of a secret is not found any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from bentotrace._secret_forms import SHORT, SHORTEST, forms_of, has_scheme, printable

__all__ = [
    "MASK",
    "Redaction",
    "basic_credentials",
    "hide_named",
    "looks_secret",
    "one_line",
    "url_secrets",
    "without_any_credentials",
    "without_credentials",
]

MASK = "***"

_LINE_LENGTH = 200
# For each character of a line, as many of the text are looked at: it may begin with blanks.
_LOOKED_AT = 8
_TRACEBACK_LENGTH = 32 * 1024
# A shorter beginning of a secret says nothing.
_SHORTEST_CUT = 4
_ELLIPSES = ("…", "...")
_MOST_CUTS = 8

_SECRET_WORDS = (
    "key",
    "token",
    "secret",
    "passw",
    "passphrase",
    "pwd",
    "auth",
    "cred",
    "bearer",
    "header",
    "cookie",
    "dsn",
    "sas",
    "signature",
    "connectionstring",
    "connstr",
)
_PATH_SUFFIXES = ("_file", "_path", "_filename", "_dir", "_directory", "keyfile", "keypath")

# Of slashes there may be too few or too many.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+|/+")
# To the last "@" before a slash or a blank: an unquoted "@" may be in a password.
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:]+)(?::[0-9]*)?")
# Strings, which are compiled when they are needed.
_AUTHORITY_END = "[/?#]"
_PARAMETER = r"([?&])([^=&#?\s]*)=([^&#\s]+)"


class Redaction:
    """The secrets of a configuration, masked in any text and in every form they are quoted in.

    A secret of six characters or more is masked wherever it stands, a shorter one where it is not
    part of a longer word. A text that was cut may end with the beginning of a secret, which is
    masked too. Immutable; any thread may use it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Keep the secrets; their forms are made when the first text comes.

        Args:
            secrets: passwords, tokens, values of headers (``Bearer abc``: the scheme is public).
        """
        self._secrets = frozenset(secret for secret in secrets if secret.strip())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redaction) and self._secrets == other._secrets

    def __hash__(self) -> int:
        return hash(self._secrets)

    def __or__(self, other: Redaction) -> Redaction:
        if other._secrets <= self._secrets:
            return self
        if self._secrets <= other._secrets:
            return other
        return Redaction(self._secrets | other._secrets)

    def with_secrets(self, *secrets: str) -> Redaction:
        """Return a redaction that knows these secrets too."""
        return self | Redaction(secrets)

    def redact(self, text: str) -> str:
        """Return the text with every secret, and the credentials of every URL, masked or left out.

        The cost grows with the text's length times the number of forms: bound the text before.
        """
        if len(text) < SHORTEST:
            return text
        spans = [*self._found(text), *self._cut(text)]
        return without_any_credentials(_masked(text, spans) if spans else text)

    def line(self, text: str, length: int = _LINE_LENGTH) -> str:
        """Return the text redacted, as one printable line of at most ``length`` characters."""
        # Of the forms there are printable ones, and a line break may be in the middle of a secret.
        return _shortened(self.redact(printable(text[: _LOOKED_AT * length])), length)

    def traceback(self, error: BaseException) -> str:
        """Return an exception's traceback as redacted text.

        A handler that is handed the exception itself would write its message as it is.
        """
        import traceback

        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return self.redact(text[:_TRACEBACK_LENGTH]).rstrip()

    def cause(self, error: BaseException) -> BaseException | None:
        """Return what to raise another error from: None where the first quotes a secret.

        An error that nobody catches is printed with its cause.
        """
        from traceback import format_exception

        text = "".join(format_exception(type(error), error, error.__traceback__))
        return error if self.redact(text) == text else None

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        return tuple(forms_of(self._secrets))

    @cached_property
    def _forms_to_cut(self) -> tuple[str, ...]:
        # Of "Bearer abc" the beginning is public; "abc" is a form of its own.
        return tuple(
            form for form in self._forms if len(form) > _SHORTEST_CUT and not has_scheme(form)
        )

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where whole forms stand; they may overlap."""
        for form in self._forms:
            start = text.find(form)
            while start >= 0:
                end = start + len(form)
                if len(form) >= SHORT or _stands_alone(text, start, end):
                    yield start, end
                start = text.find(form, start + 1)

    def _cut(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where the beginning of a form stands at the end of what was cut."""
        if not self._forms_to_cut:
            return
        for end in _cut_ends(text):
            for form in self._forms_to_cut:
                start = _beginning(form, text, end)
                if start is not None:
                    yield start, end


def _cut_ends(text: str) -> set[int]:
    """Return where the text ends, or ended before somebody put an ellipsis behind it."""
    ends = {len(text), len(text.rstrip())}
    # Half a character that was cut.
    ends.add(len(text.rstrip("\ufffd")))
    for ellipsis in _ELLIPSES:
        at = text.rfind(ellipsis)
        while at >= 0 and len(ends) < _MOST_CUTS:
            ends |= {at, len(text[:at].rstrip())}
            at = text.rfind(ellipsis, 0, at)
    return ends


def _beginning(form: str, text: str, end: int) -> int | None:
    """Return where the longest beginning of a form starts that ends there, None without one."""
    first = form[:_SHORTEST_CUT]
    start = text.find(first, max(0, end - len(form) + 1), end)
    while start >= 0:
        long = end - start >= SHORT or _stands_alone(text, start, end)
        if long and form.startswith(text[start:end]):
            return start
        start = text.find(first, start + 1, end)
    return None


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() or before == "_" or after.isalnum() or after == "_")


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    """Put one mask in place of every run of spans that touch."""
    parts: list[str] = []
    done = 0
    masked_to = -1
    for start, end in sorted(spans):
        if start > masked_to:
            parts += (text[done:start], MASK)
        masked_to = done = max(masked_to, end)
    return "".join((*parts, text[done:]))


def one_line(text: str, length: int = _LINE_LENGTH) -> str:
    """Return printable text without line breaks, of at most ``length`` characters."""
    return _shortened(printable(text[: _LOOKED_AT * length]), length)


def _shortened(line: str, length: int) -> str:
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def without_credentials(url: str) -> str:
    """Return the URL, or ``host:port``, without its ``user:password@`` and keys in its query.

    Args:
        url: an endpoint as a person wrote it; it need not be valid.
    """
    start, userinfo = _userinfo(url)
    return _without_keys(url[:start] + url[start + len(userinfo) :].removeprefix("@"))


def without_any_credentials(text: str) -> str:
    """Return a text without the ``user:password@`` of the URLs in it, and keys in their queries."""
    return _without_keys(_USERINFO.sub("", text) if "://" in text else text)


def url_secrets(url: str) -> tuple[str, ...]:
    """Return what must not be shown of a URL or ``host:port``: password, keys in its query.

    A user name is public beside a password; alone it is a token.
    """
    found = [value for _, name, value in re.findall(_PARAMETER, url) if _is_key(name)]
    userinfo = _userinfo(url)[1]
    if userinfo:
        name, _, password = userinfo.partition(":")
        found += [password or name, basic_credentials(unquote(name), unquote(password))]
    return tuple(found)


def basic_credentials(username: str, password: str) -> str:
    """Return the value that an ``Authorization`` header has for a name and a password."""
    import binascii

    data = f"{username}:{password}".encode("utf-8", "surrogateescape")
    return "Basic " + binascii.b2a_base64(data, newline=False).decode("ascii")


def looks_secret(name: str) -> bool:
    """Return whether an option of that name, which says no more of itself, holds a secret.

    The name holds one of the words ``key``, ``token``, ``secret``, ``passw``, ``passphrase``,
    ``pwd``, ``auth``, ``cred``, ``bearer``, ``header``, ``cookie``, ``dsn``, ``sas``,
    ``signature``, ``connection_string`` and ``conn_str``. Names of files and directories
    (``key_file``, ``credentials_path``) are not secret.
    """
    name = name.casefold().replace("-", "_")
    if name.endswith(_PATH_SUFFIXES):
        return False
    squeezed = name.replace("_", "")
    return any(word in squeezed for word in _SECRET_WORDS)


def hide_named(value: Any) -> Any:
    """Return a plain value in which what a name calls a secret, and URLs' credentials, are hidden.

    Args:
        value: lists, mappings and texts at any depth; anything else is returned as it is.
    """
    if type(value) is str:
        return without_any_credentials(value)
    if type(value) in (list, tuple):
        return type(value)(hide_named(item) for item in value)
    if isinstance(value, Mapping):
        return {
            key: MASK if item and looks_secret(str(key)) else hide_named(item)
            for key, item in value.items()
        }
    return value


def _userinfo(url: str) -> tuple[int, str]:
    """Return where a URL's userinfo starts, and what it is."""
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    authority = re.split(_AUTHORITY_END, url[start:], maxsplit=1)[0]
    # An unquoted slash in a password ends the authority early, and leaves half the password in it;
    # so does one behind a scheme without its colon.
    broken = scheme is None or _HOST_AND_PORT.fullmatch(authority) is None
    broken = broken and "@" not in authority
    return start, (url[start:] if broken else authority).rpartition("@")[0]


def _is_key(name: str) -> bool:
    # Azure's name for a signature; as an option's it would hide "signals".
    return looks_secret(name) or "sig" in name.casefold()


def _without_keys(text: str) -> str:
    if "?" not in text:
        return text
    return re.sub(
        _PARAMETER,
        lambda found: f"{found[1]}{found[2]}={MASK}" if _is_key(found[2]) else found[0],
        text,
    )
