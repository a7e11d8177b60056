"""Fuzz ``load_config`` by coverage, for as long as one likes; what is checked is the test's.

``python tests/fuzz/atheris_load_config.py -max_total_time=60`` takes a minute. Other options are
libFuzzer's; a directory among the arguments is a corpus that grows. It begins with the files of
``tests/data/mistakes``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import atheris

with atheris.instrument_imports(include=["bentotrace", "ruamel"]):
    from test_load_config import GOOD, ODD_TEXTS, TOKENS, check, variables

MISTAKES = Path(__file__).parents[1] / "data" / "mistakes"
BOUNDS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=4096")


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        # libFuzzer ends its process without a word to Python, so somebody else cleans up.
        child = os.fork()
        if child == 0:
            fuzz(Path(name), [*sys.argv, f"-artifact_prefix={os.getcwd()}/"])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fuzz(directory: Path, arguments: list[str]) -> NoReturn:
    """Fuzz in a directory, where nothing is that a file may name."""
    names = variables()
    corpus, file, words = directory / "corpus", directory / "tracing.yaml", directory / "words"
    corpus.mkdir()
    for number, seed in enumerate([GOOD, *(path.read_bytes() for path in MISTAKES.glob("*.yaml"))]):
        (corpus / str(number)).write_bytes(seed)
    words.write_text("".join(f'"{escaped(token)}"\n' for token in TOKENS))

    def load(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        # Numbers are taken from the end of the data, so what is left begins as the seed did.
        environ = {
            provider.PickValueInList(names): provider.PickValueInList([*ODD_TEXTS])
            for _ in range(provider.ConsumeIntInRange(0, 3))
        }
        check(file, provider.ConsumeBytes(provider.remaining_bytes()), environ)

    atheris.Setup([*arguments, *BOUNDS, f"-dict={words}", str(corpus)], load)
    os.chdir(directory)
    atheris.Fuzz()
    raise SystemExit


def escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token[:64])


if __name__ == "__main__":
    sys.exit(main())
