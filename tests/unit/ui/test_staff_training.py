"""What the page of training runs says and sends, over a scripted API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from tests.unit.ui.test_staff_pages import shown, words
from ui.staff_pages import training
from ui.staff_pages.training import lasting
from ui.texts import translator

URL = "/api/training-runs"
RECIPES = {"recipes": [{"name": "a.yaml", "about": "An *odd* one."}, {"name": "demo.yaml", "about": "Ten minutes."}]}
LOSSES = {
    "training": [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}],
    "held_out": [{"step": 2, "loss": 2.5}],
}


def run(**changed: Any) -> dict[str, Any]:
    values = {
        "id": "r1", "recipe": "demo.yaml", "state": "running", "reason": "", "release": "", "stage": "training", "done": 2,
        "total": 8, "step": 2, "steps": 8, "loss": 2.0, "held_out_loss": None, "tokens_per_second": 216.4, "eta_s": 190.0,
        "created_at": "2026-11-22T08:00:00+00:00", "started_at": None, "ended_at": None,
    }  # fmt: skip
    return values | changed


def page(*runs: dict[str, Any], trainer: bool = True, language: str = "en", seen: Any = None, **more: Any) -> AppTest:
    replies = {
        "/api/training-recipes": RECIPES,
        URL: {"runs": list(runs), "trainer": trainer},
        f"{URL}/r1/losses": LOSSES,
        **more,
    }
    return shown(training.show, replies, language, seen=seen)


def sent(seen: list[httpx.Request]) -> list[tuple[str, Any]]:
    return [(r.url.path.removeprefix(URL), json.loads(r.content or b"null")) for r in seen if r.method == "POST"]


@pytest.mark.parametrize(("language", "said"), [("en", "No runs yet"), ("zh", "还没有训练任务")])
def test_a_recipe_is_started(language: str, said: str) -> None:
    seen: list[httpx.Request] = []
    app = page(language=language, seen=seen)
    assert not app.exception
    assert said in words(app)
    # The small one is offered first.
    assert "Ten minutes." in words(app)
    app.selectbox(key="train-recipe").select("a.yaml").run()
    assert "An \\*odd\\* one." in words(app)
    app.button(key="train-start-do").click().run()
    assert sent(seen) == [("", {"recipe": "a.yaml"})]


def test_a_running_one_shows_how_far_it_is_and_its_losses() -> None:
    seen: list[httpx.Request] = []
    app = page(run(), seen=seen, **{f"{URL}/r1/cancel": run(state="cancelled")})
    assert not app.exception
    said = words(app)
    assert "Running" in said
    assert "step 2 of 8 · loss 2.000 · 216 tokens/s" in said
    assert app.get("progress")[0].proto.value == 25
    assert app.get("progress")[0].proto.text == "Training · about 3 minutes left"
    assert len(app.get("vega_lite_chart")) == 1
    app.button(key="train-cancel-r1").click().run()
    assert sent(seen) == [("/r1/cancel", None)]


def test_before_it_trains_it_says_what_it_does() -> None:
    app = page(run(stage="finding passages", done=30, total=120, step=0, loss=None, tokens_per_second=None, eta_s=None))
    assert app.get("progress")[0].proto.value == 25
    assert app.get("progress")[0].proto.text == "Finding passages for the pairs"
    assert not app.get("vega_lite_chart")
    other = page(run(stage="embedding", done=0, total=0, step=0))
    assert other.get("progress")[0].proto.text == "Reading documents"


def test_what_came_of_them_is_said() -> None:
    ended = {"ended_at": "2026-11-22T08:09:00+00:00", "eta_s": None, "stage": ""}
    seen: list[httpx.Request] = []
    app = page(
        run(id="r1", state="done", release="demo@12ab", **ended),
        run(id="r2", state="failed", reason="A *wrong* line", step=0, **ended),
        run(id="r3", state="cancelled", step=0, recipe="sent", **ended),
        seen=seen,
        **{f"{URL}/r3/resume": run(id="r3", state="queued")},
    )
    assert not app.exception
    said = words(app)
    assert "Release **demo:color[\\@]12ab** waits for its gate" in said
    assert "A \\*wrong\\* line" in said
    assert "Recipe sent over the API" in said
    assert [button.key for button in app.button] == ["train-start-do", "train-resume-r3"]
    app.button(key="train-resume-r3").click().run()
    assert sent(seen) == [("/r3/resume", None)]


@pytest.mark.parametrize(
    ("state", "trainer", "warned"), [("queued", False, True), ("queued", True, False), ("done", False, False)]
)
def test_that_nobody_trains_is_said_where_a_run_waits_for_it(state: str, trainer: bool, warned: bool) -> None:
    app = page(run(state=state, step=0), trainer=trainer)
    assert ("is not running" in words(app)) is warned


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (20, "less than a minute left"),
        (60, "about 1 minute left"),
        (7000, "about 117 minutes left"),
        (9000, "about 2 hours left"),
    ],
)
def test_how_long_it_will_take(seconds: float, said: str) -> None:
    assert lasting(seconds, translator("en")) == said
