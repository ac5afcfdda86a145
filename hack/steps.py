"""What hack/quickstart and hack/cluster share: they show each step with the time, and end at the first that fails."""

import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/integration"))

BUILD = ROOT / "build/release"
ZONE = "example.test"

started = time.monotonic()


def step(text):
    print(f"\n[{time.monotonic() - started:5.1f} s] {text}", flush=True)


def run(*argv, **options):
    """A step that must succeed; its own output says why it did not."""
    done = subprocess.run([str(a) for a in argv], cwd=ROOT, check=False, **options)
    if done.returncode != 0:
        program = pathlib.Path(sys.argv[0]).stem
        sys.exit(f"hack/{program}: '{' '.join(map(str, argv))}' failed with exit code {done.returncode}")


def end_with_a_word(main):
    """A server of the bed that does not start says why; where in Python that was seen is no help."""
    from support.server import BedError

    try:
        main()
    except BedError as error:
        sys.exit(f"hack/{pathlib.Path(sys.argv[0]).stem}: {error}")


def build():
    step("building certlet (build/release)")
    run("cmake", "--preset", "release", "-DBUILD_TESTING=OFF", stdout=subprocess.DEVNULL)
    run("cmake", "--build", "--preset", "release", "--target", "certlet", "--", "--quiet")
