#!/usr/bin/env python3
"""Writes deploy/prometheus/alerts.yaml: alerts.py --write | --check. One line per alert; each has a section of its name in docs/RUNBOOK.md."""

import pathlib
import sys

FILE = pathlib.Path(__file__).parent / "alerts.yaml"
P, W = "critical", "warning"

# name, expression, for, severity, what it says.
ALERTS = [
    ("CentralSilent", 'count by (parkmesh_central) (max_over_time(parkmesh_uptime_seconds{job="ledger"}[1h])) unless count by (parkmesh_central) (parkmesh_uptime_seconds{job="ledger"})',
     "2m", P, "{{ $labels.parkmesh_central }} has reported within the last hour and does not any more"),
    ("CentralCutOff", "max by (parkmesh_central) (parkmesh_mesh_link_up) == 0", "1m", P, "{{ $labels.parkmesh_central }} sees no other central; its lanes go on alone"),
    ("LinkDown", "parkmesh_mesh_link_up == 0 unless on (parkmesh_central) (max by (parkmesh_central) (parkmesh_mesh_link_up) == 0)", "5m", W,
     "{{ $labels.parkmesh_central }} does not see {{ $labels.peer }}"),
    ("NeedMissing", "parkmesh_need_met == 0", "1m", P, "{{ $labels.job }} of {{ $labels.parkmesh_central }} lacks {{ $labels.need }}"),
    ("AnsweredWithoutLedger", "sum by (parkmesh_central) (increase(parkmesh_gateway_no_ledger_total[5m])) > 0", "0m", P,
     "lanes of {{ $labels.parkmesh_central }} asked and nothing could be recorded"),
    ("ServiceRestarting", "count by (parkmesh_central, job) (count_over_time(parkmesh_uptime_seconds[15m])) > 3", "0m", W,
     "{{ $labels.job }} of {{ $labels.parkmesh_central }} has started more than three times in a quarter of an hour"),
    ("LaneSilent", "parkmesh_gateway_lane_silent == 1", "2m", W, "lane {{ $labels.edge }} of {{ $labels.parkmesh_central }} sends no heartbeat"),
    ("SlowLanes", 'histogram_quantile(0.99, sum by (parkmesh_central, le) (rate(parkmesh_gateway_request_seconds_bucket{route=~"/api/(v1/)?edge/barrier/open"}[5m]))) > 0.5', "5m", W,
     "one answer in a hundred at {{ $labels.parkmesh_central }} takes a lane {{ $value | humanizeDuration }}"),
    ("SlowCommits", "histogram_quantile(0.99, sum by (parkmesh_central, le) (rate(parkmesh_ledger_commit_seconds_bucket[5m]))) > 0.25", "10m", W,
     "one transaction in a hundred at {{ $labels.parkmesh_central }} takes {{ $value | humanizeDuration }}"),
    ("EventsNotEverywhere", "parkmesh_sync_oldest_not_everywhere_seconds > 900", "5m", W,
     "{{ $labels.parkmesh_central }} holds an event for {{ $value | humanizeDuration }} that not every central has"),
    ("SyncStalled", "parkmesh_sync_stalled == 1", "2m", P, "{{ $labels.parkmesh_central }} could have events and does not get them"),
    ("RangeUnavailable", 'parkmesh_sync_alarms{code="range_unavailable"} > 0', "1m", P, "{{ $labels.parkmesh_central }} knows of events that no configured central holds"),
    ("ExternalApiStale", "max by (parkmesh_central, document) (parkmesh_sync_external_api_age_seconds) > 3600", "5m", W,
     "{{ $labels.parkmesh_central }} has had no good answer for {{ $labels.document }} for {{ $value | humanizeDuration }}"),
    ("QueueDropping", "sum by (parkmesh_central, queue) (rate(parkmesh_mesh_queue_dropped_total[5m])) > 0", "10m", W,
     "the queue {{ $labels.queue }} of {{ $labels.parkmesh_central }} is full; catch-up repairs what it drops"),
    ("ClockSkew", "abs(parkmesh_mesh_clock_skew_seconds) > 0.3", "10m", W, "{{ $labels.parkmesh_central }} and {{ $labels.peer }} are {{ $value }} s apart"),
    ("ClockWrong", 'parkmesh_mesh_alarms{code="clock_wrong"} > 0', "1m", P, "a clock is more than 5 s off; {{ $labels.parkmesh_central }} says so"),
    ("CentralTwice", 'parkmesh_mesh_alarms{code="clone"} > 0', "0m", P, "{{ $labels.parkmesh_central }} sees one central twice: a copied machine"),
    ("CertificateEnds", "min by (parkmesh_central, whose) (parkmesh_mesh_certificate_expires_timestamp_seconds) - time() < 60 * 86400", "1h", W,
     "a certificate ({{ $labels.whose }}) at {{ $labels.parkmesh_central }} ends in {{ $value | humanizeDuration }}"),
    ("CertificateEndsSoon", "min by (parkmesh_central, whose) (parkmesh_mesh_certificate_expires_timestamp_seconds) - time() < 7 * 86400", "10m", P,
     "a certificate ({{ $labels.whose }}) at {{ $labels.parkmesh_central }} ends in {{ $value | humanizeDuration }}"),
    ("LinksRefused", "sum by (parkmesh_central, reason) (rate(parkmesh_mesh_refused_total[5m])) > 0", "10m", W,
     "{{ $labels.parkmesh_central }} lets somebody not in, or is not let in: {{ $labels.reason }}"),
    ("AuditFinding", "parkmesh_audit_open_findings > 0", "2m", P, "rows of {{ $labels.parkmesh_central }} are not what was written"),
    ("AuditDiverged", "parkmesh_audit_diverged > 0", "10m", P, "{{ $labels.parkmesh_central }} and a peer count other sums over the same events"),
    ("DiskBudget", "parkmesh_ledger_disk_days_left < 30", "1h", W, "the database of {{ $labels.parkmesh_central }} reaches its budget in {{ $value | humanize }} days"),
]
# On Kubernetes, from kube-state-metrics.
KUBERNETES = [
    ("BackupMissing", 'time() - max by (namespace) (kube_cronjob_status_last_successful_time{cronjob="backup"}) > 43200', "10m", P, "{{ $labels.namespace }} has no dump of the last twelve hours"),
    ("BackupDrillFailed", 'max by (namespace) (kube_job_status_failed{job_name=~"restore-drill.*"}) > 0', "0m", P, "the last drill of {{ $labels.namespace }} could not restore its dump, or it did not verify"),
]


def group(name, alerts):
    out = [f"  - name: {name}", "    rules:"]
    for alert, expr, wait, severity, summary in alerts:
        quoted = expr.replace("'", "''")
        out += [f"      - alert: {alert}", f"        expr: '{quoted}'", f"        for: {wait}", f"        labels: {{severity: {severity}}}",
                "        annotations:", f"          summary: '{summary}'", f"          runbook_url: docs/RUNBOOK.md#{alert.lower()}"]
    return out


TEXT = "\n".join(["# Written by deploy/prometheus/alerts.py; `./test telemetry` compares, and alerts_test.yaml tests.", "groups:"]
                 + group("parkmesh", ALERTS) + group("parkmesh-kubernetes", KUBERNETES)) + "\n"

if sys.argv[1:] == ["--check"]:
    sys.exit("alerts.yaml differs; run deploy/prometheus/alerts.py --write" if not FILE.exists() or FILE.read_text() != TEXT else 0)
FILE.write_text(TEXT)
