"""What both beds of hack/bench need: the conditions, processes seen from outside, tables, the build."""

import contextlib
import datetime
import http.client
import os
import pathlib
import re
import sqlite3
import ssl
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))

from support.server import wait_until  # noqa: E402  (needs the path above)

SETTLED_SECONDS = 1.0  # without CPU use: the start is over
TICKS = os.sysconf("SC_CLK_TCK")


def say(text):
    print(f"hack/bench: {text}", file=sys.stderr, flush=True)


def output_of(*argv):
    done = subprocess.run([str(a) for a in argv], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


# --- conditions ---


def cpu_model():
    found = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found.group(1).strip() if found else os.uname().machine


def conditions():
    changed = " with changes" if output_of("git", "status", "--porcelain", "--", "pkg", "cmd") else ""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": output_of("git", "rev-parse", "--short", "HEAD") + changed,
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": os.uname().release,
        "openssl": ssl.OPENSSL_VERSION.split()[1],
        "curl": output_of("pkg-config", "--modversion", "libcurl"),
        "sqlite": sqlite3.sqlite_version,
        "load": f"{os.getloadavg()[0]:.2f}",
    }


# --- one process, looked at from outside ---


class Process:
    """What /proc says of a process."""

    def __init__(self, pid):
        self._folder = pathlib.Path("/proc") / str(pid)

    def cpu(self):
        """Seconds of CPU so far."""
        fields = (self._folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def switches(self):
        """How often a thread that lives has waited for something."""
        found = 0
        for thread in (self._folder / "task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it has ended
                found += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (thread / "status").read_text(), re.MULTILINE)[1])
        return found

    def memory(self, name):
        """MB: VmRSS, VmHWM, RssAnon, RssFile."""
        text = (self._folder / "status").read_text(encoding="ascii")
        return int(re.search(rf"{name}:\s+(\d+)", text).group(1)) / 1024


def answers(port):
    """Does /readyz say that the caches are filled?"""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def wait_until_settled(process, started, seconds):
    """Seconds from the start to the end of its work: no CPU used for a while after it."""
    last = {"cpu": process.cpu(), "at": time.monotonic()}

    def settled():
        cpu, now = process.cpu(), time.monotonic()
        if cpu > last["cpu"]:
            last.update(cpu=cpu, at=now)
        return now - last["at"] >= SETTLED_SECONDS

    wait_until(settled, seconds, "the end of the work at the start")
    return last["at"] - started


def measure_idle(process, seconds):
    before, began = process.cpu(), time.monotonic()
    wait_until(lambda: time.monotonic() - began >= seconds, seconds + 5, "a quiet minute")
    used, passed = process.cpu() - before, time.monotonic() - began
    return {
        "idle_percent": 100 * used / passed,
        "rss_mb": process.memory("VmRSS"),
        "rss_anon_mb": process.memory("RssAnon"),
        "rss_file_mb": process.memory("RssFile"),
    }


def machine_cpu():
    """(busy, all) seconds of all cores since boot."""
    numbers = [int(n) for n in pathlib.Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    idle = numbers[3] + numbers[4]
    return (sum(numbers) - idle) / TICKS, sum(numbers) / TICKS


# --- what is printed ---


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    print("\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n")


def print_conditions(found):
    print(
        f"{found['date']}, commit {found['commit']}, {found['cores']} cores of {found['cpu']}, Linux {found['kernel']}, "
        f"OpenSSL {found['openssl']}, curl {found['curl']}, SQLite {found['sqlite']}, "
        f"load average at the start {found['load']}.\n"
    )


# --- the program ---


def build_release(folder, *targets):
    say(f"building {folder.name} (release)")
    # The preset's own folder may have been made without tests by hack/quickstart.
    argv = ["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=ON"]
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder, "--target", "certlet", *targets, "--", "--quiet"], check=True)
