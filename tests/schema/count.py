"""Counts what schemathesis found: an operation passes when nothing it answered was a surprise.

count.py OPENAPI REPORT…"""
import json
import sys


def paths(file):
    try:
        return json.load(open(file))
    except (OSError, ValueError) as error:
        print(f"FAILED  {file}: {error}; its log is beside it")
        print("0 passed, 1 failed")
        sys.exit(1)


document = paths(sys.argv[1])["paths"]
# Paths of a later release answer 501 and say so: the only 5xx beside 503 that is in the document.
reserved = {f"{m.upper()} {p}" for p, ops in document.items() for m, o in ops.items() if "501" in o["responses"]}
failing, tested, cases = {}, 0, 0
for file in sys.argv[2:]:
    report = paths(file)
    tested = max(tested, report["operations"]["tested"])
    cases += report["test_cases"]["generated"]
    print(f"{file}: {report['operations']['tested']} operations, {report['test_cases']['generated']} cases, seed {report['seed']}")
    for failure in report["failures"]:
        for operation in failure["operations"]:
            if failure["type"] == "ServerError" and operation in reserved:
                continue
            failing.setdefault(operation, set()).add(f"{failure['code']} {failure['title']}")
    for error in report["errors"]:
        # Bundles are bytes of a kind it cannot make up; services/edge-gateway/tests/it/bundles.rs sends them.
        if error.get("title") == "Serialization not possible" and error.get("count", 1) == 1:
            continue
        failing.setdefault(error.get("operation", "the run itself"), set()).add(json.dumps(error)[:300])
for operation, what in sorted(failing.items()):
    print(f"FAILED  {operation}: {', '.join(sorted(what))}")
print(f"{cases} cases")
print(f"{max(tested - len(failing), 0)} passed, {len(failing)} failed")
sys.exit(1 if failing or not tested else 0)
