"""What to change in a file that BentoML refuses; logged before BentoML's own message."""

from __future__ import annotations

import logging
import os

__all__ = ["explain_refusal"]


def explain_refusal(error: BaseException) -> None:
    """Log what to change if an exception is BentoML's, about a file that bentotrace can use."""
    file = os.environ.get("BENTOML_CONFIG", "").strip()
    if file and "Key 'version' error:" in str(error):
        logging.getLogger("bentotrace").error(
            "%s: BentoML refuses version: 1 for a class with @bentoml.service, and version: 2 for "
            "its own command. Remove the line.",
            file,
        )
