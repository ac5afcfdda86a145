"""Resources by the names that an API server knows them by: cert-manager's and others of the tests."""

CERTIFICATES = "certificates.cert-manager.io"
REQUESTS = "certificaterequests.cert-manager.io"
ISSUERS = "issuers.cert-manager.io"
CLUSTER_ISSUERS = "clusterissuers.cert-manager.io"
ORDERS = "orders.acme.cert-manager.io"
CHALLENGES = "challenges.acme.cert-manager.io"
OURS = (CERTIFICATES, REQUESTS, ISSUERS, CLUSTER_ISSUERS, ORDERS, CHALLENGES)

SIGNING_REQUESTS = "certificatesigningrequests.certificates.k8s.io"
DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
LEASES = "leases.coordination.k8s.io"
POLICIES = (
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
)
STAMPS = (  # from 1.36 on
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
)
