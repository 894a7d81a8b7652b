"""Runs a sample of the documentation for a test: see ../node/sample.mjs."""

import importlib.util
import json
import os
import sys

given = json.loads(sys.argv[1])
os.environ.update(given["env"])
spec = importlib.util.spec_from_file_location("sample", given["path"])
sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sample)

for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = {"value": getattr(sample, asked["call"])(asked["with"])}
    except Exception as error:
        answer = {"status": getattr(error, "status", 0), "message": repr(error)}
    print(json.dumps(answer), flush=True)
