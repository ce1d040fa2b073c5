"""Training runs: started from a recipe, watched with their losses, cancelled, gone on with."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.client import ApiError
from ui.staff_pages import actions, formats, parts
from ui.staff_pages.desk import Desk
from ui.texts import Translate
from ui.training import Losses, TrainingRecipe, TrainingRun

POLL_S = 2.0
STATES = {
    "queued": ("gray", "schedule"),
    "running": ("blue", "model_training"),
    "done": ("green", "check_circle"),
    "failed": ("red", "error"),
    "cancelled": ("orange", "cancel"),
}
# What the trainer says that it is at; documents of a dataset have stages of their own.
STAGES = {"": "begin", "finding passages": "finding", "loading": "loading", "training": "training"}
READING = "reading"


def show(desk: Desk) -> None:
    """What can be started, and all runs."""
    t = desk.t
    parts.head(t("nav_training"), t("train_lead"))
    with desk.telling():
        recipes = desk.client.training_recipes()
        _start(desk, recipes)
        busy = any(run.open for run in desk.client.training_runs().runs)
        st.fragment(partial(_watched, desk, busy), run_every=POLL_S if busy else None)()


def _start(desk: Desk, recipes: list[TrainingRecipe]) -> None:
    t = desk.t
    about = {each.name: each.about for each in recipes}
    with st.container(border=True, key="train-start"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = list(about)
            first = names.index("demo.yaml") if "demo.yaml" in names else 0
            chosen = st.selectbox(
                t("train_recipe"), names, index=first, key="train-recipe", help=t("train_recipe_help")
            )
            started = st.button(t("train_start"), type="primary", icon=":material/play_arrow:", key="train-start-do")
        if chosen and about[chosen]:
            st.caption(formats.one_line(about[chosen], 300))
        if started and chosen:
            try:
                desk.client.start_training(chosen)
            except ApiError as exc:
                st.error(actions.problem(desk, exc))
                return
            st.rerun()


def _watched(desk: Desk, busy: bool) -> None:
    t = desk.t
    with desk.telling("watched"):
        found = desk.client.training_runs()
        if any(run.open for run in found.runs) != busy:
            # The whole page anew: it sets the clock.
            st.rerun()
        if busy and not found.trainer:
            st.warning(t("train_away"), icon=":material/hourglass_disabled:")
        if not found.runs:
            parts.empty(t("train_none_title"), t("train_none"), "model_training")
        for run in found.runs:
            _card(desk, run)


def _card(desk: Desk, run: TrainingRun) -> None:
    t = desk.t
    with st.container(border=True, key=f"train-run-{run.id}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            name = t("train_sent") if run.recipe == "sent" else formats.one_line(run.recipe, 100)
            st.markdown(f"**{name}**", width="content")
            colour, icon = STATES.get(run.state, ("gray", "help"))
            said = t(f"train_state_{run.state}") if run.state in STATES else formats.one_line(run.state)
            st.markdown(f":{colour}-badge[:material/{icon}: {said}]", width="content")
        st.caption(" · ".join(_facts(desk, run)))
        # Places of their own, empty or not: the buttons stay where they are while the page is drawn anew.
        progress, losses = st.container(), st.container()
        with progress:
            if run.state == "running":
                _progress(run, t)
            elif run.state == "failed":
                with st.container(key=f"train-why-{run.id}"):
                    st.markdown(formats.one_line(run.reason, 500))
            elif run.state == "done":
                st.markdown(t("train_made", release=formats.one_line(run.release)))
        if run.step:
            with losses:
                _losses(desk, run)
        _buttons(desk, run)


def _facts(desk: Desk, run: TrainingRun) -> list[str]:
    t = desk.t
    facts = [desk.when(moment) for moment in (run.ended_at or run.created_at,) if moment]
    if run.step:
        facts.append(t("train_steps", step=f"{run.step:,}", steps=f"{max(run.step, run.steps):,}"))
    if run.loss is not None:
        facts.append(t("train_loss", loss=f"{run.loss:.3f}"))
    if run.held_out_loss is not None:
        facts.append(t("train_held_out", loss=f"{run.held_out_loss:.3f}"))
    if run.tokens_per_second:
        facts.append(t("train_speed", n=f"{run.tokens_per_second:,.0f}"))
    return facts


def _progress(run: TrainingRun, t: Translate) -> None:
    stage = t(f"train_stage_{STAGES.get(run.stage, READING)}")
    done, total = (run.step, run.steps) if run.stage == "training" else (run.done, run.total)
    left = f" · {lasting(run.eta_s, t)}" if run.eta_s is not None and run.stage == "training" else ""
    st.progress(min(1.0, done / total) if total else 0.0, text=f"{stage}{left}")


def _losses(desk: Desk, run: TrainingRun) -> None:
    t = desk.t
    if run.state == "running":
        chart(desk.client.training_losses(run.id), t)
        return
    with st.expander(t("train_curve"), icon=":material/show_chart:", key=f"train-curve-{run.id}"):
        chart(desk.client.training_losses(run.id), t)


def chart(losses: Losses, t: Translate) -> None:
    """Both losses over the steps."""
    rows = [(each.step, each.loss, t("train_line_training")) for each in losses.training]
    rows += [(each.step, each.loss, t("train_line_held_out")) for each in losses.held_out]
    names = (t("train_axis_step"), t("train_axis_loss"), t("train_axis_line"))
    data = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
    if data:
        st.line_chart(data, x=names[0], y=names[1], color=names[2], height=320)


def _buttons(desk: Desk, run: TrainingRun) -> None:
    t = desk.t
    if run.open and st.button(t("train_cancel"), icon=":material/stop_circle:", key=f"train-cancel-{run.id}"):
        _do(desk, partial(desk.client.cancel_training, run.id))
    if run.state == "cancelled" and st.button(
        t("train_resume"), icon=":material/resume:", type="tertiary", key=f"train-resume-{run.id}"
    ):
        _do(desk, partial(desk.client.resume_training, run.id))


def _do(desk: Desk, call: partial[TrainingRun]) -> None:
    try:
        call()
    except ApiError as exc:
        # It may have ended between two looks.
        st.error(actions.problem(desk, exc))
        return
    st.rerun()


def lasting(seconds: float, t: Translate) -> str:
    """How long it will still take, in words."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return t("train_eta_soon")
    if minutes < 120:
        return formats.counted("train_eta_minute", minutes, t)
    return formats.counted("train_eta_hour", round(minutes / 60), t)
