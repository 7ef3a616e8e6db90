"""Names the browser and the operating system in a `User-Agent`.

Names only, without versions: browsers report a frozen version of the system and a shortened one of
their own, and the names are what a person recognises a device by (docs/adr/0021).
"""

# The first mark that occurs names the program. Most browsers also name those they descend from, so
# a descendant stands before its ancestors.
_BROWSERS = (
    *(("Edg/", "Edge"), ("EdgA/", "Edge"), ("EdgiOS/", "Edge"), ("Edge/", "Edge")),
    *(("OPR/", "Opera"), ("OPT/", "Opera"), ("Opera", "Opera")),
    *(("SamsungBrowser/", "Samsung Internet"), ("Vivaldi/", "Vivaldi")),
    *(("DuckDuckGo/", "DuckDuckGo"), ("Ddg/", "DuckDuckGo"), ("YaBrowser/", "Yandex Browser")),
    *(("UCBrowser/", "UC Browser"), ("MiuiBrowser/", "Mi Browser"), ("Silk/", "Silk")),
    *(("FxiOS/", "Firefox"), ("Firefox/", "Firefox")),
    *(("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Chromium/", "Chrome")),
    *(("Safari/", "Safari"), ("Trident/", "Internet Explorer")),
    *(("curl/", "curl"), ("Wget/", "Wget")),
)
_SYSTEMS = (
    *(("iPhone", "iOS"), ("iPod", "iOS"), ("iPad", "iPadOS")),
    *(("Windows", "Windows"), ("Android", "Android"), ("CrOS", "ChromeOS")),
    ("Macintosh", "macOS"),
    *(("Linux", "Linux"), ("FreeBSD", "FreeBSD"), ("OpenBSD", "OpenBSD")),
)


def browser(user_agent: str) -> str | None:
    """Return the name of the browser, or of a well-known tool. None if it is not known."""
    return _first(_BROWSERS, user_agent)


def system(user_agent: str) -> str | None:
    """Return the name of the operating system. None if it is not known."""
    return _first(_SYSTEMS, user_agent)


def _first(named: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for mark, name in named if mark in user_agent), None)
