"""The page of training runs: a recipe is started, watched, cancelled and gone on with; on a phone and on a desktop."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, Running, no_wider_than_the_window
from tests.browser.test_staff import no_tracebacks
from tests.integration.test_cli_train import FACTS
from tests.integration.test_trainer import RECIPE, write_dataset
from ui.client import Client

# The trainer loads torch and the model first.
TRAINED_MS = 300_000


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_run_is_started_watched_cancelled_and_gone_on_with(
    size: tuple[int, int], running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    width = "phone" if size == PHONE else "desktop"
    recipes = running.shares.parent / "home" / "recipes"
    write_dataset(recipes / "dataset", FACTS)
    for name, steps in (("endless", 200), ("short", 3)):
        text = RECIPE.replace("NAME", f"{name}-{width}").replace("STEPS", str(steps))
        (recipes / f"{name}-{width}.yaml").write_text(f"# Made for a test, {steps} steps.\n{text}")
    page = open_page(f"{running.staff}/training", size)
    expect(page.get_by_role("heading", name="Training")).to_be_visible()
    shot(page, f"staff-{width}-training-1-empty")

    def start(name: str) -> str:
        page.get_by_label("Recipe").click()
        page.get_by_role("option", name=f"{name}-{width}.yaml").click()
        expect(page.locator(".st-key-train-start")).to_contain_text("Made for a test")
        page.get_by_role("button", name="Start").click()
        expect(page.locator("[class*='st-key-train-run-']").first).to_contain_text(f"{name}-{width}.yaml")
        return client.training_runs().runs[0].id

    endless = start("endless")
    card = page.locator(f".st-key-train-run-{endless}")
    expect(card).to_contain_text("tokens/s", timeout=TRAINED_MS)
    expect(card.locator("canvas, svg.marks").first).to_be_visible()
    short = start("short")
    waiting = page.locator(f".st-key-train-run-{short}")
    expect(waiting).to_contain_text("Waiting")
    page.wait_for_timeout(3000)
    shot(page, f"staff-{width}-training-2-running")
    assert no_wider_than_the_window(page)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled")
    expect(waiting).to_contain_text("waits for its gate", timeout=TRAINED_MS)
    expect(waiting).to_contain_text(re.compile(rf"short-{width}@\w+"))
    waiting.get_by_text("Loss curve").click()
    shot(page, f"staff-{width}-training-3-done")
    card.get_by_role("button", name="Go on").click()
    expect(card).to_contain_text(re.compile("Waiting|Running"))
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled")
    assert no_tracebacks(page)
    chinese = open_page(f"{running.staff}/training", size, "zh-CN")
    expect(chinese.get_by_role("heading", name="模型训练")).to_be_visible()
    expect(chinese.get_by_role("button", name="开始训练")).to_be_visible()
    shot(chinese, f"staff-{width}-training-4-chinese")
    assert no_wider_than_the_window(chinese)
