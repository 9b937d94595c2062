"""The page in Chromium, at two sizes, against the stand-in; with TRIPTYCH_PAGE_URL against a real
router, where tests that need scripted answers are left out."""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    pytest.exit(
        "tests/page needs Playwright for Python: run tests/page/install-tools", returncode=2
    )

from stand_in import StandIn  # noqa: E402

CHROMIUM = os.environ.get("TRIPTYCH_CHROMIUM", shutil.which("chromium"))
CACHE = (
    pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "triptych/page"
)
SIZES = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 320, "height": 640},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
}
REAL_URL = os.environ.get("TRIPTYCH_PAGE_URL")
TIMEOUT_MS = 60_000 if REAL_URL else 15_000

expect.set_options(timeout=TIMEOUT_MS)


def pytest_configure(config):
    if not CHROMIUM:
        pytest.exit(
            "tests/page needs chromium: run tests/page/install-tools, or set TRIPTYCH_CHROMIUM",
            returncode=2,
        )


def pytest_collection_modifyitems(config, items):
    if REAL_URL:
        scripted = [item for item in items if "stand_in" in item.fixturenames]
        config.hook.pytest_deselected(items=scripted)
        items[:] = [item for item in items if item not in scripted]


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def stand_in():
    server = StandIn()
    yield server
    server.stop()


@pytest.fixture
def url(request):
    return REAL_URL or request.getfixturevalue("stand_in").url


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture
def open_page(browser, url):
    """open_page(path="", **context options): a page of its own context, nothing may go wrong in it.

    What the browser itself writes about failed requests is expected where a test says so:
    page.expected_errors is a list of pieces of such messages."""
    opened = []

    def open_one(path="", waits_for_models=True, **options):
        context = browser.new_context(accept_downloads=True, **options)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.expected_errors, page.problems = [], []
        page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning") and page.problems.append(message.text)
            ),
        )
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        opened.append(page)
        page.goto(url + path)
        if waits_for_models:
            expect(page.locator("#model")).to_be_enabled()
        return page

    yield open_one
    for page in opened:
        unexpected = [p for p in page.problems if not any(e in p for e in page.expected_errors)]
        page.context.close()
        assert not unexpected


@pytest.fixture
def page(open_page, size):
    return open_page(**SIZES[size])


@pytest.fixture(scope="module")
def in_page(browser):
    """in_page(javascript, argument): what a function gives in the browser, the page's modules at
    hand. One page for a file of tests."""
    server = StandIn()
    page = browser.new_page()
    page.goto(server.url)
    yield page.evaluate
    page.close()
    server.stop()
