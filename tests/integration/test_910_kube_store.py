"""The store suite, which the local store passes in unit tests, on real API servers."""

import contextlib
import http.server
import pathlib
import re
import threading

import pytest

from support.kube_store import find_program, install_kinds, run_suite

ROOT = pathlib.Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def compactor(kube):
    """A URL: a POST to it makes every version up to now leave etcd and the API server's memory."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            kube.forget_versions("certificates.cert-manager.io")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.kube
def test_an_api_server_passes_the_suite_of_the_local_store(new_kube, tmp_path):
    program = find_program(ROOT)
    with new_kube(tmp_path) as kube, compactor(kube) as url:
        install_kinds(kube)
        code, said = run_suite(program, kube.kubeconfig, "--compact-url", url)
    assert code == 0, said
    assert "SKIPPED" not in said, said
    assert int(re.search(r"\[  PASSED  \] (\d+) test", said)[1]) >= 60, said
