"""Commands that are named and not run: do their verbs, flags and names exist?"""

import functools
import os
import re
import shlex
import subprocess

from pages import ROOT, documents, links, anchors, spans, without_blocks

BIN = os.environ.get("LAB_BIN_DIR", str(ROOT / "target/release"))


@functools.cache
def help_of(*words):
    """The help of a command, none when there is no such command."""
    done = subprocess.run([*words, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout if done.returncode == 0 else None


def subcommands(text):
    listed = re.search(r"^Commands:\n(.*?)\n\n", text + "\n\n", re.S | re.M)
    return set(re.findall(r"^  ([a-z][\w-]*)", listed[1], re.M)) if listed else set()


def clap(program, words):
    """What is wrong with a line of words for a program whose help clap writes; None when nothing is."""
    chain = [program]
    text = help_of(*chain)
    if text is None:
        return f"{program} cannot be asked for its help"
    for word in words:
        if word in ("…", "..."):
            continue
        if word.startswith("-"):
            flag = word.split("=")[0]
            if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text):
                return f"{' '.join(chain[1:])} has no {flag}"
            continue
        verbs = subcommands(text)
        if verbs and word in verbs:
            chain.append(word)
            text = help_of(*chain)
        elif verbs and len(chain) == 1:
            return f"no verb {word}"
        elif verbs and re.fullmatch(r"[a-z][a-z-]+", word) and not ("[COMMAND]" in text and "Arguments:" in text):
            return f"{' '.join(chain[1:])} has no verb {word}"
    return None


def split(code):
    return shlex.split(re.sub(r"[\[\]]", "", code), comments=True)


@functools.cache
def stages():
    """The stages of ./test, and the words they pass on."""
    script = (ROOT / "test").read_text()
    return set(re.search(r'^case "\$\{1:-all\}" in\n(.*?)^esac', script, re.S | re.M)[1].replace("|", " ").replace(")", " ").split())


def test_words(words):
    """What is wrong with `./test WORDS`."""
    if words and words[0] not in stages() | {"--help"}:
        return f"./test has no stage {words[0]}"
    sources = {"sim": "tests/sim/src", "mutations": "scripts/mutate", "fuzz": "scripts/fuzz"}
    where = ROOT / sources.get(words[0] if words else "", "test")
    known = "".join(path.read_text() for path in (where.rglob("*.rs") if where.is_dir() else [where]))
    for word in words[1:]:
        # A flag as a script reads it, or a field that clap makes one of.
        if word.startswith("--") and word not in known and not re.search(rf"\b{word[2:].replace('-', '_')}: ", known):
            return f"./test {words[0]} knows no {word}"
    return None


def script(path, words):
    """What is wrong with a call of one of our scripts: its head names its verbs."""
    file = ROOT / path
    if not (file.is_file() and os.access(file, os.X_OK)):
        return f"no program {path}"
    head = re.match(r"(?:#.*\n)+", file.read_text())
    for word in words[:1]:
        if re.fullmatch(r"[a-z-]+", word) and not re.search(rf"{re.escape(path)} +{word}\b", head[0]):
            return f"the head of {path} does not name {word}"
    return None


@functools.cache
def compose_names():
    text = (ROOT / "docker-compose.yml").read_text()
    return set(re.findall(r"(?:container_name|name): ([\w-]+)", text)) | set(re.findall(r"^  ([\w-]+):", text, re.M))


def docker(words):
    """Containers and networks that a `docker` line names."""
    for word in words:
        if re.match(r"(central-\d|parkmesh-)", word) and word not in compose_names():
            return f"docker-compose.yml has no {word}"
    return None


@functools.cache
def site():
    """A site as kubectl would apply it."""
    return subprocess.run([ROOT / "scripts/kubectl", "kustomize", ROOT / "k8s/sites/central-3"], check=True, capture_output=True, text=True).stdout


def kubectl(words):
    """Namespaces, cron jobs, containers and folders that a `kubectl` line names."""
    # What stands behind `--` runs inside the container.
    text = " ".join(words[: words.index("--")] if "--" in words else words)
    for name in re.findall(r"(?:-n|create namespace) (parkmesh-central-\d+)", text):
        if not (ROOT / "k8s/sites" / name.removeprefix("parkmesh-")).is_dir():
            return f"no site has the namespace {name}"
    for kind, name in re.findall(r"(cronjob)/([\w-]+)", text):
        if not re.search(rf"^kind: CronJob\nmetadata:\n(?:  .*\n)*?  name: {name}$", site(), re.M):
            return f"no {kind} {name} in the manifests"
    for name in re.findall(r" -c ([\w-]+)", text):
        if not re.search(rf"^ +(?:- )?name: {name}$", site(), re.M):
            return f"no container {name} in the manifests"
    for folder in re.findall(r"-k (\S+)", text):
        if not (ROOT / folder / "kustomization.yaml").is_file():
            return f"{folder} is no folder for -k"
    return None


def judge(code):
    """What is wrong with a span or a line of code; None when nothing is, or it is no command of ours."""
    if not re.match(r"(parkctl|\./lab|\./test|\./release|scripts/[\w-]+|docker|kubectl|ledger|edge-gateway|mesh|sync|nats-server) ", code + " "):
        return None
    try:
        program, *words = split(code)
    except ValueError as error:
        return str(error)
    if program == "parkctl":
        return clap(f"{BIN}/parkctl", words)
    if program == "./lab":
        return clap(f"{BIN}/lab", words)
    if program == "./test":
        return test_words(words)
    if program.startswith("scripts/"):
        return script(program, words)
    if program == "docker":
        return docker(words)
    if program == "kubectl":
        return kubectl(words)
    if program == "ledger":
        return None if words in ([], ["verify"]) else f"ledger knows no {words[0]}"
    for word in words:
        if "/" in word and not re.search(r"[A-Z]{2}|…", word) and not (ROOT / word).exists():
            return f"no file {word}"
    return None


def named():
    """Every span of code that is a command."""
    found, seen = [], 0
    for name, text in documents():
        for line, code in spans(text):
            wrong = judge(code)
            seen += bool(re.match(r"(parkctl|\./lab|\./test|scripts/|docker|kubectl) ?", code))
            if wrong:
                found.append(f"{name}:{line}: `{code}`: {wrong}")
    print(f"{seen} commands are named in text")
    if seen < 60:
        found.append("hardly any command was found: are spans still read?")
    return found


def paths():
    """Every `GET /api/…` is in the document that the gateway serves."""
    import json

    plain = lambda path: re.sub(r"\{[^}]*\}", "{}", path.replace("/api/v1/", "/api/"))
    served = {}
    for path, methods in json.loads((ROOT / "docs/openapi.json").read_text())["paths"].items():
        served.setdefault(plain(path), set()).update(method.upper() for method in methods)
    found, seen = [], 0
    for name, text in documents():
        for method, path in re.findall(r"\b(GET|POST|PUT|DELETE|PATCH) (/api/[^\s`?)…]+)", text):
            seen += 1
            path = path.rstrip(".,;:/")
            if not any(method in methods and (known == plain(path) or known.startswith(plain(path) + "/")) for known, methods in served.items()):
                found.append(f"{name}: {method} {path} is not served")
    print(f"{seen} requests are named in text")
    return found


def targets():
    """Every link leads to a file, and every anchor to a heading."""
    found, seen = [], 0
    texts = dict(documents())
    for name, text in texts.items():
        for line, target in links(text):
            seen += 1
            path, _, anchor = target.partition("#")
            file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            if not file.exists():
                found.append(f"{name}:{line}: no file {path}")
            elif anchor and anchor not in anchors(file.read_text()):
                found.append(f"{name}:{line}: no heading #{anchor} in {path or name}")
    print(f"{seen} links")
    return found


def workflows():
    """Every program of ours that a workflow calls is there, and every stage of .ci/run is in one."""
    found, text, runs = [], "", 0
    for path in sorted((ROOT / ".github/workflows").glob("*.yaml")):
        text += path.read_text()
        for line in re.findall(r"run: (.*)", path.read_text()):
            for program, word in re.findall(r"(?<![\w/])(\./[a-z]+|scripts/[\w-]+)((?: [a-z-]+)?)", line):
                runs += 1
                wrong = judge((program + word).strip())
                if wrong or not os.access(ROOT / program, os.X_OK):
                    found.append(f"{path.name}: {line}: {wrong or 'no program ' + program}")
    listed = set(re.findall(r"stage: \[(.*)\]", text)[0].split(", ")) | set(re.findall(r"\./test ([a-z]+)", text))
    found += [f"./test knows no stage {stage}" for stage in sorted(listed - stages())]
    plain = re.search(r"^  all\) (.*) ;;", (ROOT / "test").read_text(), re.M)[1].replace(";", "").split()
    wanted = set(re.findall(r"^stage \./test ([a-z]+)", (ROOT / ".ci/run").read_text(), re.M)) | set(plain) - {"deps"}
    found += [f"no workflow runs ./test {stage}" for stage in sorted(wanted - listed)]
    print(f"{runs} calls, {len(listed)} stages")
    return found
