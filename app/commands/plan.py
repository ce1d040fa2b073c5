"""frontdesk plan: how many cards or cores a load needs, what they cost, and how sure one can be of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import JsonOption, err, out, print_json, reported


@reported
def plan(
    measured: Annotated[
        Path,
        typer.Option(help="What one replica can do: a YAML or JSON file, as benchmarks/capacity.py --json writes it."),
    ],
    load: Annotated[
        Path | None, typer.Option(help="The load, described in a YAML or JSON file; the options below go before it.")
    ] = None,
    requests_a_day: Annotated[float | None, typer.Option(help="Questions a day.")] = None,
    peak: Annotated[float | None, typer.Option(help="Questions a second in the busiest minute.")] = None,
    without_model: Annotated[
        float | None, typer.Option(help="Share that no model is asked for: cached, curated, refused before, quoted.")
    ] = None,
    target: Annotated[float | None, typer.Option(help="Seconds within which 95 of 100 answers are whole.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Plan capacity from what was measured and what is expected.

    Says a rule of thumb first, then what a simulation of the server's batching finds: the fewest
    replicas that keep the target at the peak, their memory and their cost. docs/operations.md has an
    example of a million questions a day.
    """
    from serving.capacity import plan as planned
    from serving.capacity import read_load, read_measured

    asked = read_load(
        load, requests_a_day=requests_a_day, peak_a_second=peak, without_model=without_model, target_s=target
    )
    one = read_measured(measured)
    with err.status("Simulating…"):
        found = planned(one, asked)
    if as_json:
        print_json({"measured": one.name, "load": asked.model_dump(), **found.as_json()})
        return
    peak_s = found.at_peak
    out.print(
        f"Rule of thumb: {found.users:,.0f} users read at once at the peak; {found.by_thumb:,} {found.unit}s of {one.name}.",
        markup=False,
    )
    out.print(
        f"Simulated: {found.replicas:,} replicas ({found.units:,} {found.unit}s) answer {asked.peak_a_second:g} questions a second, "
        f"{asked.asked_at_peak:g} of them by the model.",
        markup=False,
    )
    out.print(
        f"  first word after {peak_s.first_p50:.2f} s, 95 % within {peak_s.first_p95:.2f} s; whole after {peak_s.whole_p50:.2f} s, 95 % within "
        f"{peak_s.whole_p95:.2f} s (target {asked.target_s:g} s), 99 % within {peak_s.whole_p99:.2f} s"
    )
    out.print(
        f"  each replica {peak_s.busy:.0%} busy, at most {peak_s.most_running} answers at once, {found.kv_gib:.2f} GiB of cache"
    )
    if not found.kv_fits:
        out.print(
            "  that is more cache than a replica has: answers will wait; give it more, or count fewer at once",
            style="yellow",
        )
    if one.cost:
        out.print(
            f"Cost: {found.cost_hour:,.2f} an hour, {found.cost_day:,.2f} a day, {found.cost_per_thousand:.4f} per thousand questions "
            "(as if the peak lasted all day)"
        )
