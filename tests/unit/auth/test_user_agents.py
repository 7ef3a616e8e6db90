"""Names of browsers and systems, of user agents as they are sent today."""

import pytest

from subgraphs.auth.user_agents import browser, system

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36"
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/18.1 Safari/605.1.15"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) {APPLE}"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT}"
LINUX = f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT}"
GECKO = "Gecko/20100101 Firefox/132.0"


@pytest.mark.parametrize(
    ("user_agent", "names"),
    [
        (WINDOWS, ("Chrome", "Windows")),
        (f"{WINDOWS} Edg/131.0.0.0", ("Edge", "Windows")),
        (f"{WINDOWS} OPR/115.0.0.0", ("Opera", "Windows")),
        (f"{WINDOWS} Vivaldi/7.0", ("Vivaldi", "Windows")),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) {GECKO}", ("Firefox", "Windows")),
        (f"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) {GECKO}", ("Firefox", "Linux")),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0",
            ("Firefox", "Android"),
        ),
        (f"{LINUX} Chrome/131.0.0.0 Safari/537.36", ("Chrome", "Linux")),
        (f"{LINUX} HeadlessChrome/131.0.0.0 Safari/537.36", ("Chrome", "Linux")),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36",
            ("Chrome", "ChromeOS"),
        ),
        (f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36", ("Chrome", "Android")),
        (
            f"{ANDROID} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
            ("Samsung Internet", "Android"),
        ),
        (f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36 EdgA/131.0.0.0", ("Edge", "Android")),
        (MAC, ("Safari", "macOS")),
        (f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1", ("Safari", "iOS")),
        (f"{IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", ("Chrome", "iOS")),
        (f"{IPHONE} FxiOS/132.0 Mobile/15E148 Safari/605.1.15", ("Firefox", "iOS")),
        (f"{IPHONE} Version/18.0 EdgiOS/131.0 Mobile/15E148 Safari/605.1.15", ("Edge", "iOS")),
        (
            f"Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) {APPLE} Version/12.1 Safari/604.1",
            ("Safari", "iPadOS"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
            ("Internet Explorer", "Windows"),
        ),
        ("Chirp/1.2 CFNetwork/1568.200.51 Darwin/24.1.0", (None, None)),
        ("curl/8.10.1", ("curl", None)),
        ("python-httpx/0.28.0", (None, None)),
        ("", (None, None)),
    ],
)
def test_names_of_a_user_agent(user_agent: str, names: tuple[str | None, str | None]) -> None:
    assert (browser(user_agent), system(user_agent)) == names
