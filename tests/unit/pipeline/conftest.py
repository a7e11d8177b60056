"""The fixtures of delivery, for tests of whole pipelines."""

from ..delivery.conftest import (  # noqa: F401
    hanging,
    make_config,
    make_processor,
    make_span,
    recorder,
    run_process,
    wait_until,
)
