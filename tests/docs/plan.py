"""What the documents' blocks need to run here, and which of them cannot. Whatever is not named here runs as it stands."""

import re
import time

# (document, beginning of the block) → why it does not run here.
NOT_HERE = {
    ("README.md", "docker compose up -d"): "sixty containers: ./test docker starts them",
    ("docs/COMPOSE.md", "tar -xf"): "needs the archive of a release: ./test docker makes, unpacks and loads one",
    ("docs/COMPOSE.md", "scripts/images pin"): "needs a registry",
    ("docs/RUNBOOK.md", "kubectl -n parkmesh-central-3 create job"): "needs a cluster; the names in it are looked up in the manifests",
    ("docs/RUNBOOK.md", "kubectl -n parkmesh-central-3 exec postgres-0"): "needs a cluster",
}

# Before a document's first block, in its shell.
BEFORE = {
    "docs/BUNDLES.md": '''
TOKEN=$ADMIN; mkdir -p stick
./lab isolate central-3
curl -s http://127.0.0.1:8001/api/edge/barrier/open -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' -d '{"edge_id": "edge-1", "plate": "51K-333.33"}'
''',
    "docs/FEES.md": "until_said ./lab external show > /dev/null\n",
    "docs/KUBERNETES.md": '''
for secret in admin-token plate-key postgres-password postgres-reader-password database-url ca.crt tls.crt tls.key; do [ -e $secret ] || echo x > $secret; done
kubectl() { command "$ROOT/scripts/kubectl" "$@" --dry-run=client -o yaml; }
''',
    "docs/performance/catch-up.md": "./lab down\n",
}
# After its last one: what must be true then.
AFTER = {
    "README.md": '''curl -s "http://127.0.0.1:8001/api/parking/history?plate=29a12345" -H "Authorization: Bearer $ADMIN" | grep -q 29A-123.45''',
    "docs/BUNDLES.md": '''
curl -s "http://127.0.0.1:8003/api/parking/history?plate=51k33333" -H "Authorization: Bearer $ADMIN" | grep -q 51K-333.33
./lab heal
''',
    "docs/LANES.md": '''
curl -s "http://127.0.0.1:8001/api/parking/history?flag=late" -H "Authorization: Bearer $ADMIN" | grep -q 30A-555.55
''',
}
# (document, beginning of the block) → what its output must hold.
SAYS = {
    ("README.md", "central()"): r'"barrier":"open"(.|\n)*29A-123\.45',
    ("docs/FEES.md", "curl -s"): r'"fee":95000',
    ("docs/LANES.md", "call $CENTRAL/api/edge/barrier/open"): r'"barrier":"open"',
    ("docs/LANES.md", "call $CENTRAL/api/edge/barrier/close"): r'"event_id":"central-1_\d+_29A98765"',
    ("docs/LANES.md", "call $CENTRAL/api/edge/batch"): r'"status":200(.|\n)*"status":200',
    ("docs/LANES.md", "curl -sN"): r'"command":"open"(.|\n)*"state":"done"',
    ("docs/SECURITY.md", "parkctl ca init"): r"central-3",
}

# Sizes for a machine that has a minute.
SMALL = {"--own 300000": "--own 500", "--others 3000000": "--others 2000"}


def offset():
    """From the documents' clock, which shows 2026-11-28 08:00:00 in Hanoi, to this machine's, ms."""
    return int(time.time() * 1000) - 1_795_827_600_000


def shifted(text, by):
    """All blocks of a document by the same offset: they name each other's times."""
    at = lambda ms: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000 + 7 * 3600)) + f".{ms % 1000:03}+07:00"
    written = r"2026-11-28T(0[78]):(\d\d):(\d\d)\.(\d{3})\+07:00"
    ms = lambda m: 1_795_827_600_000 + (int(m[1]) - 8) * 3_600_000 + int(m[2]) * 60_000 + int(m[3]) * 1000 + int(m[4])
    text = re.sub(written, lambda m: at(ms(m) + by), text)
    return re.sub(r"(?<=_)17958276(\d{5})(?=_)", lambda m: str(int("17958276" + m[1]) + by), text)


def fitted(name, body, base, by):
    """A block as it runs here: this lab's ports, small sizes, this machine's clock."""
    body = re.sub(r"127\.0\.0\.1:80(\d\d)\b", lambda m: f"127.0.0.1:{base + int(m[1])}", body)
    body = re.sub(r"http://central-(\d+):8000", lambda m: f"http://127.0.0.1:{base + int(m[1])}", body)
    for large, small in SMALL.items():
        body = body.replace(large, small)
    body = body.replace("/media/stick", "stick")
    if name == "docs/LANES.md":
        # The README's car is inside already.
        body = body.replace("KEY=…", "KEY=$KEY").replace("29A-123.4", "29A-987.6").replace("29A12345", "29A98765")
        # The stream has no end, and somebody must give the command.
        body = re.sub(r"^curl -sN (.*)$", r"commanded \1", body, flags=re.M)
        body = body.replace("commands/5d2f…/ack", "commands/$COMMAND/ack")
    return shifted(body, by)
