"""Opens a page in headless Chromium: what it logs and asks for, what it shows, how it prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


def run_chromium(page: Path, folder: Path, *options: str, timeout: float = 120) -> subprocess.CompletedProcess:
    """Open `page` with a profile of its own in `folder`."""
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=timeout, check=False)


def console_and_requests(page: Path, folder: Path, wait_ms: int = 2000) -> tuple[list[str], list[str]]:
    """Console lines, and addresses outside the file that the page asked for (not those of the browser itself)."""
    folder.mkdir()
    net_log, shot = folder / "net.json", folder / "page.png"
    options = ["--enable-logging=stderr", f"--log-net-log={net_log}", f"--screenshot={shot}", "--window-size=1280,800"]
    run = run_chromium(page, folder, *options, f"--virtual-time-budget={wait_ms}")
    assert shot.stat().st_size > 10_000
    events = json.loads(net_log.read_text(encoding="utf-8"))["events"]
    asked = [event["params"] for event in events if "url" in event.get("params", {})]
    by_page = [p["url"] for p in asked if p.get("initiator", "not an origin") != "not an origin"]
    return re.findall(r"CONSOLE.*", run.stderr), [u for u in by_page if u.startswith(("http", "ws", "ftp"))]


def evaluated(html: str, script: str, folder: Path, size: str = "1280,800", wait_ms: int = 0) -> object:
    """Value of an asynchronous JavaScript function's body, run in the page (its content policy taken away)."""
    folder.mkdir(exist_ok=True)
    html = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", html)
    probe = (
        "<script>addEventListener('load', async () => { const told = await (async () => {" + script + "})();"
        "document.body.innerHTML = '<pre id=told></pre>';"
        "document.querySelector('#told').textContent = JSON.stringify(told); });</script></body>"
    )
    page = folder / "probed.html"
    page.write_text(html.replace("</body>", probe), encoding="utf-8")
    options = [f"--window-size={size}", "--dump-dom", f"--virtual-time-budget={wait_ms or 5000}"]
    run = run_chromium(page, folder, *options)
    found = re.search(r'<pre id="told">(.*?)</pre>', run.stdout, re.DOTALL)
    assert found, run.stderr[-2000:]
    return json.loads(unescape(found.group(1)))


def _axe() -> str | None:
    """Source of axe-core, a file of the package axe-playwright-python; None without it."""
    spec = find_spec("axe_playwright_python")
    return None if spec is None else Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


AXE = _axe()
needs_axe = pytest.mark.skipif(
    AXE is None or CHROMIUM is None,
    reason="Chromium or axe-core is not installed: pip install --no-deps axe-playwright-python",
)


def what_shuts_readers_out(html: str, folder: Path, size: str) -> list:
    """What axe-core finds against WCAG 2.1 A and AA: rule and elements. Empty is good."""
    script = (
        "const found = await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']});"
        "return found.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 120))]);"
    )
    html = html.replace("</head>", f"<script>{AXE}</script></head>", 1)
    return evaluated(html, script, folder, size, wait_ms=20000)


def printed_pages(page: Path, folder: Path) -> int:
    """Number of pages when the page is printed."""
    folder.mkdir(exist_ok=True)
    pdf = folder / "page.pdf"
    run_chromium(page, folder, "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf.read_bytes()))
