"""What hack/crds and hack/docs share: they make files of sources, or say which are not what they should be."""

import pathlib
import sys

NAME = f"hack/{pathlib.Path(sys.argv[0]).name}"
ROOT = pathlib.Path(__file__).resolve().parent.parent

try:
    import yaml
except ImportError:
    sys.exit(f"{NAME}: needs python3-yaml; run hack/deps test")


class SourceError(Exception):
    """Which source is wrong, and how."""


def stale(files, target, pattern):
    """What to say of files that differ from what they should be, or should not be there."""
    for name, text in files.items():
        path = target / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield f"{path.relative_to(ROOT)}: not what {NAME} makes of its sources; run it"
    for path in sorted(target.glob(pattern)):
        if path.name not in files:
            yield f"{path.relative_to(ROOT)}: not made by {NAME}; remove it, or put it elsewhere"


def main(usage, make, target, pattern):
    """The program: `make()` gives {file name: text}, all that is in `target` of that pattern. Its exit code."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        print(usage)
        return 0 if arguments == ["--help"] else 2
    try:
        files = make()
    except SourceError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 1
    if arguments:
        findings = list(stale(files, target, pattern))
        print(*findings, sep="\n", end="\n" if findings else "")
        return 1 if findings else 0
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8")
    return 0
