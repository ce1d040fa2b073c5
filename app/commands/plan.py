"""frontdesk plan: how many cards or cores a load needs, what they cost, and how sure one can be of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import JsonOption, err, out, print_json, reported

if TYPE_CHECKING:
    from serving.capacity import Capacity
    from serving.capacity_inputs import Load, Measured, Training


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
    peak: Annotated[
        float | None, typer.Option(help="Questions a second in the busiest minute, no fewer than the day's mean.")
    ] = None,
    without_model: Annotated[
        float | None, typer.Option(help="Share that no model is asked for: cached, curated, refused before, quoted.")
    ] = None,
    target: Annotated[float | None, typer.Option(help="Seconds within which 95 of 100 answers are whole.")] = None,
    train_tokens: Annotated[
        float | None, typer.Option(help="Plan a training, too: tokens that it sees, each as often as it is seen.")
    ] = None,
    train_parameters: Annotated[float | None, typer.Option(help="Parameters of the model that is trained.")] = None,
    train_cards: Annotated[int | None, typer.Option(help="Cards that train; one when not given.")] = None,
    train_flops: Annotated[
        float | None,
        typer.Option(help="Floating-point operations a second that each card achieves: a part of what its maker says."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Plan capacity from what was measured and what is expected.

    Says a rule of thumb first, then what a simulation of the server's batching finds: the fewest
    replicas that keep the target at the peak, their memory and their cost. docs/operations.md has an
    example of a million questions a day.
    """
    from serving.capacity import plan as planned
    from serving.capacity_inputs import read_load, read_measured, read_training

    asked = read_load(
        load, requests_a_day=requests_a_day, peak_a_second=peak, without_model=without_model, target_s=target
    )
    training = read_training(tokens=train_tokens, parameters=train_parameters, cards=train_cards, flops=train_flops)
    one = read_measured(measured)
    with err.status("Simulating…"):
        found = planned(one, asked)
    if as_json:
        trained = training and {**training.model_dump(), "seconds": training.seconds}
        print_json({"measured": one.name, "load": asked.model_dump(), **found.as_json(), "training": trained})
        return
    _show(one, asked, found)
    if training:
        _show_training(training)


def _show(one: Measured, asked: Load, found: Capacity) -> None:
    if not found.replicas:
        out.print("No question reaches a model: no replica is needed.")
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
    # Without bytes a token there is nothing to tell of the cache.
    cache = f", {found.kv_gib:.2f} GiB of cache" if one.kv_bytes else ""
    out.print(f"  each replica {peak_s.busy:.0%} busy, at most {peak_s.most_running} answers at once{cache}")
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


def _show_training(training: Training) -> None:
    seconds = training.seconds
    limits = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
    unit_s, unit = next(((length, name) for length, name in limits if seconds >= 2 * length), (1.0, "seconds"))
    out.print(
        f"Training: {seconds / unit_s:,.1f} {unit} for {training.tokens:,.0f} tokens and {training.parameters:,.0f} parameters, "
        f"{training.cards} x {training.flops:.3g} operations a second (rule of thumb: 8 operations a token and parameter)"
    )
