"""Draws every dashboard as Grafana would lay it out, from a Prometheus that has a lab's data: one PNG each.

    pictures.py URL START END FOLDER [CENTRAL] [SUFFIX]

`overview.png` is the first dashboard without its traces and logs, for README.md (docs/fleet.png). Numbers and matrices show the moment END, lines the time from START to END. Panels of traces and logs are frames with their query.
"""

import datetime
import json
import math
import pathlib
import re
import sys
import textwrap
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
from matplotlib import dates, pyplot
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

ROOT = pathlib.Path(__file__).parents[2]
COLORS = {"green": "#3a9b4e", "orange": "#e08a1e", "red": "#d0342c", "yellow": "#d9b310", "blue": "#3274d9", "text": "#333333"}
UNIT_INCH = 0.52
WIDTH = 24


def scaled(value, steps):
    for size, name in steps:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    size, name = steps[-1]
    return f"{value / size:.3g} {name}"


def shown(value, unit):
    """A value as Grafana writes it in this unit."""
    if value is None or math.isnan(value):
        return "no data"
    if unit == "s":
        if value == 0:
            return "0 s"
        return scaled(value, [(86400 * 365, "years"), (86400, "days"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")])
    if unit == "ms":
        return shown(value / 1000, "s")
    if unit in ("bytes", "Bps"):
        text = "0 B" if value == 0 else scaled(value, [(2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")])
        return text + ("/s" if unit == "Bps" else "")
    if unit in ("ops", "reqps", "cps"):
        return f"{value:.3g}/s"
    if unit == "d":
        return f"{value:.3g} days"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else scaled(value, [(1e9, "bn"), (1e6, "M"), (1e3, "k"), (1, "")]).strip()


def mapped(value, defaults):
    """The word a value stands for, where the panel has one."""
    for mapping in defaults.get("mappings", []):
        word = mapping.get("options", {}).get(str(int(value)) if value == int(value) else str(value))
        if mapping.get("type") == "value" and word:
            return word.get("text")
    return None


def color_of(value, defaults):
    color = "text"
    for step in defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is None or (value is not None and value >= step["value"]):
            color = step["color"]
    return COLORS.get(color, color)


class Source:
    def __init__(self, url, start, end, central):
        self.url, self.start, self.end, self.central = url, start, end, central

    def get(self, path, **words):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(words)}") as answer:
            return json.load(answer)["data"]["result"]

    def expression(self, target):
        return target["expr"].replace("$central", self.central)

    def firing(self, expression):
        """The alerts whose expression holds at END: a database made of a recording has no `ALERTS`, and knows nothing of `for`."""
        about = re.search(r'parkmesh_central="([^"]*)"', expression)
        found = []
        text = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
        for name, expr, severity in re.findall(r"- alert: (\w+)\n +expr: '(.*)'\n +for: .*\n +labels: \{severity: (\w+)\}", text):
            for one in self.get("query", query=expr.replace("''", "'"), time=self.end):
                if not about or one["metric"].get("parkmesh_central") == about[1]:
                    found.append({"metric": {"alertname": name, "severity": severity, **one["metric"]}, "value": [self.end, "1"]})
        return found

    def now(self, target):
        if "ALERTS{" in target["expr"]:
            return self.firing(self.expression(target))
        return self.get("query", query=self.expression(target), time=self.end)

    def range(self, target):
        return self.get("query_range", query=self.expression(target), start=self.start, end=self.end, step=2)


def legend_of(target, labels):
    text = target.get("legendFormat", "")
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text or ", ".join(f"{name}={value}" for name, value in labels.items()) or "value"


def frame(axes, panel):
    axes.set_title(panel["title"], loc="left", fontsize=9, fontweight="bold", pad=4)
    description = panel.get("description", "")
    # In Grafana it opens at the title; small panels have no room for it here.
    if description and panel["gridPos"]["w"] > 6:
        axes.text(0, -0.01 if panel["type"] != "timeseries" else -0.13, "\n".join(textwrap.wrap(description, 10 * panel["gridPos"]["w"])),
                  transform=axes.transAxes, fontsize=6, color="#777777", va="top")


def nothing(axes, word="no data"):
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, word, transform=axes.transAxes, ha="center", va="center", color="#999999", fontsize=9)


def stat(axes, panel, source):
    defaults = panel["fieldConfig"]["defaults"]
    found = source.now(panel["targets"][0])
    value = float(found[0]["value"][1]) if found else None
    colored = panel["options"].get("colorMode") == "background"
    axes.set_xticks([])
    axes.set_yticks([])
    if value is None:
        nothing(axes, defaults.get("noValue", "no data"))
        return
    if colored:
        axes.set_facecolor(color_of(value, defaults))
    text = mapped(value, defaults) or shown(value, defaults["unit"])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=17, fontweight="bold", color="white" if colored else "#222222")


def timeseries(axes, panel, source):
    defaults = panel["fieldConfig"]["defaults"]
    drawn = []
    for target in panel["targets"]:
        for series in source.range(target):
            points = [(datetime.datetime.fromtimestamp(at), float(value)) for at, value in series["values"]]
            if any(not math.isnan(value) for _, value in points):
                drawn.append((legend_of(target, series["metric"]), points))
    if not drawn:
        nothing(axes, defaults.get("noValue", "no data"))
        return
    custom = defaults.get("custom", {})
    for name, points in drawn:
        style = "steps-post" if custom.get("lineInterpolation") == "stepAfter" else "default"
        axes.plot([at for at, _ in points], [value for _, value in points], linewidth=1.2, label=name, drawstyle=style, marker="." if len(points) < 3 else None)
    axes.set_xlim(datetime.datetime.fromtimestamp(source.start), datetime.datetime.fromtimestamp(source.end))
    values = [value for _, points in drawn for _, value in points if not math.isnan(value)]
    low, high = defaults.get("min", min(values)), defaults.get("max", max(values))
    steps = [step for step in defaults.get("thresholds", {}).get("steps", []) if step["value"] is not None]
    if custom.get("thresholdsStyle", {}).get("mode", "off") == "off":
        steps = []
    # A threshold far away from what is drawn stays outside, as in Grafana.
    near = [step for step in steps if abs(step["value"]) <= 3 * max(abs(low), abs(high))]
    for step in near:
        axes.axhline(step["value"], color=COLORS.get(step["color"], step["color"]), linestyle="--", linewidth=0.9)
        low, high = min(low, step["value"]), max(high, step["value"])
    if high == low:
        high = low + 1
    axes.set_ylim(bottom=low if "min" in defaults else low - (high - low) / 10, top=high + (high - low) / 10)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: mapped(value, defaults) or shown(value, defaults["unit"])))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))
    axes.tick_params(labelsize=6)
    axes.grid(color="#eeeeee")
    axes.legend(fontsize=6, loc="upper left", ncols=1 + len(drawn) // 9, framealpha=0.7)


def matrix(axes, panel, source):
    defaults = panel["fieldConfig"]["defaults"]
    options = panel["transformations"][0]["options"]
    cells = {(one["metric"][options["rowField"]], one["metric"][options["columnField"]]): float(one["value"][1]) for one in source.now(panel["targets"][0])}
    if not cells:
        nothing(axes)
        return
    natural = lambda name: (len(name), name)
    rows, columns = sorted({row for row, _ in cells}, key=natural), sorted({column for _, column in cells}, key=natural)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    for (row, column), value in cells.items():
        x, y = columns.index(column), rows.index(row)
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=color_of(value, defaults), edgecolor="white"))
        axes.text(x + 0.5, y + 0.5, mapped(value, defaults) or shown(value, defaults["unit"]), ha="center", va="center", color="white", fontsize=9)
    axes.set_xticks([n + 0.5 for n in range(len(columns))], columns, fontsize=7)
    axes.xaxis.tick_top()
    axes.set_yticks([n + 0.5 for n in range(len(rows))], rows, fontsize=7)


def table(axes, panel, source):
    nothing(axes, "")
    found = source.now(panel["targets"][0])
    if not found:
        nothing(axes, panel["fieldConfig"]["defaults"].get("noValue", "no data"))
        return
    names = next(one["options"]["renameByName"] for one in panel["transformations"] if one["id"] == "organize")
    rows = [[one["metric"].get(name, "") for name in names] for one in found]
    used = [column for column in range(len(names)) if any(row[column] for row in rows)]
    by = next((one["displayName"] for one in panel["options"].get("sortBy", [])), None)
    rows.sort(key=lambda row: row[list(names.values()).index(by)] if by else "")
    rows = [list(names.values())] + rows[:11]
    wide = [max(len(row[column]) for row in rows) for column in used]
    text = ["   ".join(row[column].ljust(size) for column, size in zip(used, wide)) for row in rows]
    axes.text(0.01, 0.95, "\n".join(text), transform=axes.transAxes, va="top", fontsize=8, family="monospace", linespacing=1.4)


def transformation(panel):
    """The name of the first one; none where there is none."""
    return next((one["id"] for one in panel.get("transformations", [])), None)


def draw(dashboard, source, path):
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    figure = pyplot.figure(figsize=(WIDTH * UNIT_INCH, (height + 1.5) * UNIT_INCH), facecolor="#f4f5f5")
    total = height + 1.5
    figure.text(0.01, 1 - 0.6 / total, dashboard["title"], fontsize=13, fontweight="bold", va="center")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        left, right = 1.3 if panel["type"] == "timeseries" or panel["gridPos"]["w"] == 12 and panel["type"] == "table" else 0.25, 0.25
        matrix_like = transformation(panel) == "groupingToMatrix"
        top, bottom = 1.5 if matrix_like else 0.9, {"timeseries": 1.1, "stat": 0.2}.get(panel["type"], 0.6)
        axes = figure.add_axes((
            (place["x"] + left) / WIDTH, (height - place["y"] - place["h"] + bottom) / total,
            (place["w"] - left - right) / WIDTH, (place["h"] - top - bottom) / total))
        frame(axes, panel)
        if panel["datasource"]["type"] != "prometheus":
            target = panel["targets"][0]
            nothing(axes, f"{panel['datasource']['type']}: {target.get('expr') or target.get('query') or target.get('queryType')}")
        elif panel["type"] == "stat":
            stat(axes, panel, source)
        elif panel["type"] == "timeseries":
            timeseries(axes, panel, source)
        elif matrix_like:
            matrix(axes, panel, source)
        else:
            table(axes, panel, source)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def overview(dashboard):
    """What fits a page: the panels before the first of traces."""
    cut = min(panel["gridPos"]["y"] for panel in dashboard["panels"] if panel["datasource"]["type"] != "prometheus")
    return {**dashboard, "panels": [panel for panel in dashboard["panels"] if panel["gridPos"]["y"] < cut]}


def main():
    url, start, end, folder, *more = sys.argv[1:]
    central, suffix = (more + ["central-3", ""][len(more):])[:2]
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        picture = pathlib.Path(folder) / f"{path.stem}{suffix}.png"
        draw(json.loads(path.read_text()), Source(url, float(start), float(end), central), picture)
        print(f"{picture} {picture.stat().st_size} bytes")
        if path.stem == "fleet" and suffix:
            draw(overview(json.loads(path.read_text())), Source(url, float(start), float(end), central), picture.with_name("overview.png"))


main()
