"""`kubectl certlet ...` as its users run it: kubectl finds the program by its name in the PATH."""

import json
import os
import pathlib
import subprocess


class Plugin:
    """Of the admin of `kube`; the link to the program is made in `folder`."""

    def __init__(self, binary, kube, folder):
        (folder / "kubectl-certlet").symlink_to(pathlib.Path(binary).resolve())
        self._kubectl = kube.kubectl_program
        path = f"{folder}:{os.environ['PATH']}"
        self._env = {**os.environ, "PATH": path, "KUBECONFIG": str(kube.kubeconfig)}

    def __call__(self, *arguments):
        argv = [self._kubectl, "certlet", *arguments]
        return subprocess.run(
            argv, env=self._env, capture_output=True, text=True, timeout=120, check=False
        )

    def row(self, name, namespace):
        """What `status` says of a Certificate."""
        done = self("status", "-n", namespace, "-o", "json", name)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)["certificates"][0]
