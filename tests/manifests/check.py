"""Our own rules for rendered sites: probes, limits, security contexts, policies, unique ids, symmetric peers.

    check.py FOLDER             one FOLDER/NAME.yaml per site; prints what is wrong, exit 1 if anything is
    check.py --prove FOLDER     breaks the rendered sites one way at a time, and fails when a break is not found
"""

import copy
import ipaddress
import json
import pathlib
import sys

import yaml

PROGRAMS = ["edge-gateway", "ledger", "mesh", "sync"]
SECRETS = {
    "parkmesh": {"admin-token", "plate-key", "database-url", "postgres-password", "postgres-reader-password"},
    "mesh-tls": {"ca.crt", "tls.crt", "tls.key"},
    "bus": {"nats-passwords.conf"} | {f"nats-{program}" for program in PROGRAMS},
}
# Who is given which secrets: these and no others.
HOLDS = {
    "edge-gateway": {"admin-token", "nats-edge-gateway"},
    "ledger": {"database-url", "plate-key", "nats-ledger"},
    "mesh": {"ca.crt", "tls.crt", "tls.key", "nats-mesh"},
    "sync": {"nats-sync"},
    "nats": {"nats-passwords.conf"},
    "postgres": {"postgres-password", "postgres-reader-password"},
    "backup": {"postgres-reader-password"},
    "restore-drill": {"plate-key"},
}
# Every way inside a site: who, whom, port. Nothing else may be open.
EDGES = {(program, "nats", 4222) for program in PROGRAMS} | {("ledger", "postgres", 5432), ("backup", "postgres", 5432)}
# From outside, and to outside.
FROM_OUTSIDE = {("edge-gateway", 8000), ("mesh", 9000)}
TO_OUTSIDE = {("mesh", 9000), ("sync", 443)}


def load(folder):
    return {
        path.stem: [document for document in yaml.safe_load_all(path.read_text()) if document]
        for path in sorted(pathlib.Path(folder).glob("*.yaml"))
    }


def of(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def named(documents, kind, name):
    return next((d for d in of(documents, kind) if d["metadata"]["name"] == name), None)


def pods(documents):
    """Name, labels and pod specification of everything that runs."""
    for document in of(documents, "Deployment", "StatefulSet"):
        template = document["spec"]["template"]
        yield document, template["metadata"].get("labels", {}), template["spec"]
    for document in of(documents, "CronJob"):
        template = document["spec"]["jobTemplate"]["spec"]["template"]
        yield document, template["metadata"].get("labels", {}), template["spec"]


def selects(selector, labels):
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", rule
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return True


class Findings(list):
    def need(self, holds, text):
        if not holds:
            self.append(text)


def check_pod(found, site, document, labels, spec):
    kind, name = document["kind"], document["metadata"]["name"]
    at = f"{site} {kind}/{name}"
    job = kind == "CronJob"
    context = spec.get("securityContext", {})
    found.need(context.get("runAsNonRoot") is True and context.get("runAsUser", 0) >= 999, f"{at}: may be root")
    found.need(context.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{at}: no seccomp profile")
    found.need(spec.get("automountServiceAccountToken") is False, f"{at}: mounts an account's token")
    found.need(spec.get("serviceAccountName") not in (None, "default"), f"{at}: the default account")
    for volume in spec.get("volumes", []):
        found.need("hostPath" not in volume, f"{at}: a path of the host")
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        found.need(not spec.get(field), f"{at}: {field}")
    for container in spec.get("initContainers", []) + spec["containers"]:
        here = f"{at} {container['name']}"
        own = container.get("securityContext", {})
        found.need(own.get("allowPrivilegeEscalation") is False, f"{here}: may gain privileges")
        found.need(own.get("readOnlyRootFilesystem") is True, f"{here}: writes to its image")
        found.need(own.get("capabilities") == {"drop": ["ALL"]}, f"{here}: keeps capabilities")
        resources = container.get("resources", {})
        found.need({"cpu", "memory"} <= set(resources.get("requests", {})), f"{here}: asks for nothing")
        found.need("memory" in resources.get("limits", {}), f"{here}: no memory limit")
        found.need("cpu" not in resources.get("limits", {}), f"{here}: a CPU limit throttles a lane's answer")
        image = container["image"]
        found.need(":" in image and not image.endswith(":latest"), f"{here}: image {image} is not fixed")
        for variable in container.get("env", []):
            secret = any(word in variable["name"] for word in ("PASSWORD", "TOKEN", "KEY"))
            as_file = variable["name"].endswith("_FILE") or not secret
            found.need(as_file or not variable.get("value"), f"{here}: {variable['name']} is a secret in the environment")
        if job:
            continue
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            found.need(probe in container, f"{here}: no {probe}")
        if name in PROGRAMS:
            path = lambda probe: container.get(probe, {}).get("httpGet", {}).get("path")
            found.need(path("readinessProbe") == "/readyz", f"{here}: readiness does not ask /readyz")
            found.need(path("livenessProbe") == "/livez", f"{here}: liveness must not depend on anything: /livez")
    if name in ("ledger", "sync"):
        found.need(document["spec"]["replicas"] == 1, f"{at}: there is one writer")
        found.need(document["spec"]["strategy"] == {"type": "Recreate"}, f"{at}: two at once while it rolls")


def variables(spec):
    return {v["name"]: v.get("value") for c in spec["containers"] for v in c.get("env", [])}


def check_access(found, site, documents):
    """Everybody has the secrets it needs, its own user of the bus, and a role of the database that can do no more than it must."""
    for document, _, spec in pods(documents):
        name = document["metadata"]["name"]
        at = f"{site} {document['kind']}/{name}"
        held = set()
        for volume in spec.get("volumes", []):
            for source in [volume] + volume.get("projected", {}).get("sources", []):
                held |= {item["key"] for item in source.get("secret", {}).get("items", [])}
        found.need(held == HOLDS.get(name), f"{at}: is given the secrets {sorted(held)}")
        own = variables(spec)
        if name in PROGRAMS:
            mounts = {m["name"]: m["mountPath"] for m in spec["containers"][0]["volumeMounts"]}
            wanted = f"{mounts.get('bus')}/nats-{name}"
            found.need(own.get("NATS_PASSWORD_FILE") == wanted, f"{at}: logs in to the bus with {own.get('NATS_PASSWORD_FILE')}")
            found.need("NATS_USER" not in own, f"{at}: is somebody else on the bus")
        if name == "nats":
            found.need(spec["containers"][0].get("args") == ["-c", "/etc/nats/nats.conf"], f"{at}: takes anybody")
        if name == "postgres":
            found.need(own.get("POSTGRES_USER") == "postgres" and "POSTGRES_DB" not in own, f"{at}: the ledger is a superuser")
            made = [m for m in spec["containers"][0]["volumeMounts"] if m["mountPath"] == "/docker-entrypoint-initdb.d/roles.sh"]
            found.need(made, f"{at}: nobody makes the roles")
        if name == "backup":
            found.need(own.get("PGUSER") == "parkmesh_reader", f"{at}: dumps as {own.get('PGUSER')}")
    conf = (named(documents, "ConfigMap", "nats") or {}).get("data", {}).get("nats.conf", "")
    for program in PROGRAMS:
        user = f'{{user: "{program}", password: $NATS_PASSWORD_{program.upper().replace("-", "_")}, permissions:'
        found.need(user in conf, f"{site}: the bus does not know {program}")
    roles = (named(documents, "ConfigMap", "postgres-roles") or {}).get("data", {})
    found.need(set(roles) == {"roles.sh", "ledger.sql", "reader.sql"}, f"{site}: the roles' statements are {sorted(roles)}")


def check_references(found, site, documents):
    configs = {d["metadata"]["name"]: set(d.get("data", {})) for d in of(documents, "ConfigMap")}
    claims = {d["metadata"]["name"] for d in of(documents, "PersistentVolumeClaim")}
    accounts = {d["metadata"]["name"] for d in of(documents, "ServiceAccount")}
    for document, labels, spec in pods(documents):
        at = f"{site} {document['kind']}/{document['metadata']['name']}"
        found.need(spec.get("serviceAccountName") in accounts, f"{at}: no such account")
        known = {"data"} if document["kind"] == "StatefulSet" else set()
        for volume in spec.get("volumes", []):
            known.add(volume["name"])
            for source in [volume] + volume.get("projected", {}).get("sources", []):
                if "configMap" in source:
                    found.need(source["configMap"]["name"] in configs, f"{at}: no ConfigMap {source['configMap']['name']}")
                if "secret" in source:
                    name = source["secret"].get("secretName") or source["secret"].get("name")
                    keys = {item["key"] for item in source["secret"].get("items", [])}
                    known_keys = SECRETS.get(name, {"uri"} if name == "postgres-app" else set())
                    found.need(keys and keys <= known_keys, f"{at}: Secret {name} has no {sorted(keys - known_keys)}")
                if "persistentVolumeClaim" in source:
                    claim = source["persistentVolumeClaim"]["claimName"]
                    found.need(claim in claims, f"{at}: no claim {claim}")
        for container in spec.get("initContainers", []) + spec["containers"]:
            for mount in container.get("volumeMounts", []):
                found.need(mount["name"] in known, f"{at}: no volume {mount['name']}")
            for source in container.get("envFrom", []):
                found.need(source["configMapRef"]["name"] in configs, f"{at}: no ConfigMap of variables")
    for service in of(documents, "Service"):
        at = f"{site} Service/{service['metadata']['name']}"
        chosen = [spec for _, labels, spec in pods(documents) if selects({"matchLabels": service["spec"]["selector"]}, labels)]
        found.need(len(chosen) == 1, f"{at}: selects {len(chosen)} workloads")
        ports = {port["name"] for spec in chosen for c in spec["containers"] for port in c.get("ports", [])}
        found.need(all(port["targetPort"] in ports for port in service["spec"]["ports"]), f"{at}: no such port")
    for document in of(documents, "Deployment", "StatefulSet"):
        name = document["metadata"]["name"]
        budgets = [b for b in of(documents, "PodDisruptionBudget")
                   if selects(b["spec"]["selector"], document["spec"]["template"]["metadata"]["labels"])]
        found.need([b["spec"].get("maxUnavailable") for b in budgets] == [1], f"{site} {name}: no disruption budget of 1")


def allows(policies, direction, labels, peer_labels, port):
    """Whether the policies of a pod let it talk to, or be talked to by, a pod of the site."""
    chosen = [p for p in policies if direction in p["spec"]["policyTypes"] and selects(p["spec"]["podSelector"], labels)]
    if not chosen:
        return True
    key, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    for policy in chosen:
        for rule in policy["spec"].get(key, []):
            ports = [(p["protocol"], p["port"]) for p in rule.get("ports", [])]
            if rule.get("ports") is not None and ("TCP", port) not in ports:
                continue
            sides = rule.get(side)
            if sides is None:
                return True
            for one in sides:
                if "podSelector" in one and "namespaceSelector" not in one and selects(one["podSelector"], peer_labels):
                    return True
    return False


def outside(policies, direction, labels):
    """The ports that are open to addresses outside the site."""
    key, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    ports = set()
    for policy in policies:
        if direction not in policy["spec"]["policyTypes"] or not selects(policy["spec"]["podSelector"], labels):
            continue
        for rule in policy["spec"].get(key, []):
            if rule.get(side) is None or any("ipBlock" in one for one in rule[side]):
                ports |= {port["port"] for port in rule.get("ports", [{"port": "any"}])}
    return ports


def check_network(found, site, documents):
    policies = of(documents, "NetworkPolicy")
    whole = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    found.need(any(policy["spec"] == whole for policy in policies), f"{site}: nothing is denied by default")
    labels = {}
    for _, own, _ in pods(documents):
        labels[own["app.kubernetes.io/name"]] = own
    ports = {port for _, _, port in EDGES} | {8000, 8081, 8082, 8083, 8084, 8222, 9000}
    for a in labels:
        for b in labels:
            for port in ports:
                open_ = a != b and allows(policies, "Egress", labels[a], labels[b], port) and allows(policies, "Ingress", labels[b], labels[a], port)
                if a != b:
                    wanted = (a, b, port) in EDGES
                    found.need(open_ == wanted, f"{site}: {a} → {b}:{port} is {'open' if open_ else 'closed'}")
        into = {(a, port) for port in outside(policies, "Ingress", labels[a])}
        out = {(a, port) for port in outside(policies, "Egress", labels[a])}
        found.need(into == {pair for pair in FROM_OUTSIDE if pair[0] == a}, f"{site}: {a} is reached from outside on {sorted(into)}")
        found.need(out <= {pair for pair in TO_OUTSIDE if pair[0] == a}, f"{site}: {a} may go out on {sorted(out)}")


def check_site(found, site, documents):
    namespace = of(documents, "Namespace")
    found.need(len(namespace) == 1, f"{site}: {len(namespace)} namespaces")
    levels = namespace[0]["metadata"]["labels"] if namespace else {}
    found.need(levels.get("pod-security.kubernetes.io/enforce") == "restricted", f"{site}: pod security is not restricted")
    seen = set()
    for document in documents:
        key = (document["kind"], document["metadata"]["name"])
        found.need(key not in seen, f"{site}: {key} twice")
        seen.add(key)
        if document["kind"] not in ("Namespace",):
            found.need(document["metadata"].get("namespace") == namespace[0]["metadata"]["name"], f"{site}: {key} is elsewhere")
        found.need(document["kind"] != "Secret", f"{site}: a secret among the manifests")
    for document, labels, spec in pods(documents):
        check_pod(found, site, document, labels, spec)
    check_access(found, site, documents)
    check_references(found, site, documents)
    check_network(found, site, documents)
    for name in PROGRAMS + ["nats"]:
        found.need(named(documents, "Deployment", name), f"{site}: no {name}")


def config(documents):
    return json.loads(named(documents, "ConfigMap", "p2p-config")["data"]["p2p_config.json"])


def check_mesh(found, sites):
    """Ids are unique, and whoever is named is there, at the address it says itself."""
    configs = {site: config(documents) for site, documents in sites.items()}
    this = {site: c["this_central"] for site, c in configs.items()}
    for what, values in {
        "central": [t["id"] for t in this.values()],
        "address": [t["ip"] for t in this.values()],
        "edge": [edge["id"] for t in this.values() for edge in t["edges"]],
        "camera": [camera for t in this.values() for edge in t["edges"] for camera in edge["cameras"]],
        "namespace": [of(d, "Namespace")[0]["metadata"]["name"] for d in sites.values()],
    }.items():
        doubled = sorted({value for value in values if values.count(value) > 1})
        found.need(not doubled, f"{what} used twice: {doubled}")
    where = {t["id"]: (t["ip"], t["p2p_port"]) for t in this.values()}
    for site, c in configs.items():
        own = c["this_central"]["id"]
        found.need(own == site == named(sites[site], "ConfigMap", "site")["data"]["id"], f"{site}: is called {own}")
        peers = {peer["id"]: (peer["ip"], peer["p2p_port"]) for peer in c["peer_centrals"]}
        found.need(set(peers) == set(where) - {own}, f"{site}: knows {sorted(peers)}")
        for peer, address in peers.items():
            found.need(address == where.get(peer), f"{site}: {peer} is at {where.get(peer)}, not {address}")
        # What the policies let through must hold every peer.
        policy = named(sites[site], "NetworkPolicy", "peers-and-mesh")
        blocks = [ipaddress.ip_network(one["ipBlock"]["cidr"]) for one in policy["spec"]["egress"][0]["to"]]
        for peer, (address, _) in peers.items():
            found.need(any(ipaddress.ip_address(address) in block for block in blocks), f"{site}: {peer} is behind a policy")


def check(sites):
    found = Findings()
    found.need(len(sites) == 10, f"{len(sites)} sites instead of ten")
    for site, documents in sites.items():
        check_site(found, site, documents)
    check_mesh(found, sites)
    return found


def container(sites, name, kind="Deployment"):
    return named(sites["central-4"], kind, name)["spec"]["template"]["spec"]["containers"][0]


def variable(container, name):
    return next(v for v in container["env"] if v["name"] == name)


def drop_variable(sites, name, key):
    own = container(sites, name)
    own["env"] = [v for v in own["env"] if v["name"] != key]


def give(sites, kind, name, volume, key):
    """Hands somebody one more key of the Secret that it mounts."""
    document = named(sites["central-4"], kind, name)
    spec = document["spec"]["jobTemplate"]["spec"]["template"]["spec"] if kind == "CronJob" else document["spec"]["template"]["spec"]
    next(v for v in spec["volumes"] if v["name"] == volume)["secret"]["items"].append({"key": key, "path": key})


def edit_config(sites, edit):
    data = named(sites["central-4"], "ConfigMap", "p2p-config")["data"]
    c = json.loads(data["p2p_config.json"])
    edit(c)
    data["p2p_config.json"] = json.dumps(c)


BREAKS = {
    "a probe is missing": lambda s: container(s, "mesh").pop("startupProbe"),
    "liveness asks for readiness": lambda s: container(s, "ledger")["livenessProbe"]["httpGet"].update(path="/readyz"),
    "no memory limit": lambda s: container(s, "nats")["resources"]["limits"].pop("memory"),
    "a CPU limit": lambda s: container(s, "edge-gateway")["resources"]["limits"].update(cpu="1"),
    "writes to its image": lambda s: container(s, "postgres", "StatefulSet")["securityContext"].update(readOnlyRootFilesystem=False),
    "keeps capabilities": lambda s: container(s, "sync")["securityContext"].update(capabilities={"drop": ["NET_RAW"]}),
    "an image that moves": lambda s: container(s, "sync").update(image="parkmesh/central:latest"),
    "two ledgers": lambda s: named(s["central-4"], "Deployment", "ledger")["spec"].update(replicas=2),
    "a ledger that rolls": lambda s: named(s["central-4"], "Deployment", "ledger")["spec"].update(strategy={"type": "RollingUpdate"}),
    "no budget": lambda s: s["central-4"].remove(named(s["central-4"], "PodDisruptionBudget", "mesh")),
    "no default deny": lambda s: s["central-4"].remove(named(s["central-4"], "NetworkPolicy", "default-deny")),
    "a policy too much": lambda s: named(s["central-4"], "NetworkPolicy", "postgres-from-ledger")["spec"]["ingress"][0]["from"].append({"podSelector": {}}) or
        named(s["central-4"], "NetworkPolicy", "programs-from-nats")["spec"]["egress"].append({"to": [{"podSelector": {}}]}),
    "a policy too few": lambda s: s["central-4"].remove(named(s["central-4"], "NetworkPolicy", "ledger-to-postgres")),
    "an edge twice": lambda s: edit_config(s, lambda c: c["this_central"]["edges"][0].update(id="edge-1")),
    "a peer that is missing": lambda s: edit_config(s, lambda c: c["peer_centrals"].pop()),
    "a peer at another address": lambda s: edit_config(s, lambda c: c["peer_centrals"][0].update(ip="192.168.77.1")),
    "a secret in the environment": lambda s: container(s, "edge-gateway")["env"].append({"name": "ADMIN_TOKEN", "value": "x"}),
    "a service with another's password on the bus": lambda s: give(s, "Deployment", "sync", "bus", "nats-mesh"),
    "a service without a password on the bus": lambda s: drop_variable(s, "mesh", "NATS_PASSWORD_FILE"),
    "a bus that takes anybody": lambda s: container(s, "nats").update(args=["--addr", "0.0.0.0"]),
    "a bus without one of the users": lambda s: named(s["central-4"], "ConfigMap", "nats")["data"].update({"nats.conf": "authorization {}"}),
    "the ledger's role is the superuser": lambda s: variable(container(s, "postgres", "StatefulSet"), "POSTGRES_USER").update(value="parkmesh"),
    "nobody makes the roles": lambda s: container(s, "postgres", "StatefulSet")["volumeMounts"].pop(),
    "a dump that knows the ledger's password": lambda s: give(s, "CronJob", "backup", "secrets", "postgres-password"),
    "the mesh has the database's URL": lambda s: give(s, "Deployment", "mesh", "tls", "database-url"),
    "a volume that is not there": lambda s: container(s, "mesh")["volumeMounts"].append({"name": "nothing", "mountPath": "/x"}),
    "pod security is off": lambda s: of(s["central-4"], "Namespace")[0]["metadata"]["labels"].pop("pod-security.kubernetes.io/enforce"),
}


def main():
    words = sys.argv[1:]
    prove = words[:1] == ["--prove"]
    sites = load(words[-1])
    if prove:
        missed = 0
        for name, break_ in BREAKS.items():
            broken = copy.deepcopy(sites)
            break_(broken)
            if not check(broken):
                missed += 1
                print(f"not found: {name}")
        print(f"{len(BREAKS) - missed} of {len(BREAKS)} breaks found")
        return missed > 0
    found = check(sites)
    for finding in found:
        print(finding)
    print(f"{len(sites)} sites, {sum(map(len, sites.values()))} objects, {len(found)} findings")
    return len(found) > 0


sys.exit(main())
