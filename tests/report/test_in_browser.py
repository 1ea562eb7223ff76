"""The page as a reader has it: slider, keyboard, dark, phone, Chinese; no message, no request."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from taut.report import write_report

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install playwright"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def full_run(make_run, nasty):
    """A run of this release: who reads what, test rows, losses by epoch, names of all kinds."""
    run = make_run(names=nasty)
    path = pd.read_parquet(run / "path.parquet")
    reads = ["1" * k + "0" * (len(nasty) - k) for k in path["inputs_kept"]]
    path.assign(inputs_read=reads, weights=50 * len(nasty)).to_parquet(run / "path.parquet")
    draw = np.random.default_rng(0)
    p = draw.uniform(size=114)
    actual = (draw.uniform(size=114) < p).astype(int)
    rows = {"row": np.arange(114), "actual": actual, "predicted": (p > 0.5).astype(int)}
    rows |= {"p_actual": np.where(actual, p, 1 - p), "p_predicted": np.maximum(p, 1 - p)}
    pd.DataFrame(rows | {"p_positive": p}).to_parquet(run / "test_rows.parquet")
    epochs = pd.DataFrame({"epoch": np.tile(np.arange(1, 41), 2), "setting": ["best", "none"] * 40})
    epochs = epochs.assign(fold=0, seed=0, train_loss=1 / epochs["epoch"], val_loss=0.3)
    epochs.to_parquet(run / "epochs.parquet")
    return run


@pytest.fixture
def opened(browser, full_run):
    """`opened(…)` opens the run's page; afterwards it has sent nothing and said nothing."""
    contexts, heard = [], []

    def go(lang="en", *, width=1100, dark=False, script=True):
        page_file = write_report(full_run, lang=lang)
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        requests = []
        page.goto(page_file.as_uri())
        assert requests == [page_file.as_uri()]
        return page

    yield go
    for context in contexts:
        context.close()
    assert heard == []


def test_the_slider_moves_losses_zeros_and_inputs_together(opened):
    page = opened()
    figure = page.locator("figure.path").first
    slider = figure.get_by_role("slider")

    def shown():
        fields = {f: figure.locator(f"[data-field={f}]").inner_text() for f in FIELDS}
        reads = figure.locator(".reads li").evaluate_all("all => all.map(e => e.className)")
        place = figure.locator(".cursor").first.get_attribute("transform")
        return fields, reads, place, slider.get_attribute("aria-valuetext")

    slider.focus()
    page.keyboard.press("Home")
    weak = shown()
    page.keyboard.press("End")
    strong = shown()
    page.keyboard.press("ArrowLeft")
    before = shown()
    assert len({place for _, _, place, _ in (weak, strong, before)}) == 3
    for name in FIELDS:
        assert weak[0][name] != strong[0][name], name
    assert set(weak[1]) == {"all"}
    assert set(strong[1]) == {"out"}
    assert weak[3].startswith("strength 0.0001: held-out loss ")
    assert page.evaluate("document.querySelectorAll('[onclick], [style]').length") == 0


FIELDS = ("strength", "held", "train", "kept", "zeros")


def test_all_of_it_is_reached_by_keyboard(opened):
    page = opened()
    summary = page.locator("#path summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#path details").first.get_attribute("open") is not None
    reached = set()
    page.locator("body").evaluate("body => body.ownerDocument.activeElement.blur()")
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"INPUT", "SUMMARY", "PRE"} <= reached


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_is_cut_off_on_a_phone(opened, lang):
    page = opened(lang, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    cut = page.evaluate(
        "[...document.querySelectorAll('pre, h1, p, figure, .drawing')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth).length"
    )
    assert cut == 0
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[lang]


def test_in_the_dark_text_is_light_and_stands_out(opened):
    page = opened(dark=True)
    colours = page.evaluate(
        "['body', '.drawing text', 'p.soft', 'summary'].map(s => "
        "{const c = getComputedStyle(document.querySelector(s));"
        " return s.includes('text') ? c.fill : c.color})"
    )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for colour in colours:
        assert contrast(colour, paper) >= 4.5, (colour, paper)


def contrast(one, other):
    """The ratio of WCAG 2."""

    def light(colour):
        parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return np.dot([0.2126, 0.7152, 0.0722], parts)

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_page_is_drawn_within_a_second_and_without_a_script(opened):
    page = opened()
    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    assert page.evaluate(timing) < 1000
    still = opened(script=False)
    assert still.locator("figure.path .drawing").first.is_visible()
    assert not still.get_by_role("slider").first.is_visible()
