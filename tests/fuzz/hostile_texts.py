"""For every regular expression of the package: texts that make matching fail late or often."""

from __future__ import annotations

from collections.abc import Sequence

# By pattern: what is repeated, and what follows it once, to make matching fail late or often.
_Hostile = Sequence[tuple[str, str]]
_PERCENT = (("%", ""), ("%A", ""), ("%AF", "x"))
_SPACED = ((" ", "x"), ("1", "x"), ("1.", "x"), ("1 ", "x"), (".", ""), ("1" * 50 + ".", "1x"))
_NUMBERS = (("1", "x"), ("1e", ""), (".", "1"), ("1" * 50 + ".", "e"), ("-", "1"), ("0o7", "x"))
_NAMES = (("a", "\n"), ("-", " "), ("a-", ":"), (":", ""), ("\n", "a"))
_WORDS = (("security ", ""), ("handshaker ", ""), ("got frame type ", ""), ("timed out", " before"))
HOSTILE: dict[str, _Hostile] = {
    "%[0-9A-F]{2}": _PERCENT,
    r"\\u[0-9a-f]{4}": (("\\", ""), ("\\u", ""), ("\\u00", ""), ("\\u00f6", "x")),
    r"[\s;,]+": ((" ", "x"), (";x", ""), (", ", "x")),
    r"[A-Za-z][A-Za-z0-9+.-]*:/+|/+": (("a", ""), ("a:", ""), ("/", "a"), ("a:/", "x")),
    r"(?<=://)[^/\s]*@": (("://", ""), ("://a", ""), ("://" + "a" * 50, "@"), ("@", "")),
    r"(?:\[[^\]]*\]|[^:]+)(?::[0-9]*)?": (("[", ""), ("[]", ":"), (":1", "x"), ("a", ":x")),
    "[/?#]": (("/", ""), ("a", "#")),
    r"([?&])([^=&#?\s]*)=([^&#\s]+)": (
        ("?key", ""),
        ("&key", "="),
        ("?", "=x"),
        ("?key=", ""),
        ("?=", " "),
    ),
    r"[-_.]+": (("-", "a"), ("-a", "")),
    "[^a-z0-9]+": (("-", "a"), ("-a", "")),
    r"[^=\0\s]+": (("A", "="), ("A", " ")),
    # Configuration.
    r"[!#$%&'*+.^_`|~0-9A-Za-z-]+": _NAMES,
    r"[^\r\n\0]*": _NAMES,
    r"[0-9A-Za-z_.-]+": _NAMES,
    r"[\t\x20-\x7e\x80-\xff]*": _NAMES,
    r"[\x20-\x7e]*": _NAMES,
    r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h)?": _SPACED,
    r"([-+]?[0-9]{1,9}(?:[.,][0-9]{1,9})?)\s*(%?)": _SPACED,
    r"\{[0-9]*,[0-9]*\}": (("{", ""), ("{1", ""), ("{1,", ""), ("{1,1", ""), ("1", ",")),
    r"[-+]?[0-9]{1,300}": _NUMBERS,
    r"[-+]?[0-9]+": _NUMBERS,
    r"0o[0-7]+|0x[0-9a-fA-F]+": _NUMBERS,
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?": _NUMBERS,
    r"\$\$"
    r"|\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}\n]*))?\}"
    r"|(?P<bad>\$\{[^}]*\}?)": (
        ("$", ""),
        ("${", ""),
        ("${a", ""),
        ("${a:-", ""),
        ("${a:-b\n", ""),
        ("${env:a", "}"),
    ),
    # What gRPC's core and a server say.
    r"(?:failed to connect to all addresses|connections to all backends failing)"
    r"(?:; last error: (?:[A-Z_]+: )?(?:(?:ipv[46]|unix)\S*: )?)?": (
        ("failed to connect to all addresses; last error: ", ""),
        ("A", ""),
        ("ipv4:", " "),
    ),
    r"HTTP proxy returned response code (\d{3})": (("HTTP proxy returned response code ", ""),),
    "handshaker shutdown|FD Shutdown|Timeout occurred|timed out(?! before)": _WORDS,
    "Endpoint closing": _WORDS,
    "has expired|not yet valid": _WORDS,
    "issuer certificate|self.signed|verify the first certificate": _WORDS,
    "Hostname Verif|not in peer cert": _WORDS,
    "WRONG_VERSION_NUMBER": _WORDS,
    "http1.x server|got frame type (?:79|80)|selected ALPN": _WORDS,
    # A receiver that finds a message too large.
    r"(?i)\b(?:message|request|body|payload|entity|content|batch|bytes|frame|packet|spans)\b": (
        ("message", ""),
        (" bod", "y"),
    ),
    r"(?i)\btoo (?:large|big|long|many spans)\b|\b(?:larger|bigger|greater|longer|more) than\b"
    r"|\b(?:exceed(?:s|ed|ing)?|over|above)\b.{0,40}\b(?:size|length|bytes|limit|max|settings)"
    r"|\b(?:size|length|bytes|max(?:imum)?)\b.{0,40}\bexceed(?:s|ed)?\b|\bsize limit\b": (
        ("over ", ""),
        ("exceeded ", "limi"),
        ("size ", "exceed-"),
        ("too ", ""),
    ),
    r"(?i)\b(?:rates?|rate.limit\w*|quotas?|per (?:sec|min|hour|day|month)\w*|monthly|daily"
    r"|throttl\w*|too many requests|concurren\w*|time|timed|timeout|deadline|headers?|cookies?"
    r"|ur[il]s?|line|response|upstream|(?:send|sent|sending|encoded) message|client(?=:))\b": (
        ("rate-limit", ""),
        ("throttl", ""),
        ("per sec", " "),
        ("client", ""),
    ),
    # A web page.
    r"(?is)<(script|style|head)(?!\w).*?(?:</\1(?!\w)[^>]*(?:>|\Z)|\Z)|<[a-z/!?][^>]*(?:>|\Z)": (
        ("<", ""),
        ("<a", ""),
        ("<script", ""),
        ("<script>", "</"),
        ("</script", ""),
        ("<script></script", ""),
        ("<style></head>", ""),
    ),
    # A request.
    r"(?:\(\?[a-zA-Z]+\))?\^?/": (("(?a)", ""), ("(?" + "a" * 50, ""), ("^", "/")),
    r"[\w:/.~%+,=-]+": (("a", "?"), ("/a", " ")),
    "[0-9a-f]+": (("0", "x"),),
    # Words of secrets, and classifiers.
    "key|token|secret|passw|pwd|auth|cred|bearer|header|cookie|dsn|sas|signature|"
    "connectionstring|connstr|passphrase": (("connection", ""), ("pass", ""), ("sa", "")),
    "api-key|api-token|apikey|aws4-hmac-sha256|basic|bearer|digest|hoba|key|negotiate|ntlm|"
    "sharedaccesssignature|sharedkey|token": (("api-", ""), ("shared", ""), ("bea", "")),
    r"Development Status ::\s*(.?)": (
        ("Development Status ::", ""),
        ("Development Status :: ", ""),
    ),
    # A query of the viewer.
    r'(?P<key>[^\s"=<>!:]+(?::[^\s"=<>!:]+)*?)(?P<operator>!=|>=|<=|=|>|<|:)'
    r'(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]\S*)'
    r'|(?P<text>"(?:[^"\\]|\\.)*"|\S+)': (
        ("a", ""),
        ("a:", '"'),
        ('a:"', ""),
        ('"', ""),
        ('"\\', ""),
        ("a ", '"'),
    ),
    r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ns|us|µs|μs|ms|s|m|h)": _SPACED,
    r"[^\W_]+": (("a", ""), ("a_", "")),
    "[0-9a-fA-F]{32}": (("0", "x"),),
    "[0-9a-fA-F]{16}": (("0", "x"), ("0" * 15 + "x", "")),
    "https?:/[^/]": (("http:/", ""), ("https://", ""), ("http", "x")),
    r"\w+": (("a", "-"), ("a-", "")),
    # Testing.
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]": (("a", ""), ("\t", ""), ("\ud800", "a")),
    r"\\(.)": (("\\", ""), ("\\a", "")),
    # A version of YAML, words that start with \U, white space in the first words of a file.
    r"\A((?:#[^\n]*\n|[^\S\n]*\n)*)%YAML[ \t]+1\.[3-9][0-9]*": (
        ("\n", "x"),
        (" \n", "%YAML"),
        ("#\n", ""),
        ("#", "\n%YAML 1.2"),
        (" ", "x"),
    ),
    r"\\U(?!0010|000)": (("\\", ""), ("\\U", "000"), ("\\U000", "")),
    r"[^\\]\s": (("\\ ", ""), ("a", " "), (" ", "")),
    r"\W": (("a", "-"), ("-", "")),
    "[0-9]+(\\.[0-9]+)?": _NUMBERS,
    r"[-+]?[0-9]+(\.[0-9]+)?\s": _NUMBERS,
    # Paths, options of a Python, and names of certificates.
    "[/.<]": (("a", "/"), ("/", "")),
    r"[^\s/]*(/[^\s/]{1,80})*/?": (("/a", " "), ("a", " "), ("/", ""), ("a" * 80 + "/", " ")),
    "[cmWX]": (("c", ""), ("a", "c")),
    "-[A-Za-z]+": (("-", ""), ("-a", "1")),
    "(python|pypy)[0-9.]*": (("python", "x"), ("python3", "x"), ("3.", "x")),
    r"[0-9a-f]{8}\.[0-9]+": (("0", "."), ("00000000.", "x")),
    "[0-9a-f]{32}": (("0", "x"), ("0" * 31 + "x", "")),
    "([0-9]{1,19})-([0-9a-f]{32})": (("0", "x"), ("0-", ""), ("0-0", "x"), ("0-" + "0" * 31, "x")),
    "-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----": (
        ("-----BEGIN CERTIFICATE-----", ""),
        ("-----BEGIN CERTIFICATE-----a", "-"),
        ("-", ""),
        ("a", "-----END"),
    ),
    # The targets of gRPC.
    r"(?:dns:(?://[^/]*/)?|ipv[46]:)?\[?([^/,]+?)\]?:(\d+)": (
        ("a", ""),
        ("]", ":x"),
        (":1", "x"),
        ("dns://", "a"),
        ("[", ":"),
    ),
    # The scripts of the page, of which a saved page is made.
    "^export ": (("export", ""), ("\nexport", " ")),
    r"^export (?:async )?(?:function|class|const) (\w+)": (
        ("export async ", ""),
        ("\nexport class ", ""),
        ("a", ""),
    ),
    r'^import (?:(\{[^}]*\}) from )?"\./([\w-]+\.js)";\n': (
        ("import {", ""),
        ('\nimport "./', ""),
        ("import { a } from ", ""),
    ),
    r"(?:[0-9]{1,15}(?:\.[0-9]{1,9})?(?:ns|us|µs|μs|ms|s|m|h)){1,8}": (
        ("1s", "x"),
        ("1m", "s"),
        ("1.1", "x"),
        *_SPACED,
    ),
    # Names and values in texts, and names of variables and of new exporters.
    r"\s*([A-Za-z][\w.-]*)(?:\s*=\s*|:\s+)(\S.*)": (
        *_NAMES,
        (" ", "a"),
        ("a ", "="),
        ("a=", "\n"),
        ("a: ", ""),
    ),
    "OTEL_PYTHON_(.+_)?EXCLUDED_URLS|OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_.+": (
        ("OTEL_PYTHON_", ""),
        ("OTEL_PYTHON__", "EXCLUDED"),
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_", "\n"),
    ),
    "[a-z][a-z0-9_]*": _NAMES,
    r"[,\r\n]": ((",", ""), ("a", ","), ("\r\n", "a")),
    # The metadata of a distribution, and a pattern of the user's.
    r"^(Name|Version):[ \t]*(\S+)": (("Name:", ""), ("Name: ", ""), ("\nName:\t", ""), ("a", ":")),
    r"\$|\\[bBzZ]|\(\?[=!>]|[*+?}]\+": (("(?", ""), ("\\", ""), ("*", "a"), ("(?:", "")),
}

# Made while the program runs, of what the person who configures it wrote.
OF_THE_USER = {
    ("bentotrace/pipeline/environment.py", "<'|'.join(parse_list(text))>"),
    ("bentotrace/schema/kinds.py", "<text>"),
    ("bentotrace/pipeline/urls.py", "<pattern>"),
    (
        "bentotrace/pipeline/urls.py",
        "<'|'.join((f'({text})' for text in texts)) if joined else texts[0]>",
    ),
}
