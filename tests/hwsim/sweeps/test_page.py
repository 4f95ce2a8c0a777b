"""The page of a sweep: what it holds, and in a browser what its views do when they are clicked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import hwsim
from hwsim.sweeps.report import page as pages
from hwsim.sweeps.report.page import sweep_page
from hwsim.sweeps.results import SweepResult
from tests.hwsim.sweeps.samples import OBJECTIVES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install -y chromium")
HOSTILE = "</script><img src=x onerror=alert(1)> & \"'"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    folder = tmp_path_factory.mktemp("sweep")
    tree = {
        "name": "sample",
        "description": HOSTILE,
        "models": ["digits-mlp", "gemm-64x64x64"],
        "arch": "dense-8x8",
        "space": {"arch.dense.rows": [4, 8, 16], "arch.dense.cols": [8, 16], "mapping": ["cycles", "energy"]},
        "objectives": OBJECTIVES,
        "recheck": 2,
    }
    return hwsim.sweep(tree, jobs=0, study=folder / "s.db", cache=folder / "cache")


def data_of(page: str) -> dict:
    return json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[0])


def test_the_page_holds_every_point_and_the_layers_of_the_fronts(result: SweepResult):
    data = data_of(sweep_page(result, "hwsim sweep x.yaml"))
    assert sorted(data["points"]["id"]) == sorted(result.by_id)
    assert sum(data["points"]["front"]) == sum(len(front.ids) for front in result.fronts)
    assert set(data["layers"]) == {id_ for front in result.fronts for id_ in front.ids}
    assert data["rechecked"].keys() == result.rechecked.keys()


def test_nothing_is_fetched_and_nothing_of_the_sweep_is_markup(result: SweepResult):
    page = sweep_page(result, "hwsim sweep " + HOSTILE)
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,"]
    assert "url(" not in page.split("</style>")[0]
    assert page.count("<script") == 2
    assert "<img" not in page


def test_failures_are_on_the_page(result: SweepResult):
    assert "8 × dense.depthwise_taps=7 needs that many rows" in sweep_page(result, "hwsim sweep x.yaml")


def test_of_very_many_points_those_on_fronts_are_shown(result: SweepResult, monkeypatch: pytest.MonkeyPatch):
    on_front = {id_ for front in result.fronts for id_ in front.ids}
    monkeypatch.setattr(pages, "MOST_POINTS", len(on_front) + 3)
    shown = set(data_of(sweep_page(result, "x"))["points"]["id"])
    assert on_front < shown
    assert len(shown) <= len(on_front) + 3


def browse(folder: Path, page: str) -> tuple[str, list[str]]:
    """The page's DOM when its scripts have run, and what was said on the console."""
    path = folder / "page.html"
    path.write_text(page)
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1280,1500")
    places = (f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'page.png'}", "--dump-dom")
    done = subprocess.run(
        [CHROMIUM or "chromium", *options, *places, path.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_chromium
@pytest.mark.slow
def test_chromium_draws_it_without_a_word_on_the_console(result: SweepResult, tmp_path: Path):
    dom, console = browse(tmp_path, sweep_page(result, "hwsim sweep x.yaml"))
    assert console == []
    front = result.fronts[0]
    assert f'id="chosen">{front.knee}</b>' in dom
    assert result.layers[front.knee][0]["name"] in dom
    assert (tmp_path / "page.png").stat().st_size > 40_000


CLICKS = """<script>
const seen = {};
const at = (element, x, y, kind) => {
  const box = element.getBoundingClientRect();
  element.dispatchEvent(new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + y, bubbles: true }));
};
const pick = (id, value) => { by(id).value = value; by(id).dispatchEvent(new Event("change")); };
const type = (id, value) => { by(id).value = value; by(id).dispatchEvent(new Event("input")); };
const number = () => parseInt(by("shown").textContent.replaceAll(",", ""), 10);
seen.begin = number();
// A click on a dot of the scatter chooses its point, in every view.
const [x, y, i] = dots.find(([, , i]) => points.front[i] && points.id[i] !== state.chosen);
at(by("scatter"), x, y, "click");
seen.dot = [points.id[i], by("chosen").textContent];
// A figure against itself: one point is best.
const line = by("scatter").dataset.line;
pick("y", fields.findIndex((f) => f.column === "latency_us"));
seen.line = [line, by("scatter").dataset.line, state.y.column];
// A cell of the heat map chooses its best point.
const cell = document.querySelector("#heat td[data-id]");
cell.click();
seen.cell = [cell.dataset.id, by("chosen").textContent, document.querySelectorAll("#heat td.chosen").length];
// A limit leaves fewer points.
const least = Math.min(...shown.map((i) => points.latency_us[i]).filter((v) => v !== null));
type("limit-latency_us", least);
seen.limited = [number(), shown.every((i) => points.latency_us[i] <= least)];
by("clear").click();
seen.cleared = number();
// Dragging over the upper half of an axis leaves the points there.
const { at: place, top: upper, bottom } = drawParallel.geometry;
const axis = axes.findIndex((f) => f.short === "rows");
at(by("parallel"), place(axis), upper, "pointerdown");
at(by("parallel"), place(axis), upper + 0.1 * (bottom - upper), "pointerup");
seen.dragged = [...new Set(shown.map((i) => column(axes[axis])[i]))];
at(by("parallel"), place(axis), upper, "pointerdown");
at(by("parallel"), place(axis), upper, "pointerup");
seen.released = number();
// All models, or another.
pick("model", "");
seen.all = number();
pick("model", "gemm-64x64x64");
seen.models = [...new Set(shown.map((i) => points.model[i]))];
seen.layers = document.querySelectorAll("table.layers tbody tr").length;
document.title = JSON.stringify(seen);
</script></body>"""


@needs_chromium
@pytest.mark.slow
def test_clicks_are_seen_in_every_view(result: SweepResult, tmp_path: Path):
    page = sweep_page(result, "hwsim sweep x.yaml")
    # The policy would stop the test's own script.
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page).replace("</body>", CLICKS)
    dom, console = browse(tmp_path, page)
    assert console == []
    seen = json.loads(re.findall(r"<title>(.*?)</title>", dom)[0].replace("&quot;", '"'))
    assert seen["begin"] == seen["cleared"] == seen["released"] == 12
    assert seen["dot"][0] == seen["dot"][1]
    assert seen["line"][2] == "latency_us"
    assert seen["line"][0] != seen["line"][1]
    assert seen["cell"][0] == seen["cell"][1]
    assert seen["cell"][2] >= 1
    assert 1 <= seen["limited"][0] < 12
    assert seen["limited"][1] is True
    assert seen["dragged"] == [16]
    assert seen["all"] == 24
    assert seen["models"] == ["gemm-64x64x64"]
    assert seen["layers"] >= 1
