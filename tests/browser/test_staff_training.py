"""The page of training runs: a recipe is started, watched, cancelled and gone on with; on a phone and on a desktop."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, Running, no_wider_than_the_window
from tests.browser.test_staff import no_tracebacks
from tests.integration.test_cli_train import FACTS
from tests.integration.test_trainer import RECIPE, write_dataset
from ui.client import Client

# The trainer loads torch and the model first.
TRAINED_MS = 300_000
SOON_MS = 30_000


def test_a_run_is_started_watched_cancelled_and_gone_on_with(
    running: Running, client: Client, open_page: Any, shot: Any
) -> None:
    recipes = running.shares.parent / "home" / "recipes"
    write_dataset(recipes / "dataset", FACTS)
    for name, steps in (("endless", 200), ("short", 3)):
        text = RECIPE.replace("NAME", name).replace("STEPS", str(steps))
        (recipes / f"{name}.yaml").write_text(f"# Made for a test, {steps} steps.\n{text}")
    page = open_page(f"{running.staff}/training", DESKTOP)
    expect(page.get_by_role("heading", name="Training")).to_be_visible()
    shot(page, "staff-desktop-training-1-empty")

    def start(name: str) -> str:
        page.get_by_role("combobox", name="Recipe").click()
        page.get_by_role("option", name=f"{name}.yaml").click()
        expect(page.locator(".st-key-train-start")).to_contain_text("Made for a test")
        page.get_by_role("button", name="Start").click()
        expect(page.locator("[class*='st-key-train-run-']").first).to_contain_text(f"{name}.yaml")
        return client.training_runs().runs[0].id

    endless = start("endless")
    card = page.locator(f".st-key-train-run-{endless}")
    expect(card).to_contain_text("tokens/s", timeout=TRAINED_MS)
    expect(card.locator("canvas, svg.marks").first).to_be_visible()
    short = start("short")
    waiting = page.locator(f".st-key-train-run-{short}")
    expect(waiting).to_contain_text("Waiting")
    phone = open_page(f"{running.staff}/training", PHONE)
    expect(phone.locator(f".st-key-train-run-{endless}")).to_contain_text("tokens/s", timeout=SOON_MS)
    shot(phone, "staff-phone-training-2-running")
    assert no_wider_than_the_window(phone)
    phone.close()
    shot(page, "staff-desktop-training-2-running")
    assert no_wider_than_the_window(page)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled", timeout=SOON_MS)
    expect(waiting).to_contain_text("waits for its gate", timeout=TRAINED_MS)
    expect(waiting).to_contain_text(re.compile(r"short@\w+"))
    waiting.get_by_text("Loss curve").click()
    shot(page, "staff-desktop-training-3-done")
    card.get_by_role("button", name="Go on").click()
    expect(card).to_contain_text(re.compile("Waiting|Running"), timeout=SOON_MS)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled", timeout=SOON_MS)
    assert no_tracebacks(page)
    chinese = open_page(f"{running.staff}/training", PHONE, "zh-CN")
    expect(chinese.get_by_role("heading", name="模型训练")).to_be_visible()
    expect(chinese.get_by_role("button", name="开始训练")).to_be_visible()
    shot(chinese, "staff-phone-training-4-chinese")
    assert no_wider_than_the_window(chinese)
