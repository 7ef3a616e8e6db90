"""The explorer's command line: `python -m explorer serve`."""

import argparse
import sys

from chassis.logging import configure_logging
from chassis.server import serve
from chassis.settings import SettingsError
from chassis.shutdown import Shutdown
from explorer.app import create_app
from explorer.files import NotBuiltError
from explorer.settings import Settings


def main() -> int:
    """Return the exit status: 2 for invalid settings, 1 for a page that was not built."""
    parser = argparse.ArgumentParser(prog="python -m explorer")
    commands = parser.add_subparsers(required=True, metavar="command")
    text = "answer requests until the process is stopped"
    commands.add_parser("serve", help=text, description=text)
    parser.parse_args()
    try:
        settings = Settings.from_env()
        shutdown = Shutdown()
        app = create_app(
            shutdown, introspection=settings.introspection, trace_url=settings.trace_url
        )
    except SettingsError as error:
        print(f"explorer: {'; '.join(error.problems)}", file=sys.stderr)
        return 2
    except NotBuiltError as error:
        print(f"explorer: {error}. Build it: make explorer", file=sys.stderr)
        return 1
    configure_logging("explorer", settings.stage)
    serve(
        app,
        shutdown,
        host=settings.host,
        port=settings.port,
        notice=settings.shutdown_notice,
        sockets=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
