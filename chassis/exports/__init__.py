"""The export of a person's data from every service (docs/adr/0027).

A service supplies one function, `Export` (`records`), and answers the event that requests an export
(`answering`). Request and answers are sealed (`seal`) and exchanged through Redis for as long as
the request is open (`exchange`).
"""
