"""The tweets service's command line: `python -m subgraphs.tweets serve|migrate|schema`."""

import sys

from chassis.cli import run
from subgraphs.tweets.app import MIGRATIONS, create_app
from subgraphs.tweets.schema import build_schema
from subgraphs.tweets.settings import Settings

if __name__ == "__main__":
    sys.exit(
        run(
            "tweets",
            read_settings=Settings.from_env,
            create_app=create_app,
            build_schema=build_schema,
            migrations=MIGRATIONS,
            sockets=True,
        )
    )
