"""cert-manager's own command line tool, as a user of a control plane runs it."""

import subprocess

from .server import cached_program


class Cmctl:
    """The user of a kubeconfig file; without one, the admin of `kube`."""

    def __init__(self, kube, kubeconfig=None):
        self._program = cached_program("cmctl", "cmctl")
        self._user = (
            f"--kubeconfig={kubeconfig or kube.kubeconfig}",
            f"--cache-dir={kube.folder / 'cmctl-cache'}",
        )

    def __call__(self, *arguments):
        """The finished process. Its errors are on stdout or stderr, as the command likes."""
        argv = [self._program, *map(str, arguments), *self._user]
        return subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)

    def output(self, *arguments):
        """What it says when all went well."""
        done = self(*arguments)
        assert done.returncode == 0, f"cmctl {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}"
        return done.stdout

    def refusal(self, *arguments):
        """What it says when it did not."""
        done = self(*arguments)
        assert done.returncode != 0, f"cmctl {' '.join(map(str, arguments))}: {done.stdout}"
        return done.stdout + done.stderr

    def status(self, name, namespace):
        """`status certificate` by its headings: what stands beside them and indented below them."""
        blocks, heading = {}, None
        for line in self.output("status", "certificate", name, "-n", namespace).splitlines():
            if line[0] in " -":
                blocks[heading] += line + "\n"
            else:
                heading, _, beside = line.partition(":")
                blocks[heading] = beside.strip() + "\n"
        return blocks
