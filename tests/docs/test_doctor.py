"""The page of the doctor's verdicts is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import bentotrace
from bentotrace.doctor.report import Diagnosis, Examination, State, Step
from bentotrace.doctor.verdict import StepName, Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_the_table_has_every_verdict_with_its_code_and_meaning() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+?) \| .+ \|$", PAGE, re.MULTILINE)

    told = [(int(code), word, meaning) for code, word, meaning in rows]
    assert sorted(told) == sorted(
        (verdict.exit_code, verdict.word, verdict.title) for verdict in Verdict
    )
    assert [code for code, _, _ in told] == sorted(code for code, _, _ in told)


def test_every_name_of_the_json_is_on_the_page() -> None:
    steps = tuple(Step(StepName.EXPORT, state, "told") for state in State)
    diagnosis = Diagnosis("a", "b", "c", "d", steps, Verdict.GOOD, "e", "f", "0")
    found = Examination("s", (diagnosis,)).as_dict()

    (_, section) = PAGE.split("## JSON")
    names = {*found, *found["destinations"][0], *found["destinations"][0]["steps"][0]}
    for name in names | {state.value for state in State}:
        assert f"`{name}`" in section
    assert json.loads(json.dumps(found)) == found


def test_the_configuration_of_the_example_sends_where_it_says(tmp_path: Path) -> None:
    file = tmp_path / "tracing.yaml"
    file.write_text(
        "tracing:\n  exporter_type: [otlp, jaeger]\n  sample_rate: 0.1\n"
        "  otlp: {protocol: http, endpoint: http://localhost:4317}\n"
    )
    config = bentotrace.load_config(file)

    for exporter in config.exporters:
        assert exporter.target is not None
        heading = f"{exporter.plugin.name} ({exporter.target.protocol}) to "
        assert heading + exporter.target.endpoint in PAGE
    (warning,) = config.notes
    assert warning.message in " ".join(PAGE.split())
