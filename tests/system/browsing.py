"""A real Chromium before a real Airflow: signing in, retraining from the form, and answering what it asks."""

from __future__ import annotations

import io
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.system.conftest import System

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = "no Chromium on this machine: install Debian's chromium to test the page"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic"]
PICTURES = Path(os.environ["HEARTWAVE_SCREENSHOTS"]) if "HEARTWAVE_SCREENSHOTS" in os.environ else None
"""Where pictures for the documents go, when they are wanted."""
PATIENCE_MS = 90_000.0
"""A view may take on a machine that is busy with everything else."""
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start this machine's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def sign_in(browser: Browser, system: System) -> BrowserContext:
    """Sign the administrator in to Airflow by hand, and return the browser's session."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(system.stack.airflow_url)
    page.fill("input[name=username]", "admin")
    assert system.settings.airflow_password is not None
    page.fill("input[name=password]", system.settings.airflow_password.get_secret_value())
    page.keyboard.press("Enter")
    page.get_by_text("HeartWave", exact=True).first.wait_for(timeout=60_000)
    page.close()
    return context


def keep_picture(page: Page, path: Path) -> None:
    """Take a picture of what is seen, in 256 colours, rare ones too: a third of the bytes."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)


def retrain_by_form(page: Page, system: System) -> str:
    """Fill in the retrain form, see a wrong source refused with its reason, mend it, and return the run's id."""
    system.client.wait_for_dag("retrain_models", 120)
    system.client.unpause("retrain_models")
    page.goto(f"{system.stack.airflow_url}/dags/retrain_models")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    sources = form.locator("textarea").first
    sources.fill("../x y")
    form.get_by_role("button", name="Trigger").last.click()
    expect(form).to_contain_text("does not match")
    sources.fill("")
    form.locator("[name=element_approval]").locator("xpath=ancestor-or-self::label[1]").click()
    with page.expect_response(lambda answer: answer.request.method == "POST" and answer.ok) as triggered:
        form.get_by_role("button", name="Trigger").last.click()
    answer: dict[str, Any] = triggered.value.json()
    return str(answer["dag_run_id"])


def approve_by_hand(page: Page, system: System, run_id: str, reason: str) -> None:
    """Look at the comparison that a run shows, which asks whether the challenger may become champion, and approve."""
    page.goto(f"{system.stack.airflow_url}/dags/retrain_models/runs/{quote(run_id)}/tasks/approve/required_actions")
    page.get_by_text(re.compile(r"May version \d+ become champion")).first.wait_for()
    if PICTURES is not None:
        keep_picture(page, PICTURES / "airflow-approval-wide-light.png")
    page.get_by_role("textbox").first.fill(reason)
    with page.expect_response(lambda answer: answer.request.method == "PATCH" and answer.ok):
        page.get_by_role("button", name="Approve").last.click()
