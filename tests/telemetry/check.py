"""Holds registry, code, dashboards, alerts and runbook against each other, and against what a lab really sent.

    check.py static [RULES]           without data; writes every expression as a rule into RULES, for promtool to parse
    check.py emitted OPENMETRICS      names and labels that were sent
    check.py panels URL START END     every panel's query on a Prometheus that has the lab's data
"""

import json
import pathlib
import re
import sys
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
REGISTRY = json.loads((ROOT / "deploy/telemetry/registry.json").read_text())["metrics"]
ALWAYS = {"job", "instance", "parkmesh_central", "le"}
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
EMPTY = "Empty while all is well."
# Alerts that the lab's run provokes: their expressions must find something in its data.
PROVOKED = ["CentralCutOff", "AnsweredWithoutLedger"]


def series():
    """Names as Prometheus has them → name in the registry."""
    return {name + suffix: name for name, metric in REGISTRY.items() for suffix in SUFFIXES[metric["type"]]}


def dashboards():
    return {path.name: json.loads(path.read_text()) for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))}


def queries():
    """Dashboard, panel, expression."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                if "expr" in target and panel["datasource"]["type"] == "prometheus":
                    yield name, panel, target["expr"].replace("$central", "central-1")


def alerts():
    text = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
    return re.findall(r"- alert: (\w+)\n +expr: '(.*)'\n", text)


def names_in(expression):
    return set(re.findall(r"\bparkmesh_[a-z_]+", re.sub(r"parkmesh_central\b", "", expression)))


def static(rules):
    found = []
    # The code and the registry name the same metrics.
    code = set()
    for path in [p for folder in ("libs", "services") for p in (ROOT / folder).rglob("src/**/*.rs")]:
        code |= set(re.findall(r'"(parkmesh_[a-z_]+)"', path.read_text()))
    found += [f"{name} is in the code and not in the registry" for name in sorted(code - set(REGISTRY))]
    found += [f"{name} is in the registry and not in the code" for name in sorted(set(REGISTRY) - code)]
    known = series()
    for where, expression in [(f"{name} '{panel['title']}'", expr) for name, panel, expr in queries()] + alerts():
        found += [f"{where}: {name} is not in the registry" for name in sorted(names_in(expression) - set(known))]
    used = {known[name] for _, _, expr in queries() for name in names_in(expr) if name in known}
    found += [f"{name} is on no dashboard" for name in sorted(set(REGISTRY) - used)]
    uids = [dashboard["uid"] for dashboard in dashboards().values()]
    found += [f"uid {uid} twice" for uid in {uid for uid in uids if uids.count(uid) > 1}]
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for part in [panel] + panel["targets"]:
                if part.get("datasource", {}).get("uid") not in ("prometheus", "tempo", "loki"):
                    found.append(f"{name} '{panel['title']}': no such data source")
    # Every alert has its section, and no section of an alert is left over.
    book = (ROOT / "docs/RUNBOOK.md").read_text()
    sections = re.findall(r"^## (\w+)$", book.split("# At a site")[0], re.M)
    named = [name for name, _ in alerts()]
    found += [f"docs/RUNBOOK.md has no section {name}" for name in named if name not in sections]
    found += [f"docs/RUNBOOK.md: no alert {name}" for name in sections if name not in named]
    if rules:
        with open(rules, "w") as out:
            out.write("groups:\n- name: panels\n  rules:\n")
            for n, (_, _, expr) in enumerate(queries()):
                out.write(f"  - record: panel_{n}\n    expr: {json.dumps(expr)}\n")
    print(f"{len(REGISTRY)} metrics, {len(list(queries()))} queries, {len(named)} alerts")
    return found


def emitted(path):
    known, seen, found = series(), {}, []
    for line in open(path):
        if line.startswith("#"):
            continue
        name, labels = re.match(r"(\w+)\{(.*)\} ", line).groups()
        seen.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    ours = {name for name in seen if name.startswith("parkmesh_")}
    for name in sorted(ours - set(known)):
        found.append(f"{name} was sent and is not in the registry")
    for name in sorted(ours & set(known)):
        extra = seen[name] - ALWAYS - set(REGISTRY[known[name]].get("labels", []))
        found += [f"{name} was sent with the label {label}" for label in sorted(extra)]
    got = {known[name] for name in ours & set(known)}
    found += [f"{name} was not sent" for name, metric in REGISTRY.items() if name not in got and "when" not in metric]
    print(f"{len(got)} of {len(REGISTRY)} metrics were sent; not: {', '.join(sorted(set(REGISTRY) - got)) or 'none'}")
    return found


def ask(url, expression, start, end):
    query = urllib.parse.urlencode({"query": expression, "start": start, "end": end, "step": 2})
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{query}") as answer:
        return json.load(answer)["data"]["result"]


def panels(url, start, end):
    found, empty = [], 0
    for name, panel, expression in queries():
        result = [one for one in ask(url, expression, start, end) if any(value != "NaN" for _, value in one["values"])]
        if not result:
            empty += 1
            if EMPTY not in panel["description"]:
                found.append(f"{name} '{panel['title']}': nothing for {expression}")
    for name, expression in alerts():
        if name in PROVOKED and not ask(url, expression, start, end):
            found.append(f"alert {name}: the lab provoked it, and its expression finds nothing")
    print(f"{len(list(queries()))} queries, {empty} empty as they may be")
    return found


def main():
    what, words = sys.argv[1], sys.argv[2:]
    found = {"static": lambda: static(words[0] if words else None), "emitted": lambda: emitted(*words), "panels": lambda: panels(*words)}[what]()
    print("\n".join(found))
    return bool(found)


sys.exit(main())
