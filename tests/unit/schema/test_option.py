from __future__ import annotations

import pytest

from bentotrace.schema.option import Range


@pytest.mark.parametrize(
    ("bounds", "good", "bad", "message"),
    [
        (Range(1, 65535), (1, 65535), (0, 65536), "must be between 1 and 65535"),
        (Range(1), (1, 1.5), (0, 0.5, -1), "must be at least 1"),
        (Range(high=5), (5, -1), (6,), "must be at most 5"),
        (Range(above=0), (0.1, 1), (0, -1), "must be more than 0"),
        (Range(high=5, above=0), (5, 0.1), (0, 6), "must be at most 5 and more than 0"),
    ],
)
def test_a_number_outside_is_told_what_is_valid(
    bounds: Range, good: tuple[float, ...], bad: tuple[float, ...], message: str
) -> None:
    for number in (*good, None):
        bounds(None, None, number)
    for number in bad:
        with pytest.raises(ValueError, match=f"^{message}$"):
            bounds(None, None, number)


def test_it_is_said_in_the_words_of_json_schema() -> None:
    assert Range(1, 2).json_schema == {"minimum": 1, "maximum": 2}
    assert Range(above=0).json_schema == {"exclusiveMinimum": 0}
