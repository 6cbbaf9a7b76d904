"""Runs the documents' blocks and looks up what they name: check.py run BASE WORK | named | paths | links | workflows. Exit 1 when something is wrong."""

import os
import pathlib
import re
import subprocess
import sys

import plan
import words
from pages import ROOT, SHELL, blocks, documents, spans

LINES = {"passed": 0, "failed": 0}


def says(good, name, detail=""):
    LINES["passed" if good else "failed"] += 1
    print(f"{'ok     ' if good else 'FAILED '} {name}")
    if detail and not good:
        print("\n".join("        " + line for line in detail.splitlines()[-25:]))


def key_of(table, name, body):
    return next((key for key in table if key[0] == name and body.startswith(key[1])), None)


def only_our_words(body):
    """Lines of ./test are looked up; they would run for hours."""
    return all(line.startswith("./test") for line in body.splitlines() if line.strip())


def run(base, work):
    used = set()
    for name, text in documents():
        pieces = []
        for line, _, body in blocks(text, *SHELL):
            key = key_of(plan.NOT_HERE, name, body)
            if key:
                used.add(key)
                wrong = [w for w in map(words.judge, body.replace("\\\n", " ").splitlines()) if w]
                says(not wrong, f"{name}:{line} is looked up ({plan.NOT_HERE[key]})", "\n".join(wrong))
            elif only_our_words(body):
                wrong = [w for w in map(words.judge, body.splitlines()) if w]
                says(not wrong, f"{name}:{line} names stages and words that exist", "\n".join(wrong))
            else:
                pieces.append((line, body))
        pieces += [(line, code + "\n") for line, code in spans(text) if re.match(r"curl .*http", code)]
        if pieces:
            used |= run_document(name, pieces, base, work)
        for line, _, body in blocks(text, "python"):
            run_python(name, line, body, work)
    for table in (plan.NOT_HERE, plan.SAYS):
        for key in sorted(set(table) - used):
            says(False, f"tests/docs/plan.py names a block that is gone: {key}")


def run_document(name, pieces, base, work):
    """All blocks of a document in one shell, as a reader would paste them."""
    used, by = set(), plan.offset()
    source = (ROOT / "tests/docs/shell.sh").read_text() + plan.fitted(name, plan.BEFORE.get(name, ""), base, by)
    steps = list(pieces) + ([(0, plan.AFTER[name] + "\n")] if name in plan.AFTER else [])
    for number, (_, body) in enumerate(steps):
        source += f"\necho '@@ {number}'\n" + plan.fitted(name, body, base, by)
    source += "\necho '@@ end'\n"
    script = work / (name.replace("/", "-") + ".sh")
    script.write_text(source)
    try:
        done = subprocess.run(["bash", str(script)], cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)
        output, errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        output, errors = (late.stdout or b"").decode(), (late.stderr or b"").decode() + "\nstill running after 150 s"
    (work / (name.replace("/", "-") + ".log")).write_text(output + "\n" + errors)
    parts = re.split(r"^@@ (\w+)\n", output, flags=re.M)
    said = dict(zip(parts[1::2], parts[2::2]))
    for number, (line, body) in enumerate(steps):
        here = f"{name}:{line} runs" if line else f"{name}: what its blocks lead to"
        ended = str(number + 1) in said or (number + 1 == len(steps) and "end" in said)
        key = key_of(plan.SAYS, name, body)
        used |= {key} - {None}
        if not ended:
            reached = str(number) in said
            says(False, here, said.get(str(number), "a block before it failed") + ("\n" + errors if reached else ""))
        else:
            wanted = plan.SAYS[key] if key else ""
            says(bool(re.search(wanted, said[str(number)])), here, f"no {wanted} in:\n{said[str(number)]}")
    if not parts[1:]:
        says(False, f"{name}: before its first block", output + errors)
    return used


def run_python(name, line, body, work):
    """The lane in Python, driven: a car in and out."""
    drive = """
import random, urllib.error
central = json.load(open("target/lab/lab.json"))["centrals"][0]
plate = f"51H-{random.randrange(1000):03}.{random.randrange(100):02}"
for lane in (0, 2):
    edge = central["edges"][lane]
    told = barrier_open(central["gateway"], edge["api_key"], edge["id"], plate)
    assert told == "open", told
"""
    done = subprocess.run([sys.executable, "-c", body + drive], cwd=work, capture_output=True, text=True, timeout=60)
    says(done.returncode == 0, f"{name}:{line} drives a car in and out", done.stdout + done.stderr)


def main():
    what, *rest = sys.argv[1:]
    if what == "run":
        run(int(rest[0]), pathlib.Path(rest[1]))
        print(f"{LINES['passed']} passed, {LINES['failed']} failed")
        return LINES["failed"] > 0
    found = {"named": words.named, "paths": words.paths, "links": words.targets, "workflows": words.workflows}[what]()
    print("\n".join(found))
    return bool(found)


sys.exit(main())
