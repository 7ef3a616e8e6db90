"""The tweets service's command line: `python -m subgraphs.tweets serve|migrate|schema|backfill`."""

import sys

from chassis.backfill.command import add_backfill
from chassis.cli import run
from subgraphs.tweets.app import MIGRATIONS, create_app, open_backfill
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
            own_commands=lambda add: add_backfill(add, "tweets", Settings.from_env, open_backfill),
        )
    )
