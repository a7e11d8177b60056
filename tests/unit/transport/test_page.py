from __future__ import annotations

import pytest

from bentotrace.transport._http_failure import visible_text


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<h1>Bad</h1> a &amp; b", "Bad a & b"),
        ("<head><title>x</title></head><body>y</body>", "y"),
        ("<HEAD >x</Head\n>y", "y"),
        ("a<script>if (a < b) {}</script>b<style>p {}</style >c", "a b c"),
        ("a<script type='x'>b</scripted></script>c", "a c"),
        ("<header>shown</header>", "shown"),
        ("a<script>never closed <b>b</b>", "a"),
        ("a</script>b", "a b"),
        ("a<br", "a"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<!DOCTYPE html><?xml?><p>a", "a"),
        ("a <", "a <"),
        ("", ""),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_the_words_of_a_page_are_found(page: str, words: str) -> None:
    assert " ".join(visible_text(page).split()) == words
