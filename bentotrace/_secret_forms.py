"""The forms (encodings, escapes, parts) in which a message may quote a secret."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote

__all__ = ["SHORT", "SHORTEST", "forms_of", "has_scheme", "printable"]

SHORT = 6
"""A shorter form may be an ordinary word, and is masked only as a whole word."""

SHORTEST = 3
"""A shorter form is never masked: "1" may be a tenant, and is in many messages."""

# The public words before a credential in a header such as Authorization.
_SCHEME = (
    "api-key|api-token|apikey|aws4-hmac-sha256|basic|bearer|digest|hoba|key|negotiate|ntlm|"
    "sharedaccesssignature|sharedkey|token"
)
# Regular expressions as strings, to compile them only when there is a secret.
_SEPARATORS = r"[\s;,]+"
_PERCENT = "%[0-9A-F]{2}"
_JSON_ESCAPE = r"\\u[0-9a-f]{4}"
# Characters that are not quoted by Python's quote(), its default, JavaScript, Go's PathEscape,
# and this package.
_SAFE = ("", "/", "!'()*", "$&+=:@", "/%:@!$&'()*+,;=~-._")
_HTML_ESCAPES: tuple[dict[str, str], ...] = (
    {'"': "&quot;", "'": "&#x27;"},
    {'"': "&#34;", "'": "&#39;"},
    {'"': "&quot;", "'": "&apos;"},
    {'"': "&quot;"},
    {},
)
# Go and Ruby escape these in JSON, for use in HTML; PHP escapes the slash.
_JSON_IN_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
# .NET escapes these by default, and PHP some of them as an option.
_JSON_IN_DOTNET = str.maketrans({c: f"\\u{ord(c):04X}" for c in "<>&'+`"})
_URL_SAFE = str.maketrans("+/", "-_")


def forms_of(secrets: Iterable[str]) -> frozenset[str]:
    """Return every form of every secret that is long enough to be masked."""
    forms: set[str] = set()
    for secret in secrets:
        forms.add(secret.strip())
        for plain in _plain_forms(secret.strip()):
            forms |= _encoded_forms(plain)
    forms.update([printable(form) for form in forms])
    return frozenset(form for form in forms if len(form) >= SHORTEST)


def printable(text: str) -> str:
    """Return the text stripped, with one blank for every run of unprintable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def has_scheme(form: str) -> bool:
    """Return whether a form begins with a public word, as ``Bearer abc`` does."""
    scheme, space, _ = form.partition(" ")
    return bool(space) and _is_scheme(scheme)


def _is_scheme(word: str) -> bool:
    return re.fullmatch(_SCHEME, word.lower()) is not None


def _plain_forms(secret: str) -> set[str]:
    """Return the parts of a secret that are secrets themselves, also decoded."""
    found: set[str] = set()
    if has_scheme(secret):
        scheme, _, credential = secret.partition(" ")
        credential = credential.strip()
        found.add(credential)
        if scheme.lower() == "basic":
            found.add(_password(credential))
    else:
        found.add(secret)
    for part in re.split(_SEPARATORS, secret):
        value = part.partition("=")[2].strip("\"'")
        found.update(each for each in (part, value) if len(each) >= SHORT and "://" not in each)
    found = {each for each in found if not _is_scheme(each)}
    found |= {unquote(each) for each in found if "%" in each}
    return found


def _password(credential: str) -> str:
    """Return the password of a Basic credential; the name when there is no password."""
    try:
        decoded = binascii.a2b_base64(credential)
    except ValueError:
        return ""
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    name, _, password = text.partition(":")
    return password or name


def _encoded_forms(plain: str) -> set[str]:
    """Return a plain secret in every encoding."""
    data = plain.encode("utf-8", "surrogateescape")
    forms = {plain, repr(data)[2:-1], *_base64_forms(data), *_escaped_forms(plain)}
    # JSON in JSON, HTML in JSON.
    forms.update([form for escaped in set(forms) for form in _json_forms(escaped)])
    forms.update(_percent_forms(data))
    if not plain.isascii():
        forms.update(_base64_forms(plain.encode("latin-1", "ignore")))
        forms.update([form for read in set(forms) for form in _misread_forms(read)])
    return forms


def _percent_forms(data: bytes) -> Iterator[str]:
    for safe in _SAFE:
        quoted = quote(data, safe)
        for form in (quoted, quoted.replace("%20", "+")):
            yield form
            yield re.sub(_PERCENT, lambda found: found[0].lower(), form)


def _escaped_forms(plain: str) -> Iterator[str]:
    yield from _json_forms(plain)
    for quotes in _HTML_ESCAPES:
        escaped = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for character, entity in quotes.items():
            escaped = escaped.replace(character, entity)
        yield escaped
    yield repr(plain)[1:-1]
    yield ascii(plain)[1:-1]


def _json_forms(text: str) -> Iterator[str]:
    for ensure_ascii in (True, False):
        escaped = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
        yield escaped.translate(_JSON_IN_HTML)
        capital = re.sub(_JSON_ESCAPE, lambda found: "\\u" + found[0][2:].upper(), escaped)
        capital = capital.replace('\\"', "\\u0022").translate(_JSON_IN_DOTNET)
        yield capital
        yield capital.replace("/", "\\/")
        yield re.sub(_JSON_ESCAPE, lambda found: "\\u" + found[0][2:].upper(), escaped)


def _misread_forms(text: str) -> Iterator[str]:
    """Yield the text with UTF-8 read as Latin-1, Latin-1 as UTF-8, and either as ASCII."""
    if text.isascii():
        return
    data = text.encode("utf-8", "surrogateescape")
    yield data.decode("latin-1")
    yield data.decode("cp1252", "replace")
    yield data.decode("ascii", "replace")
    yield text.encode("latin-1", "replace").decode("utf-8", "replace")
    yield text.encode("ascii", "replace").decode("ascii")


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield the data in Base64, alone and as part of longer data."""
    whole = _base64(data)
    found = [whole, whole.rstrip("=")]
    if len(data) >= SHORT:
        for before in range(3):
            text = _base64(bytes(before) + data)
            # Characters at the edges contain bits of their neighbours.
            first, bits = (0, 2, 3)[before], 8 * (before + len(data))
            found.append(text[first : bits // 6])
    for form in found:
        yield form
        yield form.translate(_URL_SAFE)


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")
