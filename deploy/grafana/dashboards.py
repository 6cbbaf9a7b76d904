#!/usr/bin/env python3
"""Writes the dashboards: deploy/grafana/dashboards.py --write | --check. One file per dashboard in deploy/grafana/dashboards, fixed uids.

A panel's `may_be_empty` (kept in its description as "Empty while all is well.") is for what a healthy system does not have.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "dashboards"
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
TEMPO = {"type": "tempo", "uid": "tempo"}
LOKI = {"type": "loki", "uid": "loki"}
EMPTY = "Empty while all is well."
# With and without the version: callers use both.
ROUTE = 'route=~"/api/(v1/)?edge/barrier/open"'


def threshold(*steps):
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}


GOOD_AT_ZERO = threshold(("green", None), ("red", 1))


def words(bad, good):
    """What 0 and 1 are called."""
    option = lambda text, color, index: {"text": text, "color": color, "index": index}
    return [{"type": "value", "options": {"0": option(bad, "red", 0), "1": option(good, "green", 1)}}]


YES_NO, UP_DOWN = words("NO", "yes"), words("down", "up")


def panel(kind, title, targets, unit="short", description="", width=12, height=8, steps=None, **more):
    defaults = {"unit": unit, "thresholds": steps or threshold(("green", None)), "links": more.pop("links", [])}
    if not more.pop("signed", False):
        defaults["min"] = 0
    if more.get("mappings"):
        defaults["mappings"] = more.pop("mappings")
    if EMPTY in description:
        defaults["noValue"] = "nothing: all is well"
    if kind == "timeseries" and steps:
        # Where it gets bad is drawn, as it is in the alerts.
        defaults["custom"] = {"thresholdsStyle": {"mode": "dashed"}}
    return {
        "type": kind, "title": title, "description": description, "datasource": PROMETHEUS, "_size": (width, height),
        "targets": [
            {"refId": chr(65 + n), "datasource": PROMETHEUS, "expr": expr, "legendFormat": legend, **({"instant": True, "format": "table"} if kind == "table" else {}),
             **({"instant": True} if kind == "stat" else {})}
            for n, (expr, legend) in enumerate(targets)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": more.pop("options", {}), **more,
    }


def stat(title, expr, unit="short", steps=None, description="", width=3, **more):
    colored = steps or more.get("mappings")
    return panel("stat", title, [(expr, "")], unit, description, width, 4, steps,
                 options={"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background" if colored else "value"}, **more)


def lines(title, *targets, **more):
    return panel("timeseries", title, list(targets), options={
        "legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}, **more)


def switches(title, *targets, **more):
    """Lines that are 0 or 1."""
    made = lines(title, *targets, **more)
    made["fieldConfig"]["defaults"] |= {"max": 1, "decimals": 0, "custom": {"lineInterpolation": "stepAfter", "fillOpacity": 10}}
    return made


def late(seconds, color="red"):
    """A line where it gets bad."""
    return threshold(("green", None), (color, seconds))


# By hand and by name: what fires, the central it is about, its page in docs/RUNBOOK.md.
def firing(selector=""):
    labels = "alertname, severity, parkmesh_central, peer, job, need, edge, document, queue, reason, whose"
    made = panel("table", "What is wrong now: each alert has a section of its name in docs/RUNBOOK.md",
                 [(f'max by ({labels}) (ALERTS{{alertstate="firing"{selector}}})', "")], description=EMPTY, width=24, height=6,
                 links=[{"title": "Central", "url": "/d/parkmesh-central?var-central=${__data.fields.Central}&${__url_time_range}"}])
    names = {"alertname": "Alert", "severity": "Severity", "parkmesh_central": "Central", "peer": "Peer", "job": "Service", "need": "Lacks", "edge": "Lane",
             "document": "Document", "queue": "Queue", "reason": "Reason", "whose": "Whose"}
    made["options"] = {"sortBy": [{"displayName": "Severity", "desc": False}]}
    made["transformations"] = [{"id": "organize", "options": {
        "excludeByName": {"Time": True, "Value": True}, "renameByName": names, "indexByName": {name: n for n, name in enumerate(names)}}}]
    return made


def matrix(title, expr, unit, description, steps, **more):
    """Rows: who says it; columns: about whom."""
    made = panel("table", title, [(expr, "")], unit, description, 12, 10, steps, transformations=[
        {"id": "groupingToMatrix", "options": {"rowField": "parkmesh_central", "columnField": "peer", "valueField": "Value"}}], **more)
    made["fieldConfig"]["defaults"]["custom"] = {"align": "center", "cellOptions": {"type": "color-background"}}
    return made


def by_tempo(panel_):
    panel_["datasource"] = TEMPO
    for target in panel_["targets"]:
        target["datasource"] = TEMPO
    return panel_


def traces():
    made = panel("table", "Slowest passages", [], description="One click: lane → gateway → bus → commit → mesh → the commits of all centrals.", width=24)
    made["targets"] = [{"refId": "A", "queryType": "traceql", "tableType": "traces", "limit": 20,
                        "query": '{ resource.service.name = "edge-gateway" && name =~ "edge.barrier.*" && duration > 5ms }'}]
    return by_tempo(made)


def log_lines(title, selector):
    """What the services say, with the trace it belongs to."""
    made = panel("logs", title, [], description=EMPTY, width=24)
    made["datasource"] = LOKI
    made["options"] = {"showTime": True, "wrapLogMessage": True, "sortOrder": "Descending", "enableLogDetails": True}
    made["targets"] = [{"refId": "A", "datasource": LOKI, "queryType": "range",
                        "expr": f'{{service_name=~"edge-gateway|ledger|mesh|sync"}} | detected_level=~"warn|error|fatal"{selector}'}]
    return made


def service_map():
    made = panel("nodeGraph", "Who talks to whom", [], description="From traces: parents and children only.", width=12, height=10)
    made["targets"] = [{"refId": "A", "queryType": "serviceMap"}]
    return by_tempo(made)


# By central: who reports, and who has within the last hour.
REPORTING = 'count by (parkmesh_central) (parkmesh_uptime_seconds{job="ledger"})'
REPORTED = 'count by (parkmesh_central) (max_over_time(parkmesh_uptime_seconds{job="ledger"}[1h]))'
CENTRAL_PICK = {"name": "central", "type": "query", "datasource": PROMETHEUS, "query": "label_values(parkmesh_uptime_seconds, parkmesh_central)",
                "refresh": 2, "includeAll": False, "sort": 7}
C = 'parkmesh_central="$central"'


def latency(selector, by=""):
    q = lambda share: (f"histogram_quantile({share}, sum by (le{by}) (rate(parkmesh_gateway_request_seconds_bucket{{{selector}}}[1m])))", f"p{int(share * 100)}")
    return [q(0.5), q(0.99)]


def arrival(selector=""):
    q = lambda share: (f"histogram_quantile({share}, sum by (le) (rate(parkmesh_ledger_arrival_seconds_bucket{{{selector}}}[1m])))", f"p{int(share * 100)}")
    return [q(0.5), q(0.99)]


DASHBOARDS = {
    "fleet": ("Fleet", [], [
        stat("Centrals reporting", f"count({REPORTING})", description="A central reports when its ledger's metrics come."),
        stat("Silent", f"count({REPORTED}) - count({REPORTING})", steps=GOOD_AT_ZERO, description="Reported within the last hour, and do not now."),
        stat("Cut off", "sum(max by (parkmesh_central) (parkmesh_mesh_link_up) == bool 0)", steps=GOOD_AT_ZERO, description="See no other; their lanes go on alone."),
        stat("Links down", "sum(parkmesh_mesh_link_up == bool 0)", steps=threshold(("green", None), ("orange", 1)), description="Both ends of a link count."),
        stat("Needs not met", "sum(parkmesh_need_met == bool 0)", steps=GOOD_AT_ZERO, description="Services that lack bus, Postgres or the writer's lock."),
        stat("Not everywhere", "max(parkmesh_sync_not_everywhere_events)", steps=threshold(("green", None), ("orange", 100), ("red", 10000)), description="Events."),
        stat("Oldest of them", "max(parkmesh_sync_oldest_not_everywhere_seconds)", "s", threshold(("green", None), ("orange", 60), ("red", 900))),
        stat("Alarms", "sum(parkmesh_mesh_alarms) + sum(parkmesh_sync_alarms) + sum(parkmesh_audit_open_findings) + sum(parkmesh_audit_diverged)", steps=GOOD_AT_ZERO,
             description="GET /api/p2p/status words them."),
        firing(),
        lines("What lanes were told", ("sum by (decision, barrier) (rate(parkmesh_gateway_decisions_total[1m]))", "{{decision}}, barrier {{barrier}}"), unit="ops"),
        lines("Lane's answer", *latency(ROUTE), unit="s", steps=late(0.5), description="From the request's head to the answer's: after the commit."),
        matrix("Links: the row sees the column", "min by (parkmesh_central, peer) (parkmesh_mesh_link_up)", "short", "A row all red: that site's uplink, or it alone sees nobody.",
               threshold(("red", None), ("green", 1)), mappings=UP_DOWN),
        matrix("Lag: events the row holds and the column lacks", "max by (parkmesh_central, peer) (parkmesh_sync_peer_lacks_events)", "short",
               "0 everywhere is: all hold all.", threshold(("green", None), ("orange", 10), ("red", 1000))),
        lines("From the commit at the origin to the commit elsewhere", *arrival(), unit="s",
              description="Live events, by the clocks of both; what a link lost comes by catch-up and is not in here."),
        lines("Events received from peers, by central", ("sum by (parkmesh_central) (rate(parkmesh_mesh_events_received_total[1m]))", "{{parkmesh_central}}"), unit="ops"),
        lines("Vehicles inside", ("sum by (class) (parkmesh_ledger_inside)", "{{class}}"), description="Each central tells those that entered there, corrections included."),
        service_map(),
        traces(),
        log_lines("Warnings and errors, all centrals", ""),
    ]),
    "central": ("Central", [CENTRAL_PICK], [
        stat("Has what it needs", f"min(parkmesh_need_met{{{C}}})", steps=threshold(("red", None), ("green", 1)), mappings=YES_NO, width=4, description="Bus, Postgres, writer's lock."),
        stat("Links down", f"sum(parkmesh_mesh_link_up{{{C}}} == bool 0)", steps=GOOD_AT_ZERO, width=4),
        stat("Missing here", f"max(parkmesh_sync_missing_events{{{C}}})", steps=threshold(("green", None), ("orange", 1)), width=4, description="Events that a connected peer holds."),
        stat("Not everywhere", f"max(parkmesh_sync_not_everywhere_events{{{C}}})", steps=threshold(("green", None), ("orange", 100), ("red", 10000)), width=4,
             description="Events it holds and some other lacks."),
        stat("Database", f"sum(parkmesh_ledger_disk_bytes{{{C}}})", "bytes", width=4),
        stat("Findings", f"sum(parkmesh_audit_open_findings{{{C}}})", steps=GOOD_AT_ZERO, width=4, description="Rows that are not what was written."),
        firing(f", {C}"),
        lines("What lanes were told", (f"sum by (decision, barrier) (rate(parkmesh_gateway_decisions_total{{{C}}}[1m]))", "{{decision}}, barrier {{barrier}}"), unit="ops"),
        lines("Lane's answer", *latency(f"{ROUTE}, {C}"), unit="s", steps=late(0.5)),
        lines("Requests by status", (f"sum by (status) (rate(parkmesh_gateway_request_seconds_count{{{C}}}[1m]))", "{{status}}"), unit="ops"),
        lines("Answered without the ledger", (f"rate(parkmesh_gateway_no_ledger_total{{{C}}}[1m])", "lanes that were told so"), unit="ops", description=EMPTY + " The barrier did what the lane's on_no_ledger says."),
        switches("Links", (f"parkmesh_mesh_link_up{{{C}}}", "{{peer}}"), mappings=UP_DOWN),
        lines("Events of others: from their commit to the one here", *arrival(C), unit="s"),
        lines("Vehicles inside that entered here", (f"sum by (lot, class) (parkmesh_ledger_inside{{{C}}})", "{{lot}} {{class}}")),
        lines("Conflicts, by kind", (f"sum by (kind) (increase(parkmesh_ledger_conflicts_total{{{C}}}[5m]))", "{{kind}}"), description=EMPTY),
        switches("Lanes that are silent", (f"parkmesh_gateway_lane_silent{{{C}}}", "{{edge}}"), mappings=words("heard", "silent"), description=EMPTY),
        log_lines("Its warnings and errors", ' | parkmesh_central="$central"'),
    ]),
    "replication": ("Replication", [], [
        lines("Missing here", ("max by (parkmesh_central) (parkmesh_sync_missing_events)", "{{parkmesh_central}}"), description="Held by a connected peer."),
        lines("Held here, not everywhere", ("max by (parkmesh_central) (parkmesh_sync_not_everywhere_events)", "{{parkmesh_central}}")),
        lines("Age of the oldest of them", ("max by (parkmesh_central) (parkmesh_sync_oldest_not_everywhere_seconds)", "{{parkmesh_central}}"), unit="s", steps=late(900)),
        switches("Catch-up stands still", ("max by (parkmesh_central) (parkmesh_sync_stalled)", "{{parkmesh_central}}"), mappings=words("no", "stalled")),
        lines("Alarms", ("max by (parkmesh_central, code) (parkmesh_sync_alarms) > 0", "{{parkmesh_central}} {{code}}"),
              ("max by (parkmesh_central, code) (parkmesh_mesh_alarms) > 0", "{{parkmesh_central}} {{code}}"), description=EMPTY),
        lines("Links not let in", ("sum by (parkmesh_central, reason, dialled) (rate(parkmesh_mesh_refused_total[1m]))", "{{parkmesh_central}} {{dialled}} {{reason}}"),
              unit="ops", description=EMPTY),
        lines("Clock skew", ("parkmesh_mesh_clock_skew_seconds", "{{parkmesh_central}} sees {{peer}}"), unit="s", signed=True,
              steps=threshold(("red", None), ("orange", -5), ("green", -0.3), ("orange", 0.3), ("red", 5)), description="From 0.3 s a warning, from 5 s an alarm; above 0 the peer is ahead."),
        lines("Round trip", ("parkmesh_mesh_link_rtt_seconds", "{{parkmesh_central}} → {{peer}}"), unit="s"),
        lines("Stored by catch-up", ("sum by (parkmesh_central) (rate(parkmesh_sync_applied_events_total[1m]))", "{{parkmesh_central}}"), unit="ops"),
        lines("Sent to who asked", ("sum by (parkmesh_central) (rate(parkmesh_sync_sent_events_total[1m]))", "{{parkmesh_central}}"), unit="ops"),
        lines("Bytes of pages", ("sum by (form) (rate(parkmesh_sync_page_bytes_total[1m]))", "{{form}}"), unit="Bps", description="raw: as they are; packed: as they travelled."),
        lines("Live events sent", ("sum by (parkmesh_central) (rate(parkmesh_mesh_events_sent_total[1m]))", "{{parkmesh_central}}"), unit="ops"),
        lines("Certificates: time left", ("min by (parkmesh_central, whose) (parkmesh_mesh_certificate_expires_timestamp_seconds) - time()", "{{parkmesh_central}} {{whose}}"),
              unit="s", signed=True, steps=threshold(("red", None), ("orange", 7 * 86400), ("green", 60 * 86400)),
              description="Own, the authority's, and those of linked peers. Below 60 days a warning, below 7 an alarm."),
        lines("Dropped by full queues", ("sum by (parkmesh_central, queue) (rate(parkmesh_mesh_queue_dropped_total[1m]))", "{{parkmesh_central}} {{queue}}"),
              unit="ops", description=EMPTY + " Catch-up repairs it."),
        lines("External API: time since a good answer", ("max by (parkmesh_central, document) (parkmesh_sync_external_api_age_seconds)", "{{parkmesh_central}} {{document}}"),
              unit="s", steps=late(3600), description=EMPTY + " None where no external API is configured."),
    ]),
    "ledger": ("Ledger and Postgres", [], [
        lines("Time of a transaction, p99", ("histogram_quantile(0.99, sum by (parkmesh_central, le) (rate(parkmesh_ledger_commit_seconds_bucket[1m])))", "{{parkmesh_central}}"),
              unit="s", steps=late(0.25), description="Begin to commit of the one writer: the disk's fsync is most of it."),
        lines("Transactions", ("sum by (parkmesh_central) (rate(parkmesh_ledger_commit_seconds_count[1m]))", "{{parkmesh_central}}"), unit="ops"),
        lines("Database by what it holds", ("sum by (what) (parkmesh_ledger_disk_bytes)", "{{what}}"), unit="bytes"),
        lines("Database by central", ("sum by (parkmesh_central) (parkmesh_ledger_disk_bytes)", "{{parkmesh_central}}"), unit="bytes"),
        lines("Days until the budget is used up", ("min by (parkmesh_central) (parkmesh_ledger_disk_days_left)", "{{parkmesh_central}}"), unit="d", steps=threshold(("red", None), ("green", 30)),
              description=EMPTY + " Needs DISK_BUDGET_BYTES."),
        lines("Events per day", ("max by (parkmesh_central) (parkmesh_ledger_events_per_day)", "{{parkmesh_central}}")),
        lines("Waiting for the writer", ("sum by (parkmesh_central, queue) (parkmesh_ledger_queue_jobs)", "{{parkmesh_central}} {{queue}}"), description="Commands, live messages, pages of catch-up."),
        lines("Conflicts, by kind", ("sum by (kind) (increase(parkmesh_ledger_conflicts_total[5m]))", "{{kind}}"), description=EMPTY + " Every central counts each."),
        switches("Postgres and the writer's lock", ('min by (parkmesh_central, need) (parkmesh_need_met{job="ledger"})', "{{parkmesh_central}} {{need}}"), mappings=YES_NO),
        lines("Audit: events counted", ("max by (parkmesh_central) (parkmesh_audit_events)", "{{parkmesh_central}}")),
        lines("Audit: one pass", ("max by (parkmesh_central) (parkmesh_audit_pass_ms)", "{{parkmesh_central}}"), unit="ms"),
        lines("Audit: open findings, divergences", ("sum by (parkmesh_central) (parkmesh_audit_open_findings)", "{{parkmesh_central}} findings"),
              ("sum by (parkmesh_central) (parkmesh_audit_diverged)", "{{parkmesh_central}} diverged")),
        lines("Audit: found and repaired", ("sum(increase(parkmesh_audit_findings_total[5m]))", "found"), ("sum(increase(parkmesh_audit_repairs_total[5m]))", "repaired"), description=EMPTY),
    ]),
    "bus": ("Bus", [], [
        switches("Connected, by service", ('min by (parkmesh_central, job) (parkmesh_need_met{need="bus"})', "{{parkmesh_central}} {{job}}"), mappings=YES_NO),
        lines("Dropped by full queues", ("sum by (parkmesh_central, queue) (rate(parkmesh_mesh_queue_dropped_total[1m]))", "{{parkmesh_central}} {{queue}}"), unit="ops", description=EMPTY),
        lines("Waiting on links", ("sum by (parkmesh_central, peer) (parkmesh_mesh_queue_items)", "{{parkmesh_central}} → {{peer}}")),
        lines("Trouble with the bus", ("sum by (parkmesh_central, job, what) (increase(parkmesh_bus_trouble_total[5m]))", "{{parkmesh_central}} {{job}} {{what}}"), description=EMPTY),
        lines("Questions nobody answered in time", ("sum by (parkmesh_central) (rate(parkmesh_gateway_no_ledger_total[1m]))", "{{parkmesh_central}}"), unit="ops", description=EMPTY),
        lines("Gateway's answers, p99", ("histogram_quantile(0.99, sum by (parkmesh_central, le) (rate(parkmesh_gateway_request_seconds_bucket[1m])))", "{{parkmesh_central}}"), unit="s"),
    ]),
    "telemetry": ("Telemetry", [], [
        stat("Processes that report", "count(parkmesh_uptime_seconds)", width=6),
        stat("Youngest process", "min(parkmesh_uptime_seconds)", "s", width=6),
        lines("Reporting, by service", ("count by (job) (parkmesh_uptime_seconds)", "{{job}}")),
        lines("Uptime", ("min by (parkmesh_central, job) (parkmesh_uptime_seconds)", "{{parkmesh_central}} {{job}}"), unit="s"),
        lines("Webhooks of cameras", ("sum by (event) (rate(parkmesh_gateway_webhooks_total[5m]))", "{{event}}"), unit="ops", description=EMPTY + " None where no camera posts."),
        lines("What limits turned away", ("sum by (why) (rate(parkmesh_gateway_refused_total[5m]))", "{{why}}"), unit="ops", description=EMPTY + " docs/LIMITS.md says what each means."),
        lines("Bundles", ("sum by (outcome) (increase(parkmesh_gateway_bundles_total[1h]))", "{{outcome}}"), description=EMPTY + " None where no USB stick is used."),
    ]),
}


def dashboard(uid, title, variables, panels):
    x = y = row = 0
    placed = []
    for number, one in enumerate(panels, 1):
        width, height = one.pop("_size")
        if x + width > 24:
            x, y, row = 0, y + row, 0
        placed.append({"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}, **one})
        x, row = x + width, max(row, height)
    links = [{"type": "dashboards", "tags": ["parkmesh"], "asDropdown": False, "title": "", "includeVars": True, "keepTime": True}]
    return {"uid": f"parkmesh-{uid}", "title": f"parkmesh: {title}", "tags": ["parkmesh"], "timezone": "browser", "refresh": "10s", "schemaVersion": 39,
            "version": 1, "editable": False, "time": {"from": "now-15m", "to": "now"}, "links": links, "templating": {"list": variables}, "panels": placed}


def main():
    check = sys.argv[1:] == ["--check"]
    same = True
    for name, parts in DASHBOARDS.items():
        text = json.dumps(dashboard(name, *parts), indent=1, ensure_ascii=False) + "\n"
        path = FOLDER / f"{name}.json"
        if check:
            same &= path.exists() and path.read_text() == text
        else:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text)
    if not same:
        print("dashboards differ; run deploy/grafana/dashboards.py --write", file=sys.stderr)
    return not same


sys.exit(main())
