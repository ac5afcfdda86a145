"""Flags and configuration file of `certlet controller`: cert-manager's names, and clear refusals. No server."""

import subprocess

import pytest

HEAD = "apiVersion: controller.config.cert-manager.io/v1alpha1\nkind: ControllerConfiguration\n"


@pytest.fixture
def controller(binary, tmp_path):
    """Runs it where there is no API server at all: (exit code, what it says)."""

    def run(*flags, config=None):
        if config is not None:
            (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
            flags = ("--config", str(tmp_path / "config.yaml"), *flags)
        done = subprocess.run(
            [binary, "controller", *flags],
            env={"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stderr + done.stdout

    return run


def test_help_lists_what_is_built_only(controller):
    code, text = controller("--help")
    assert code == 0
    for flag in ("--leader-elect", "--kubeconfig", "--namespace", "--controllers", "--v "):
        assert flag in text
    for flag in ("gateway", "solver-image", "one-output", "profiling"):
        assert flag not in text


def test_no_way_to_an_api_server_is_said(controller, tmp_path):
    code, text = controller()
    assert code == 4 and str(tmp_path / "none") in text


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--enable-gateway-api"], ["--enable-gateway-api", "not built", "Gateways"]),
        (["--acme-http01-solver-image=x"], ["--acme-http01-solver-image", "HTTP-01 in a cluster"]),
        (["--max-certificate-size=1"], ["--max-certificate-size", "not built"]),
        (["--controllers=isuers"], ["--controllers", "'isuers'"]),
        (["--controllers=*,-certificates-issuing"], ["certificates-...", "all six"]),
        (["--feature-gates=ServerSideApplied=true"], ["--feature-gates", "ServerSideApplied"]),
        (["--feature-gates=ServerSideApply"], ["ServerSideApply=true"]),
        (["--leader-election-lease-duration=10s"], ["leader election", "lease duration"]),
        (["--leader-election-retry-period=39s"], ["leader election", "1.2 retry periods"]),
        (["--concurrent-workers=0"], ["--concurrent-workers"]),
        (["surplus"], ["'surplus'"]),
        (["--kube-api-qbs=1"], ["unknown flag", "--kube-api-qbs"]),
    ],
)
def test_a_bad_flag_is_refused_by_name(controller, flags, words):
    code, text = controller(*flags)
    assert code == 2
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "flags",
    [
        ["--enable-gateway-api=false", "--max-certificate-size=36500", "--kube-api-qps=50"],
        ["--logtostderr", "--v=2", "--log-flush-frequency", "5s", "--stderrthreshold=2"],
        ["--controllers=*,-certificaterequests-approver", "--feature-gates=AllAlpha=true"],
        ["--controllers=-ingress-shim", "--issuer-ambient-credentials=false"],
        ["--controllers=*,-certificatesigningrequests-issuer-vault"],
    ],
)
def test_command_lines_of_a_chart_are_taken(controller, flags):
    code, text = controller(*flags)
    assert code == 4, text  # no API server: past the flags


GATE = "ExperimentalCertificateSigningRequestControllers"
NEEDS_GATE = "runs with --feature-gates"
LEFT_ALONE = "with --namespace they are left alone"


@pytest.mark.parametrize(
    "flags, config, word",
    [
        (["--controllers=certificatesigningrequests-issuer-ca"], "", NEEDS_GATE),
        (["--controllers=certificatesigningrequests-issuer-vault"], "", "not built"),
        (["--namespace=a", f"--feature-gates={GATE}=true"], "", LEFT_ALONE),
        (["--namespace=a", "--feature-gates=AllAlpha=true"], "", LEFT_ALONE),
        (["--namespace=a"], f"featureGates:\n  {GATE}: true\n", LEFT_ALONE),
        (["--namespace=a", f"--feature-gates=AllAlpha=true,{GATE}=false"], "", None),
        (["--namespace=a", f"--feature-gates={GATE}=true,{GATE}=false"], "", None),
        (["--namespace=a", f"--feature-gates={GATE}=false"], f"featureGates: {{{GATE}: true}}\n", None),
        ([f"--feature-gates={GATE}=true", "--controllers=certificatesigningrequests-issuer-ca"], "", None),
        (["--namespace=a"], "", None),
    ],
)
def test_the_gate_of_signing_requests_is_read_and_what_has_no_effect_is_said(
    controller, flags, config, word
):
    code, text = controller(*flags, config=HEAD + config)
    assert code == 4, text
    assert "CertificateSigningRequestControllers=true' has no effect" not in text
    for one in (NEEDS_GATE, LEFT_ALONE, "not built"):
        assert (one in text) == (one == word), text


BUILT_IN = ("LiteralCertificateSubject", "NameConstraints", "OtherNames", "AdditionalCertificateOutputFormats")


@pytest.mark.parametrize("gate", BUILT_IN)
def test_the_gate_of_what_is_built_in_can_only_be_on(controller, gate):
    code, text = controller(f"--feature-gates={gate}=true")
    assert code == 4 and gate not in text, text
    code, text = controller(f"--feature-gates={gate}=false")
    assert code == 4 and f"'{gate}=false' has no effect" in text, text


# --- configuration file ---


@pytest.mark.parametrize(
    "body, words",
    [
        ("leaderElectionConfig:\n  leaseDuration: 10s\n", ["leader election", "lease duration"]),
        ("numberOfConcurrentWorkers: 0\n", ["--concurrent-workers"]),
        ("numberOfConcurrentWorkers: many\n", ["config.yaml:3", "numberOfConcurrentWorkers"]),
        ("logging:\n  format: xml\n", ["config.yaml:4", "logging.format", "text|json"]),
        ("namespaces: a\n", ["config.yaml:3", "namespaces", "no such field"]),
        ("gatewayAPI:\n  enabled: true\n", ["config.yaml:4", "gatewayAPI.enabled", "not built"]),
        ("controllers: [issuers, nobody]\n", ["--controllers", "'nobody'"]),
        ("featureGates:\n  Nothing: true\n", ["--feature-gates", "'Nothing'"]),
        ("namespace: a\nnamespace: b\n", ["config.yaml", "line 4"]),
    ],
)
def test_a_bad_field_is_refused_with_its_line(controller, body, words):
    code, text = controller(config=HEAD + body)
    assert code == 2
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "config", ["", "a: b\n", HEAD.replace("v1alpha1", "v1"), HEAD + "---\n" + HEAD, "- a\n"]
)
def test_another_document_is_refused(controller, config):
    code, text = controller(config=config)
    assert code == 2 and "ControllerConfiguration" in text


def test_a_file_that_is_missing_is_refused(controller, tmp_path):
    code, text = controller("--config", str(tmp_path / "absent.yaml"))
    assert code == 2 and "absent.yaml" in text


def test_a_path_in_the_file_is_meant_from_its_folder(controller, tmp_path):
    code, text = controller(config=HEAD + "kubeConfig: deeper/kubeconfig\n")
    assert code == 4 and str(tmp_path / "deeper/kubeconfig") in text


def test_the_command_line_wins_over_the_file(controller, tmp_path):
    config = HEAD + "kubeConfig: deeper/kubeconfig\nnumberOfConcurrentWorkers: 0\n"
    code, text = controller(
        "--kubeconfig", str(tmp_path / "given"), "--concurrent-workers=3", config=config
    )
    assert code == 4 and str(tmp_path / "given") in text and "deeper" not in text
