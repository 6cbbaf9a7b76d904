"""An OTLP receiver for metrics: keeps what comes, and at SIGTERM writes it as OpenMetrics with times, named as Prometheus names it.

    collect.py PORT_FILE OUT_FILE
"""

import collections
import http.server
import os
import signal
import sys
import threading

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

UNITS = {"s": "seconds", "By": "bytes", "ms": "milliseconds"}
lock = threading.Lock()
# family → (type, {series: [(time, value)]})
families = {}


def text(value):
    return str(getattr(value, value.WhichOneof("value")))


def labels_of(attributes):
    return {attribute.key.replace(".", "_"): text(attribute.value) for attribute in attributes}


def keep(family, kind, name, labels, time_ns, value):
    known, series = families.setdefault(family, (kind, collections.OrderedDict()))
    key = (name, tuple(sorted(labels.items())))
    points = series.setdefault(key, [])
    at = time_ns / 1e9
    if not points or points[-1][0] < at:
        points.append((at, value))


def take(request):
    for resource in request.resource_metrics:
        attributes = labels_of(resource.resource.attributes)
        base = {"job": attributes.get("service_name", ""), "instance": attributes.get("service_instance_id", ""),
                "parkmesh_central": attributes.get("parkmesh_central", "")}
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            family = metric.name
            unit = UNITS.get(metric.unit)
            if unit and unit not in family.split("_"):
                family += f"_{unit}"
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                labels = {**base, **labels_of(point.attributes)}
                if kind == "histogram":
                    total = 0
                    for bound, count in zip(list(point.explicit_bounds) + ["+Inf"], point.bucket_counts):
                        total += count
                        le = bound if bound == "+Inf" else repr(float(bound))
                        keep(family, "histogram", f"{family}_bucket", {**labels, "le": le}, point.time_unix_nano, total)
                    keep(family, "histogram", f"{family}_count", labels, point.time_unix_nano, point.count)
                    keep(family, "histogram", f"{family}_sum", labels, point.time_unix_nano, point.sum)
                else:
                    value = getattr(point, point.WhichOneof("value"))
                    if kind == "sum" and metric.sum.is_monotonic:
                        keep(family, "counter", f"{family}_total", labels, point.time_unix_nano, value)
                    else:
                        keep(family, "gauge", family, labels, point.time_unix_nano, value)


def write(path):
    escape = lambda value: value.replace("\\", "\\\\").replace('"', '\\"')
    with open(path, "w") as out:
        for family, (kind, series) in sorted(families.items()):
            out.write(f"# TYPE {family} {kind}\n")
            for (name, labels), points in series.items():
                inside = ",".join(f'{key}="{escape(value)}"' for key, value in labels)
                for at, value in points:
                    out.write(f"{name}{{{inside}}} {value} {at:.3f}\n")
        out.write("# EOF\n")


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/metrics":
            with lock:
                take(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    with open(sys.argv[1] + ".new", "w") as port:
        port.write(str(server.server_port))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.serve_forever()
    with lock:
        write(sys.argv[2])


main()
