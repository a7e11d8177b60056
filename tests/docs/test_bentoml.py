"""What the page about BentoML says is true."""

from __future__ import annotations

import re
from pathlib import Path

import bentotrace

PAGE = (Path(__file__).parents[2] / "docs" / "bentoml.md").read_text(encoding="utf-8")


def test_its_configuration_is_good_for_every_service(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "bentoml.yaml"
    file.write_text(text, encoding="utf-8")

    config = bentotrace.load_config(file, service="Stock")

    assert [exporter.plugin.name for exporter in config.exporters] == ["jaeger", "otlp"]
    assert config.options.sample_rate == 0.1
