"""The command line of tweets: `python -m subgraphs.tweets --help`."""

import sys

from chassis.cli import run
from subgraphs.tweets.app import create_app, event_handler
from subgraphs.tweets.schema import build_schema
from subgraphs.tweets.settings import Settings

if __name__ == "__main__":
    sys.exit(
        run(
            "tweets",
            read_settings=Settings.from_env,
            create_app=create_app,
            build_schema=build_schema,
            event_handler=event_handler,
        )
    )
