"""Masking of secrets in all output: logs, status, errors, ``doctor``, ``explain``.

A text from outside (a response, an exception, a certificate) is redacted before it is cut, because
half of a secret is not recognized.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import attrs

from bentotrace._secret_forms import SHORT, SHORTEST, forms_of, has_scheme, printable

__all__ = [
    "MASK",
    "Redaction",
    "basic_credentials",
    "hide_named",
    "looks_secret",
    "mask_pair",
    "one_line",
    "secret_keys",
    "split_pair",
    "url_secrets",
    "without_any_credentials",
    "without_credentials",
]

MASK = "***"
"""What is shown instead of a secret."""

_LINE_LENGTH = 200
# Characters of a text that are read for each character of a line: it may begin with blanks.
_READ_RATIO = 8
_TRACEBACK_LENGTH = 32 * 1024
# A shorter beginning of a secret reveals nothing.
_SHORTEST_CUT = 4
_ELLIPSES = ("…", "...")
_MOST_CUTS = 8

_SECRET_WORD = (
    "key|token|secret|passw|pwd|auth|cred|bearer|header|cookie|dsn|sas|signature|"
    "connectionstring|connstr|passphrase"
)
_PATH_SUFFIXES = ("_file", "_path", "_filename", "_dir", "_directory", "keyfile", "keypath")

# A pair in a list may be {name: authorization, value: abc}, or one text.
_NAME_KEYS = ("name", "key", "header")
_VALUE_KEYS = ("value", "values")
_TEXT_PAIR = r"\s*([A-Za-z][\w.-]*)(?:\s*=\s*|:\s+)(\S.*)"

# The number of slashes may be wrong.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+|/+")
# Up to the last "@" before a slash or a blank: a password may contain an unquoted "@".
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:]+)(?::[0-9]*)?")
# Strings, compiled on first use.
_AUTHORITY_END = "[/?#]"
_PARAMETER = r"([?&])([^=&#?\s]*)=([^&#\s]+)"


class Redaction:
    """Masks the secrets of a configuration in any text, in every form in which they are quoted.

    A secret of six characters or more is masked everywhere, a shorter one only as a whole word. The
    beginning of a secret at the end of a cut text is masked too. Immutable; any thread may use it.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Keep passwords, tokens and header values (``Bearer abc``: the scheme is public)."""
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
        """Return a redaction that masks these secrets too."""
        return self | Redaction(secrets)

    def redact(self, text: str) -> str:
        """Return the text with all secrets and URL credentials masked or removed.

        The cost is the text's length times the number of forms, so limit the length.
        """
        if len(text) < SHORTEST:
            return text
        spans = [*self._found(text), *self._cut(text)]
        return without_any_credentials(_masked(text, spans) if spans else text)

    def line(self, text: str, length: int = _LINE_LENGTH) -> str:
        """Return the text redacted, as one printable line of at most ``length`` characters."""
        # Printable first: a line break may split a secret, and the forms include printable ones.
        return _shortened(self.redact(printable(text[: _READ_RATIO * length])), length)

    def traceback(self, error: BaseException) -> str:
        """Return an exception's traceback as redacted text; a log handler would not redact it."""
        import traceback

        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return self.redact(text[:_TRACEBACK_LENGTH]).rstrip()

    def cause(self, error: BaseException) -> BaseException | None:
        """Return the error as the cause of another one; None if its traceback shows a secret."""
        from traceback import format_exception

        text = "".join(format_exception(type(error), error, error.__traceback__))
        return error if self.redact(text) == text else None

    @cached_property
    def _forms(self) -> tuple[str, ...]:
        return tuple(forms_of(self._secrets))

    @cached_property
    def _forms_to_cut(self) -> tuple[str, ...]:
        # The beginning of "Bearer abc" is public; "abc" is another form.
        return tuple(
            form for form in self._forms if len(form) > _SHORTEST_CUT and not has_scheme(form)
        )

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of whole forms; they may overlap."""
        for form in self._forms:
            start = text.find(form)
            while start >= 0:
                end = start + len(form)
                if len(form) >= SHORT or _stands_alone(text, start, end):
                    yield start, end
                start = text.find(form, start + 1)

    def _cut(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of beginnings of forms at the end of a cut text."""
        if not self._forms_to_cut:
            return
        for end in _cut_ends(text):
            for form in self._forms_to_cut:
                start = _beginning(form, text, end)
                if start is not None:
                    yield start, end


def _cut_ends(text: str) -> set[int]:
    """Return where the text ends, or ended before an ellipsis was added."""
    # U+FFFD replaces half a character.
    ends = {len(text), len(text.rstrip()), len(text.rstrip("\ufffd"))}
    for ellipsis in _ELLIPSES:
        at = text.rfind(ellipsis)
        while at >= 0 and len(ends) < _MOST_CUTS:
            ends |= {at, len(text[:at].rstrip())}
            at = text.rfind(ellipsis, 0, at)
    return ends


def _beginning(form: str, text: str, end: int) -> int | None:
    """Return the start of the longest beginning of a form that ends at ``end``, or None."""
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
    """Replace every run of touching spans with one mask."""
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
    return _shortened(printable(text[: _READ_RATIO * length]), length)


def _shortened(line: str, length: int) -> str:
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def without_credentials(url: str) -> str:
    """Return a URL or ``host:port``, valid or not, without ``user:password@`` and query keys."""
    start, userinfo = _userinfo(url)
    return _without_keys(url[:start] + url[start + len(userinfo) :].removeprefix("@"))


def without_any_credentials(text: str) -> str:
    """Return a text without the ``user:password@`` and query keys of the URLs in it."""
    return _without_keys(_USERINFO.sub("", text) if "://" in text else text)


def url_secrets(url: str) -> tuple[str, ...]:
    """Return the secrets in a URL or ``host:port``: the password, and keys in its query.

    A user name with a password is public; without one it is a token.
    """
    found = [value for _, name, value in re.findall(_PARAMETER, url) if _is_key(name)]
    userinfo = _userinfo(url)[1]
    if userinfo:
        name, _, password = userinfo.partition(":")
        found += [password or name, basic_credentials(unquote(name), unquote(password))]
    return tuple(found)


def basic_credentials(username: str, password: str) -> str:
    """Return the value of an ``Authorization`` header for a name and a password."""
    import binascii

    data = f"{username}:{password}".encode("utf-8", "surrogateescape")
    return "Basic " + binascii.b2a_base64(data, newline=False).decode("ascii")


def looks_secret(name: str) -> bool:
    """Return whether an option's name suggests a secret.

    The name contains one of the words ``key``, ``token``, ``secret``, ``passw``, ``passphrase``,
    ``pwd``, ``auth``, ``cred``, ``bearer``, ``header``, ``cookie``, ``dsn``, ``sas``,
    ``signature``, ``connection_string`` and ``conn_str``. Names of files and directories
    (``key_file``, ``credentials_path``) are not secret.
    """
    name = name.casefold().replace("-", "_")
    if name.endswith(_PATH_SUFFIXES):
        return False
    return re.search(_SECRET_WORD, name.replace("_", "")) is not None


def secret_keys(
    fields: Mapping[Any, Any], is_secret: Callable[[str], bool] = looks_secret
) -> set[Any]:
    """Return the keys of a mapping whose values are secret.

    In ``{name: authorization, value: abc}`` the name is public, and decides about the value.
    """
    found = {key for key in fields if is_secret(str(key))}
    names = {key for key in fields if str(key).casefold() in _NAME_KEYS}
    values = {key for key in fields if str(key).casefold() in _VALUE_KEYS}
    if names and values:
        found -= names
        if any(looks_secret(str(fields[name])) for name in names):
            found |= values
    return found


def split_pair(item: Any) -> tuple[str, Any] | None:
    """Return the name and the value of ``[name, value]`` or ``name=value`` in a list, else None."""
    if isinstance(item, str):
        match = re.fullmatch(_TEXT_PAIR, item, re.DOTALL)
        return None if match is None else (match[1], match[2])
    if isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str):
        return item[0], item[1]
    return None


def mask_pair(item: Any) -> Any:
    """Return such a pair with its value masked, if its name looks secret; else None."""
    pair = split_pair(item)
    if pair is None or not pair[1] or not looks_secret(pair[0]):
        return None
    if isinstance(item, str):
        return item.removesuffix(pair[1]) + MASK
    return type(item)((pair[0], MASK))


def hide_named(value: Any) -> Any:
    """Return a plain value with secrets, by the names of their keys, and URL credentials masked.

    Lists, mappings and texts are handled at any depth, and records with a name and a value; other
    values are returned unchanged.
    """
    if type(value) is str:
        return without_any_credentials(value)
    if type(value) in (list, tuple):
        return type(value)(mask_pair(item) or hide_named(item) for item in value)
    if isinstance(value, Mapping):
        secret = secret_keys(value)
        return {
            key: MASK if item and key in secret else hide_named(item) for key, item in value.items()
        }
    return _hide_value(value) if attrs.has(type(value)) else value


def _hide_value(record: Any) -> Any:
    """Return a copy of an attrs instance with its value masked, if its name looks secret."""
    names = {attribute.alias: attribute.name for attribute in attrs.fields(type(record))}
    secret = secret_keys(
        {alias: getattr(record, name) for alias, name in names.items()}, lambda _alias: False
    )
    if secret:
        record = copy(record)
        for alias in secret:
            # It may be frozen.
            object.__setattr__(record, names[alias], MASK)
    return record


def _userinfo(url: str) -> tuple[int, str]:
    """Return the start of a URL's userinfo, and the userinfo."""
    scheme = _SCHEME.match(url)
    start = scheme.end() if scheme else 0
    authority = re.split(_AUTHORITY_END, url[start:], maxsplit=1)[0]
    # An unquoted slash in a password ends the authority early, with half the password in it; so
    # does one after a scheme without a colon.
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
