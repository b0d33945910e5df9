"""Run the real command line on a hostile file and measure what it did to the machine.

Two ways. *Alone*: an interpreter of its own, for files that have ended interpreters; a lean launcher
starts it, because a process inherits the peak memory of the one that started it. *Shared*: one
worker takes case after case through the same entry point, with the catalog (which is trusted and
the same for all) read once; should a file end the worker after all, the case fails and the next one
gets a new worker.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
LIMIT_SECONDS = 60  # of the harness; a case has two seconds, this only ends a hang

LAUNCHER = """
import json, os, subprocess, sys, time
order = json.loads(sys.argv[1])
with open(order["out"], "wb") as out, open(order["err"], "wb") as err:
    start = time.monotonic()
    child = subprocess.Popen(order["command"], cwd=order["folder"], env=order["env"], stdout=out, stderr=err,
                             stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "seconds": seconds,
                  "processor": usage.ru_utime + usage.ru_stime, "kib": usage.ru_maxrss}))
"""

WORKER = """
import contextlib, functools, io, json, os, resource, sys, time
import exposure.pipeline.inputs as inputs
from exposure.cli.main import run
inputs.load_catalog = functools.cache(inputs.load_catalog)
inputs.find_content = functools.cache(inputs.find_content)

def status(key):
    with open("/proc/self/status") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith(key))

def processor():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    order = json.loads(line)
    os.chdir(order["folder"])
    os.environ["TMPDIR"] = order["env"]["TMPDIR"]
    with open("/proc/self/clear_refs", "w") as stream:
        stream.write("5")  # the peak starts anew
    before = status("VmRSS")
    start, used = time.monotonic(), processor()
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(order["arguments"])
    seconds = time.monotonic() - start
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    kib = max(status("VmHWM") - before, child - before)
    print(json.dumps({"code": code, "seconds": seconds, "processor": processor() - used, "kib": kib,
                      "out": out.getvalue(), "err": err.getvalue()}),
          file=answers, flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line did."""

    code: int
    seconds: float
    processor: float  # seconds, with those of its readers
    mib: float
    stdout: str
    stderr: str

    @property
    def error(self) -> dict[str, Any]:
        """The error as ``--json`` prints it."""
        return json.loads(self.stderr.strip().splitlines()[-1])


def environment(scratch: Path) -> dict[str, str]:
    """Nothing of the caller's but where the project is; temporary files can be seen to stay away."""
    return {
        "PYTHONPATH": str(PROJECT),
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "EXPOSURE_CONTENT": str(PROJECT),
    }


def run_alone(arguments: list[str], folder: Path, scratch: Path) -> Outcome:
    """Run the command line in an interpreter of its own."""
    out, err = scratch.with_suffix(".out"), scratch.with_suffix(".err")
    order = {
        "command": [sys.executable, "-m", "exposure.cli.main", *arguments],
        "folder": str(folder),
        "env": environment(scratch),
        "out": str(out),
        "err": str(err),
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, json.dumps(order)],
        capture_output=True,
        timeout=LIMIT_SECONDS,
        check=True,
    )
    facts = json.loads(done.stdout)
    return Outcome(
        facts["code"],
        facts["seconds"],
        facts["processor"],
        facts["kib"] / 1024,
        out.read_text(encoding="utf-8", errors="replace"),
        err.read_text(encoding="utf-8", errors="replace"),
    )


class Worker:
    """One process for many cases; started again when a case has ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, arguments: list[str], folder: Path, scratch: Path) -> Outcome:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = subprocess.Popen(
                [sys.executable, "-c", WORKER],
                env=environment(scratch),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"arguments": arguments, "folder": str(folder), "env": environment(scratch)}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, f"the interpreter died with {process.wait()}"
        facts = json.loads(answer)
        return Outcome(
            facts["code"],
            facts["seconds"],
            facts["processor"],
            facts["kib"] / 1024,
            facts["out"],
            facts["err"],
        )

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=LIMIT_SECONDS)
