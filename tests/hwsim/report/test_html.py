"""The page: complete, self-contained, and inert whatever the layers are called."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hwsim.report.html import estimate_page, simulation_page
from tests.hwsim.report.samples import HOSTILE, estimate, simulation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install -y chromium")


class Seen(HTMLParser):
    """Elements with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def test_the_page_shows_every_layer_and_the_totals():
    text = " ".join(Seen(estimate_page(estimate())).text)
    for figure in ("conv1", "classifier", "190", "net on dense-8x8", "softmax (Softmax)", "horowitz-45nm", "Roofline"):
        assert figure in text


def test_nothing_is_fetched():
    page = Seen(estimate_page(estimate(*HOSTILE)))
    links = {value for _, attributes in page.elements for key, value in attributes.items() if key in {"src", "href"}}
    assert links == {"data:,"}
    styles = re.findall(r"<style>(.*?)</style>", estimate_page(estimate()), re.DOTALL)
    assert len(styles) == 1
    assert "url(" not in styles[0]
    assert "@import" not in styles[0]


def test_hostile_names_add_no_element_and_no_attribute():
    plain, hostile = Seen(estimate_page(estimate(*"abcdefgh"))), Seen(estimate_page(estimate(*HOSTILE)))
    assert [tag for tag, _ in hostile.elements if tag != "text"] == [tag for tag, _ in plain.elements if tag != "text"]
    assert not any(key.startswith("on") for _, attributes in hostile.elements for key in attributes)
    assert hostile.count("script") == 1


def test_a_page_without_energy_has_no_energy():
    assert "energy" not in " ".join(Seen(estimate_page(estimate(energy=False))).text).lower()


def test_a_page_of_no_layers_is_a_page():
    given = estimate()
    empty = type(given)(**{**{f: getattr(given, f) for f in given.__slots__}, "layers": (), "cycles": 0})
    assert "0 cycles" in " ".join(Seen(estimate_page(empty)).text)


@pytest.mark.parametrize(("wrong", "verdict"), [(0, "RTL agrees"), (3, "RTL differs: 3 of 300 bytes")])
def test_a_run_says_whether_the_hardware_agrees(wrong: int, verdict: str):
    page = Seen(simulation_page(simulation(estimate(), wrong_bytes=wrong)))
    assert verdict in " ".join(page.text)
    assert any("wrong" in (attributes.get("class") or "").split() for _, attributes in page.elements) == bool(wrong)


def browse(folder: Path, page: str) -> tuple[str, list[str]]:
    """The page's DOM when its scripts have run, and what was said on the console."""
    path = folder / "page.html"
    path.write_text(page)
    done = subprocess.run(
        [
            *(CHROMIUM or "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *(
                "--window-size=1200,1400",
                f"--user-data-dir={folder / 'profile'}",
                f"--screenshot={folder / 'page.png'}",
            ),
            *("--dump-dom", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@needs_chromium
@pytest.mark.slow
def test_chromium_renders_it_without_a_word_on_the_console(tmp_path: Path):
    dom, console = browse(tmp_path, simulation_page(simulation(estimate())))
    assert console == []
    assert "Cycles against ideal" in dom
    assert (tmp_path / "page.png").stat().st_size > 20_000


@needs_chromium
@pytest.mark.slow
def test_chromium_runs_nothing_that_a_name_says(tmp_path: Path):
    dom, console = browse(tmp_path, estimate_page(estimate(*HOSTILE)))
    assert console == []
    assert "<title>net on dense-8x8</title>" in dom
    assert not {"img", "h6"} & {tag for tag, _ in Seen(dom).elements}


@needs_chromium
@pytest.mark.slow
def test_the_policy_stops_a_script_that_is_not_ours(tmp_path: Path):
    page = estimate_page(estimate()).replace("</main>", "<script>document.title='owned'</script></main>")
    dom, console = browse(tmp_path, page)
    assert "<title>net on dense-8x8</title>" in dom
    assert any("Content Security Policy" in line for line in console)


@needs_chromium
@pytest.mark.slow
def test_a_click_on_a_head_sorts(tmp_path: Path):
    # The policy would stop the test's own script.
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", estimate_page(estimate()))
    clicks = """<script>
      const order = (n) => { document.querySelectorAll("th button")[n].click();
        return [...document.querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent).join(""); };
      document.title = [order(4), order(4), order(1)].join(" ");
    </script></body>"""
    dom, console = browse(tmp_path, page.replace("</body>", clicks))
    assert console == []
    # Cycles 110, 50, 30: falling, rising; then names.
    assert "<title>012 210 201</title>" in dom
