"""deploy/observability: every figure that rules and dashboard ask for is one that somebody gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import Metrics
from app.metrics_of_parts import PackagedMetrics, PartMetrics, ServerMetrics
from app.rag.counts import CacheCounts
from serving import server_figures
from serving.front_figures import FrontFigures

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "observability"
# Names and kinds as vLLM's source has them; taken from the installed one by this file's own pattern (see the last test).
VLLM = ROOT / "tests" / "data" / "vllm-0.32-metrics.txt"
_VLLM_NAME = re.compile(r'_(counter|gauge|histogram)_cls\(\s*name="(vllm:[a-z_]+)"')
# Prometheus on a machine, and on Kubernetes.
CONFIGS = {
    "machine": FOLDER / "prometheus.yml",
    "kubernetes": ROOT / "deploy" / "kubernetes" / "monitoring" / "prometheus.yaml",
}
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    *((f"rule {rule['alert']}", rule["expr"]) for rule in RULES),
    *((f"panel {panel['title']}", target["expr"]) for panel in PANELS for target in panel["targets"]),
]


def parsed(query: str) -> Any:
    return promql_parser.parse(query.replace("$__rate_interval", "5m"))


def names_of(query: str) -> set[str]:
    return {str(node.name) for node in walk(parsed(query)) if isinstance(node, promql_parser.VectorSelector)}


def walk(node: Any) -> Iterator[Any]:
    """A query's parts, at any depth."""
    if node is None:
        return
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vs", "vector_selector"):
        yield from walk(getattr(node, name, None))
    for argument in getattr(node, "args", None) or ():
        yield from walk(argument)


def own() -> dict[str, str]:
    """Names and kinds of all that frontdesk gives, as its exposition declares them."""
    metrics = Metrics()
    metrics.watch_caches(CacheCounts())
    metrics.watch(ServerMetrics(lambda: []))
    metrics.watch(PackagedMetrics(lambda: (0, 0.0), lambda: 0.0))
    metrics.watch(PartMetrics(lambda: []))
    said = metrics.exposition() + FrontFigures().exposition()
    return {family.name: family.type for family in text_string_to_metric_families(said.decode())}


def vllm() -> dict[str, str]:
    return dict(line.split() for line in VLLM.read_text().splitlines())


def series() -> set[str]:
    """Every name that a query may ask for."""
    found = {"up"}
    for name, kind in (own() | vllm()).items():
        if kind == "histogram":
            found |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            found.add(f"{name}_total" if kind == "counter" else name)
    return found


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_is_promql_over_figures_that_are_given(where: str, query: str) -> None:
    names = names_of(query)
    assert names, where
    assert names <= series()
    # Counters only grow: without a rate they say nothing.
    for name in names:
        if name.endswith("_total"):
            assert re.search(rf"(rate|increase)\({re.escape(name)}", query), name


def test_the_walk_finds_every_name() -> None:
    """Against the text: a part of a query that the walk does not know would hide its names."""
    for where, query in QUERIES:
        written = set(re.findall(r"\b(?:frontdesk_[a-z_]+|vllm:[a-z_]+|up(?=\{))", query))
        assert names_of(query) == written, where


def test_what_was_asked_for_is_on_the_dashboard() -> None:
    shown = set().union(*(names_of(target["expr"]) for panel in PANELS for target in panel["targets"]))
    assert {
        "frontdesk_first_sentence_seconds_bucket", "vllm:request_time_per_output_token_seconds_bucket", "vllm:num_requests_waiting",
        "vllm:request_queue_time_seconds_bucket", "vllm:generation_tokens_total", "vllm:prefix_cache_hits_total", "frontdesk_cache_total",
        "frontdesk_answers_total", "frontdesk_falls_total", "frontdesk_release_answers_total", "frontdesk_front_refused_total",
    } <= shown  # fmt: skip


def test_every_figure_of_ours_is_told_of() -> None:
    told = (ROOT / "docs" / "operations.md").read_text()
    ours = {
        f"{name}_total" if kind == "counter" else name for name, kind in own().items() if name.startswith("frontdesk_")
    }
    assert {name for name in ours if name not in told and not name.endswith("_created")} == set()


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "datasource"] == [
        "datasource"
    ]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert {target["datasource"]["uid"] for target in (panel, *panel["targets"])} == {"${datasource}"}
        assert panel["description"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for n, one in enumerate(places):
        assert one["x"] + one["w"] <= 24
        assert not any(overlap(one, other) for other in places[:n])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in (("x", "w"), ("y", "h"))
    )


def scraped(where: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(CONFIGS[where].read_text())["scrape_configs"]
    return found


@pytest.mark.parametrize("where", CONFIGS)
def test_rules_and_dashboard_ask_for_jobs_that_are_scraped_everywhere(where: str) -> None:
    jobs = {job["job_name"] for job in scraped(where)}
    asked = [found for _, query in QUERIES for found in re.findall(r"\bjob\s*(=~|!=|!~|=)\s*\"([^\"]*)\"", query)]
    assert asked, "nobody would hear that frontdesk is down"
    assert {operator for operator, _ in asked} == {"="}, "a pattern would fit no job as quietly as a wrong name"
    assert {job for _, job in asked} <= jobs
    # A key in the file would be read by whoever reads the configuration.
    assert all(set(job["authorization"]) == {"credentials_file"} for job in scraped(where))


def test_jobs_are_called_the_same_everywhere() -> None:
    assert len({frozenset(job["job_name"] for job in scraped(where)) for where in CONFIGS}) == 1


def test_what_is_down_is_down_without_a_figure_too() -> None:
    """A pod that is gone has no `up`, which is not 0."""
    for rule in RULES:
        for selector in re.findall(r"\bup\{[^}]*\}", rule["expr"]):
            assert f"absent({selector})" in rule["expr"], rule["alert"]


def test_fronts_refuse_for_the_reasons_that_rules_ask_for() -> None:
    source = (ROOT / "serving" / "front.py").read_text()
    said = set(re.findall(r"Refused\(429, \"[^\"]*\", \"(\w+)\"\)", source))
    (asked,) = re.findall(r"refused_total\{reason=~\"([^\"]*)\"\}", " ".join(rule["expr"] for rule in RULES))
    assert set(asked.split("|")) == said


def test_each_rule_says_what_it_means() -> None:
    assert yaml.safe_load(CONFIGS["machine"].read_text())["rule_files"] == ["rules.yml"]
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    for rule in RULES:
        for section in re.findall(r"docs/operations\.md, ([^,]+),", rule["annotations"].get("description", "")):
            assert section in headings, rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_promtool_reads_the_files_and_the_alerts_fire_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    checks = (
        ["check", "rules", str(FOLDER / "rules.yml")],
        ["check", "config", "--syntax-only", str(FOLDER / "prometheus.yml")],
    )
    for arguments in (*checks, ["test", "rules", "rules-test.yml"]):
        here = Path(__file__).parent
        ended = subprocess.run([promtool, *arguments], cwd=here, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_names_of_vllm_are_those_of_the_installed_one() -> None:
    source = next(ROOT.glob(".venv-serving/lib/python3*/site-packages/vllm/v1/metrics/loggers.py"), None)
    if source is None:
        pytest.skip("vLLM is not installed (make serving)")
    assert {name: kind for kind, name in _VLLM_NAME.findall(source.read_text())} == vllm()


def test_what_staff_see_is_read_from_figures_that_vllm_gives() -> None:
    assert set(server_figures._WANTED) <= series()
