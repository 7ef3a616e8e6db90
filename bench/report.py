"""Write docs/performance.md and its chart from the results: `python -m bench.report`."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from bench.machine import QUIET

RESULTS = Path(__file__).with_name("results")
TEMPLATE = Path(__file__).with_name("performance.md")
DOCS = Path(__file__).parents[1] / "docs"
CHART = DOCS / "img" / "performance.svg"

_BAR = 22
_LABELS = 300
_WIDTH = 860


def main() -> None:
    found = {file.stem: json.loads(file.read_text()) for file in RESULTS.glob("*.json")}
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(chart(found["timeline"], found["chain"]))
    tables = {name.replace("-", "_"): table(row) for name, row in found.items() if "figures" in row}
    text = TEMPLATE.read_text().partition("-->\n")[2].lstrip()
    profiles = layers(found["profile-before"], found["profile"])
    machine = run(found["timeline"]["run"])
    DOCS.joinpath("performance.md").write_text(
        Template(text).substitute(
            tables,
            profile=profiles,
            machine=machine,
            growing=growth_details(found["growth"]),
            deliveries=deliveries(found["deliveries"]),
        )
    )


def table(row: Mapping[str, Any]) -> str:
    lines = seconds(row) if "seconds" in row["figures"][0] else rates(row)
    lines += ["", "| ratio | | goal |", "| --- | ---: | ---: |"]
    lines += [f"| {_claim(r)} | {r['target']} |" for r in row["ratios"]]
    return "\n".join([*lines, "", f"*{conditions(row['run'])}*"])


def _claim(ratio: Mapping[str, Any]) -> str:
    unit = ratio.get("unit", "x")
    return f"{ratio['what']} | {ratio['value']:.2f}" + (f" {unit}" if unit != "x" else "")


def seconds(row: Mapping[str, Any]) -> list[str]:
    lines = ["| | seconds |", "| --- | ---: |"]
    return lines + [f"| {one['name']} | {one['seconds']:.2f} |" for one in row["figures"]]


def rates(row: Mapping[str, Any]) -> list[str]:
    lines = [
        "| | per second | median | 99 % | processor time |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for figure in row["figures"]:
        cpu = f"{figure['cpu']:,.0f} µs" if figure["cpu"] else ""
        lines.append(
            f"| {figure['name']} | {_number(figure['rate'])} | {_time(figure['p50'])} "
            f"| {_time(figure['p99'])} | {cpu} |"
        )
    return lines


def conditions(made: Mapping[str, Any]) -> str:
    """Return how busy the machine was, and the effort of the row."""
    others = made.get("cores of others")
    if others is None:
        return "The load of other programs was not recorded: ratios are reliable, rates are not."
    used = f"other programs used {others:.2f} of {made['cores']} cores"
    reliable = "" if others < QUIET else ": ratios are reliable, rates are not"
    machine = "A quiet machine" if others < QUIET else "A busy machine"
    how = f"{made['rounds']} rounds, load by {made['load by']}, {made['took']:.0f} s in all"
    return f"{machine} ({used}){reliable}. {how}."


def growth_details(row: Mapping[str, Any]) -> str:
    """Return what the row contains beside its table."""
    memory = ", ".join(f"{name} {size} MB" for name, size in row["megabytes"].items())
    took = ", ".join(f"{name} {one:.0f} s" for name, one in row["seconds"].items())
    token = row["bytes of a known token"]
    return (
        f"Resident memory at the end: {memory}; a cached token takes {token:,} bytes. "
        f"Durations: {took}."
    )


def deliveries(row: Mapping[str, Any]) -> str:
    """Return the figures of the live feed, and those that have a goal beside the echo's."""
    burst, one = row["persons"], row["one person"]
    used, last, memory = "processor µs for each", "milliseconds to the last", "memory, KB for each"
    lines = [
        f"| {row['subscribers']:,} sockets | through Envoy | without | bare echo | from memory |",
        "| --- | ---: | ---: | ---: | ---: |",
        _delivery("a delivery, in a burst to as many persons", burst, used, "µs"),
        _delivery("a delivery, of one event to one person's devices", one, used, "µs"),
        _delivery("the same, until the last device has it", one, last, "ms"),
        _delivery("memory of an idle subscription", burst, memory, "KB"),
        *("", "| ours through Envoy, without its own share, to the echo | | goal |"),
        "| --- | ---: | ---: |",
        _beside_echo("processor time of a delivery in the burst", burst, used, 2.5),
        _beside_echo("time to the last device", one, last, 3),
        _beside_echo("memory", burst, memory, 2),
    ]
    return "\n".join([*lines, "", f"*{conditions(row['run'])}*"])


def _delivery(what: str, case: Mapping[str, Any], kind: str, unit: str) -> str:
    figures = [_shares(case[feed][kind]) for feed in ("edge", "direct", "echo", "memory")]
    cells = [f"{own:.0f} {unit}" + (f", Envoy {its:.0f}" if its else "") for own, its in figures]
    return f"| {what} | {' | '.join(cells)} |"


def _beside_echo(what: str, case: Mapping[str, Any], kind: str, goal: float) -> str:
    ours, echo = (_shares(case[feed][kind])[0] for feed in ("edge", "echo"))
    return f"| {what} | {ours / echo:.1f} | ≤ {goal:g} |"


def _shares(figure: float | Mapping[str, float]) -> tuple[float, float]:
    """Return the figure of the service and that of Envoy, or a figure of both and nothing."""
    if not isinstance(figure, Mapping):
        return figure, 0
    return sum(size for name, size in figure.items() if name != "edge"), figure.get("edge", 0)


def layers(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    lines = ["| µs of each request | before | now |", "| --- | ---: | ---: |"]
    names = sorted(before["layers"], key=lambda name: -before["layers"][name])
    lines += [f"| {n} | {before['layers'][n]} | {after['layers'].get(n, 0)} |" for n in names]
    lines.append(f"| **all** | **{before['microseconds']}** | **{after['microseconds']}** |")
    return "\n".join(lines)


def run(made: Mapping[str, Any]) -> str:
    return (
        f"{made['cores']} cores, {made['system']}, Python {made['python']}; load by "
        f"{made['load by']} over {made['connections']} connections, {made['rounds']} alternating "
        f"rounds of {made['seconds']:g} s, medians"
    )


def chart(*found: Mapping[str, Any]) -> str:
    """Return bars of requests per second, readable on white and on black; ours have a colour."""
    parts: list[str] = []
    y = 10
    for row in found:
        parts.append(f'<text x="10" y="{y + 16}" font-weight="bold">{escape(row["title"])}</text>')
        y = _bars(parts, row["figures"], y + 28) + 14
    style = "font-family='system-ui, sans-serif' font-size='13' fill='#7a8290'"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img">'
        f"<title>Requests per second</title><g {style}>{''.join(parts)}</g></svg>\n"
    )


def _bars(parts: list[str], figures: Sequence[Mapping[str, Any]], y: int) -> int:
    most = max(figure["rate"] for figure in figures)
    for figure in figures:
        width = round((_WIDTH - _LABELS - 80) * figure["rate"] / most, 1)
        ours = figure["name"] == "Chirp" or "Apollo Router" in figure["name"]
        colour = "#2f81f7" if ours or figure["name"] == "tweets alone" else "#b1b8c2"
        middle = y + _BAR - 8
        parts.append(
            f'<text x="{_LABELS - 10}" y="{middle}" text-anchor="end">{escape(figure["name"])}'
            f'</text><rect x="{_LABELS}" y="{y}" width="{width}" height="{_BAR - 6}" rx="3" '
            f'fill="{colour}"/><text x="{_LABELS + width + 8}" y="{middle}">'
            f"{_number(figure['rate'])}/s</text>"
        )
        y += _BAR
    return y


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _time(milliseconds: float) -> str:
    if milliseconds < 0.1:
        return f"{milliseconds * 1000:.1f} µs"
    return f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"


if __name__ == "__main__":
    main()
