"""The templates of mails."""

from pathlib import Path

from chassis.templates import Templates

render = Templates(Path(__file__).parent).render
