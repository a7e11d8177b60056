"""Every form of a secret is masked, whatever is cut and however short a secret is."""

from __future__ import annotations

import base64
import html
import json
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentotrace._secret_forms import forms_of
from bentotrace.redaction import (
    MASK,
    Redaction,
    basic_credentials,
    hide_named,
    looks_secret,
    one_line,
    url_secrets,
    without_any_credentials,
    without_credentials,
)

HARD = 'p@ss/w"ö<&rd+1'
BASIC = basic_credentials("somebody", HARD)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
        ("http://user:pass@localhost:4318/v1", "http://localhost:4318/v1"),
        ("https://user@[::1]:4318/?a=b@c", "https://[::1]:4318/?a=b@c"),
        ("https://[::1]:4318/a@b", "https://[::1]:4318/a@b"),
        ("http://user:p@ss@host/", "http://host/"),
        ("http://user:p/ss@host/", "http://host/"),
        ("http://user:p#ss@host/", "http://host/"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("user:pass@host:4317", "host:4317"),
        ("localhost:4317", "localhost:4317"),
        ("//user:pass@host", "//host"),
        ("http:/user:pass@host", "http:/host"),
        ("http:///user:pass@host", "http:///host"),
        ("http:user:pass@host", "host"),
        ("http//user:pass@host", "host"),
        ("/user:pass@host", "/host"),
        ("http://?user:pass@host", "http://host"),
        ("unix:/run/collector.sock", "unix:/run/collector.sock"),
        ("", ""),
        ("http://host/v1?x=1&api-key=s#f", "http://host/v1?x=1&api-key=***#f"),
        ("http://u:p@host/?Access_Token=a%20b&y=2", "http://host/?Access_Token=***&y=2"),
        ("http://host/?format=jaeger.thrift", "http://host/?format=jaeger.thrift"),
        ("http://host/?sig=", "http://host/?sig="),
    ],
)
def test_credentials_are_taken_out_of_an_endpoint(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_a_message_is_made_one_printable_line() -> None:
    assert one_line("a\r\nb\x1b[31m\tc\x00  d ") == "a b [31m c d"


def test_a_long_message_is_shortened() -> None:
    line = one_line("word " * 1000)
    assert len(line) <= 200
    assert line.endswith("…")
    assert one_line("x" * 200) == "x" * 200


def lower_hex(text: str) -> str:
    return "".join(f"%{part[:2].lower()}{part[2:]}" for part in text.split("%"))[1:]


FORMS = {
    "itself": HARD,
    "percent-encoded": quote(HARD, safe=""),
    "percent-encoded, lower case": lower_hex(quote(HARD, safe="")),
    "percent-encoded as a path": quote(HARD),
    "percent-encoded as a form": quote_plus(HARD),
    "base64": base64.b64encode(HARD.encode()).decode(),
    "base64 without padding": base64.b64encode(HARD.encode()).decode().rstrip("="),
    "url-safe base64": base64.urlsafe_b64encode(HARD.encode()).decode(),
    "json": json.dumps(HARD)[1:-1],
    "json, not ascii": json.dumps(HARD, ensure_ascii=False)[1:-1],
    "json in html": json.dumps(HARD)[1:-1].replace("<", "\\u003c").replace("&", "\\u0026"),
    "html": html.escape(HARD),
    "html without quotes": html.escape(HARD, quote=False),
    "repr": repr(HARD)[1:-1],
    "repr of bytes": repr(HARD.encode())[2:-1],
    "UTF-8 read as Latin-1": HARD.encode().decode("latin-1"),
    "Latin-1 read as UTF-8": HARD.encode("latin-1").decode("utf-8", "replace"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("given_as", ["password", "basic", "bearer", "in a URL", "among others"])
def test_every_form_is_masked_however_the_secret_was_given(form: str, given_as: str) -> None:
    secrets = {
        "password": (HARD,),
        "basic": (BASIC,),
        "bearer": (f"Bearer {HARD}",),
        "in a URL": url_secrets(f"http://somebody:{quote(HARD, safe='')}@host/v1"),
        "among others": (f"id=7;key={HARD}",),
    }[given_as]

    text = f"wrong credentials '{FORMS[form]}' for somebody"

    assert Redaction(secrets).line(text) == f"wrong credentials '{MASK}' for somebody"


@pytest.mark.parametrize("around", [("", ""), ("x", ""), ("xy", "z"), ("somebody:", "")])
@pytest.mark.parametrize("secret", [HARD, "zq9secret9qz"])
def test_a_secret_is_found_in_the_base64_of_more_than_itself(
    around: tuple[str, str], secret: str
) -> None:
    before, after = around
    encoded = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    shown = Redaction([secret]).redact(f"got {encoded}")
    assert MASK in shown
    assert len(shown) < len("got ") + len(MASK) + 4 * (len(before) + len(after) + 3)


def test_basic_credentials_hide_the_password_and_not_the_name() -> None:
    shown = Redaction([BASIC]).redact(f"no user somebody with {HARD}, got {BASIC}")
    assert shown == f"no user somebody with {MASK}, got {MASK}"


def test_the_words_before_a_credential_are_no_secrets() -> None:
    redaction = Redaction(["Bearer abcdef123", "ApiKey zyxwvu987", "Digest", "tiny", ""])
    assert redaction.line("missing Bearer token or ApiKey") == "missing Bearer token or ApiKey"
    assert redaction.line("missing Bearer") == "missing Bearer"
    assert redaction.line("got 'Bearer abcdef123'") == "got '***'"
    assert redaction.line("token abcdef123 expired") == "token *** expired"
    assert redaction.line("token zyxwvu987 expired") == "token *** expired"


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    redaction = Redaction(["tiny", "ab!"])
    assert redaction.line("password tiny, ab!") == "password ***, ***"
    assert redaction.line("a destiny, tiny_word, xab!") == "a destiny, tiny_word, xab!"


def test_one_or_two_characters_are_never_masked() -> None:
    assert Redaction(["1", "ab"]).line("refused 1 of ab spans") == "refused 1 of ab spans"


@pytest.mark.parametrize("end", ["", "…", "...", " …", "\ufffd", "\n"])
@pytest.mark.parametrize("kept", [4, 6, 11])
def test_the_beginning_of_a_secret_at_a_cut_is_masked(kept: int, end: str) -> None:
    shown = Redaction(["zq9secret9qz"]).redact(f"wrong password {'zq9secret9qz'[:kept]}{end}")
    assert shown == f"wrong password {MASK}{end}"


def test_a_cut_within_a_text_is_known_by_its_ellipsis() -> None:
    shown = Redaction(["zq9secret9qz"]).redact("wrong zq9secr…; before that: refused")
    assert shown == "wrong ***…; before that: refused"


def test_the_end_of_a_word_is_no_secret_for_being_like_the_beginning_of_one() -> None:
    redaction = Redaction(["password1"])
    assert redaction.redact("a bypass") == "a bypass"
    assert redaction.redact("no word") == "no word"


def test_secrets_that_overlap_leave_nothing_of_each_other() -> None:
    assert Redaction(["abcdefgh", "efghijkl"]).redact("x abcdefghijkl y") == "x *** y"


def test_a_line_is_redacted_before_it_is_cut() -> None:
    for blanks in range(150, 210):
        line = Redaction(["zq9secret9qz"]).line("y" * blanks + " zq9secret9qz")
        assert "zq9s" not in line
        assert len(line) <= 200


def test_a_line_break_in_a_secret_hides_nothing_of_it() -> None:
    assert Redaction(["correct horse battery"]).line("no correct\n horse\tbattery.") == "no ***."


def test_a_traceback_is_text_without_secrets() -> None:
    def fail() -> None:
        raise ValueError("no zq9secret9qz")

    try:
        fail()
    except ValueError as error:
        told = Redaction(["zq9secret9qz"]).traceback(error)
    assert told.startswith("Traceback (most recent call last):")
    assert told.endswith("ValueError: no ***")
    assert "in fail" in told


def test_redactions_are_joined_compared_and_shown_without_secrets() -> None:
    one, two = Redaction(["first-one"]), Redaction(["second-one"])
    both = one | two
    assert both == one.with_secrets("second-one") == two | both
    assert hash(both) == hash(two | one)
    assert both.redact("first-one second-one third") == "*** *** third"
    assert one.redact("second-one") == "second-one"
    assert repr(both) == f"Redaction({MASK})"
    assert Redaction().redact("http://u:p@host/ x") == "http://host/ x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST http://u:p@ss@host/v1 failed", "POST http://host/v1 failed"),
        ("http://u:p@a/ and https://v:q@b/", "http://a/ and https://b/"),
        ("see http://host/?api-key=s&x=1", "see http://host/?api-key=***&x=1"),
        ("me@example.com", "me@example.com"),
        ("what? key=value", "what? key=value"),
    ],
)
def test_credentials_of_urls_in_a_text_are_left_out(text: str, shown: str) -> None:
    assert without_any_credentials(text) == shown
    assert Redaction().redact(text) == shown


def test_what_is_secret_in_a_url_is_found() -> None:
    assert "p%40ss" in url_secrets("http://u:p%40ss@host/")
    assert basic_credentials("u", "p@ss") in url_secrets("http://u:p%40ss@host/")
    assert url_secrets("http://host/?x=1&Api-Key=abc") == ("abc",)
    assert "t0ken" in url_secrets("https://t0ken@host/")
    assert url_secrets("http://host:4318/v1/traces") == ()
    assert url_secrets("host:4317") == ()


@pytest.mark.parametrize(
    "name",
    [
        *("license_key", "connection_string", "conn_str", "access_key", "apikey", "auth", "dsn"),
        *("headers", "Authorization", "password", "passwd", "pwd", "X-Api-Key", "cookies", "cred"),
        *("sas_token", "bearer", "signature", "client_secret", "ConnectionString", "passphrase"),
    ],
)
def test_a_name_tells_that_an_option_is_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("endpoint", "timeout", "user", "certificate_file", "key_file", "private-key-file"),
        *("credentials_path", "token_filename", "compression", "max_tag_value_length"),
    ],
)
def test_a_name_tells_that_an_option_is_not_secret(name: str) -> None:
    assert not looks_secret(name)


def test_named_secrets_are_hidden_at_any_depth() -> None:
    value = {"a": [{"password": "x", "url": "http://u:p@h/"}], "token": "", "n": 1}
    assert hide_named(value) == {"a": [{"password": MASK, "url": "http://h/"}], "token": "", "n": 1}


SECRETS = st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6)


@pytest.mark.one_python
@given(secret=SECRETS, before=st.text(max_size=300), after=st.text(max_size=50))
# One secret has hundreds of forms.
@settings(deadline=None)
def test_no_form_of_a_secret_of_six_characters_is_in_a_line(
    secret: str, before: str, after: str
) -> None:
    redaction = Redaction([secret])
    for form in forms_of([secret]):
        # A mask beside what was there may read like a secret that holds one itself.
        if len(one_line(form)) >= 6 and "*" not in secret:
            line = redaction.line(f"{before}{form}{after}")
            assert one_line(form) not in line or one_line(form) in one_line(f"{before} {after}")


@given(secret=SECRETS, before=st.text(max_size=300), data=st.data())
def test_no_six_characters_of_a_secret_that_was_cut_are_in_a_line(
    secret: str, before: str, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(6, len(secret)))
    beginning = one_line(secret.strip()[:kept])
    line = Redaction([secret]).line(f"{before} {secret.strip()[:kept]}")
    if len(beginning) >= 6 and "*" not in secret and beginning not in one_line(before):
        assert not line.endswith(beginning)


def test_importing_it_imports_nothing_that_a_start_does_without() -> None:
    script = (
        "import sys; import bentotrace.redaction\n"
        "print(*{'ssl', 'html', 'email.utils', 'grpc'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


@pytest.mark.parametrize(
    "quoted",
    [r"Zq9\u002BxY/3kLm\u002BPw7abc==", r"Zq9\u002BxY\/3kLm\u002BPw7abc=="],
    ids=["as .NET writes JSON", "with the slash escaped too"],
)
def test_a_token_is_masked_in_the_json_of_other_languages(quoted: str) -> None:
    redaction = Redaction(["Bearer Zq9+xY/3kLm+Pw7abc=="])
    assert (
        redaction.line(f'{{"detail":"unknown token {quoted}"}}') == '{"detail":"unknown token ***"}'
    )
