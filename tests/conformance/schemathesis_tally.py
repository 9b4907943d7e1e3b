"""Prints how often each operation of a service answered with which status.

usage: schemathesis_tally.py SERVICE OPENAPI_URL TALLY_FILE
exit code: 0 each operation had a good answer, 1 some had none
"""

import json
import pathlib
import sys
import urllib.request

METHODS = {"delete", "get", "patch", "post", "put"}


def main(service, url, tally):
    with urllib.request.urlopen(url, timeout=30) as reply:
        paths = json.load(reply)["paths"]
    answers = json.loads(pathlib.Path(tally).read_text())
    operations = [f"{method.upper()} {path}" for path in paths for method in paths[path] if method in METHODS]
    untested = []
    for operation in operations:
        seen = sorted(answers.get(operation, {}).items())
        print(f"{service}: {operation}: {', '.join(f'{status} {times} times' for status, times in seen)}")
        if not any(status.startswith("2") for status, _ in seen):
            untested.append(operation)
    for operation in untested:
        print(f"{service}: {operation} never had a good answer")
    return 1 if untested else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
