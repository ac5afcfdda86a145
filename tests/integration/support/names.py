"""Names that few Certificates have, as their fields say them, and the same by the openssl command."""

import pathlib

from . import pki

UPN = "1.3.6.1.4.1.311.20.2.3"
OTHER_NAMES = [
    {"oid": UPN, "utf8Value": "upn@example.test"},
    {"oid": UPN, "utf8Value": "second@example.test"},
]
OTHER_NAMES_SAN = "subjectAltName=email:email@example.test," + ",".join(
    f"otherName:{one['oid']};UTF8:{one['utf8Value']}" for one in OTHER_NAMES
)
# name: (literalSubject, what openssl's -subj makes of it)
LITERAL_SUBJECTS = {
    "order": (
        "CN=*.example.test,OU=FooLong,OU=Bar,OU=Baz,OU=Dept.,O=Corp.",
        "/O=Corp./OU=Dept./OU=Baz/OU=Bar/OU=FooLong/CN=*.example.test",
    ),
    "types": (
        r"CN=foo\,bar \"quoted\",UID=jim,SERIALNUMBER=7,OU=a,OU=b,DC=example,DC=test,"
        r"STREET=Main St. 1,L=Bern,ST=BE,C=CH",
        "/C=CH/ST=BE/L=Bern/street=Main St. 1/DC=test/DC=example/OU=b/OU=a/serialNumber=7/UID=jim"
        '/CN=foo,bar "quoted"',
    ),
    "joined": ("CN=web+OU=shop,2.5.4.10=Ex,C=CH", "/C=CH/O=Ex/CN=web+OU=shop"),
    "utf8": (r"CN=Gr\C3\B6\C3\9Fe,O= a \20 ,l=\#\+\;", "/L=#\\+;/O=a  /CN=Gr\u00f6\u00dfe"),
}
BOUNDS = {
    "permitted": {
        "dnsDomains": ["example.test"],
        "ipRanges": ["192.0.2.0/24", "2001:db8::/32"],
        "emailAddresses": ["example.test"],
        "uriDomains": [".example.test"],
    },
    "excluded": {"dnsDomains": ["no.example.test"], "ipRanges": ["192.0.2.128/25"]},
}
# name: (spec of the leaf, what openssl says of it)
WITHIN = {
    "domain": ({"dnsNames": ["www.example.test"]}, None),
    "address": ({"ipAddresses": ["192.0.2.1", "2001:db8::1"]}, None),
    "mail": ({"emailAddresses": ["a@example.test"]}, None),
    "uri": ({"uris": ["https://www.example.test/"]}, None),
    "other-domain": ({"dnsNames": ["www.other.test"]}, "permitted subtree violation"),
    "excluded-domain": ({"dnsNames": ["a.no.example.test"]}, "excluded subtree violation"),
    "other-address": ({"ipAddresses": ["198.51.100.1"]}, "permitted subtree violation"),
    "excluded-address": ({"ipAddresses": ["192.0.2.129"]}, "excluded subtree violation"),
    "other-mail": ({"emailAddresses": ["a@other.test"]}, "permitted subtree violation"),
    "other-uri": ({"uris": ["https://www.other.test/"]}, "permitted subtree violation"),
}
# What url.Parse() of Go and its crypto/x509 read, and what they do not: no certificate with it, then.
URIS = [
    "spiffe://example.org/ns/shop/sa/web",
    "https://me:secret@www.example.com:443/a%20b?c=%#d",
    "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "mailto:me@a.test?subject=100%",
    "file:///etc/hosts",
    "http://:80/",
    "http://[::1]:80/",
    "http://[::ffff:192.0.2.1]/",
    "http://[fe80::1%25eth0.100]/",
    "http://a/b c",  # a blank in a path and what has no scheme: check warns
    "a/b:c",
    "//a.test/",
    "?",
    "http://" + ".".join(["a" * 50] * 4 + ["b" * 49]) + "/",  # 253 bytes
    "jdbc:a//" + "b" * 300,
]
NO_URIS = [
    ":a",
    "1a:b",
    "a b:c",
    "http://a b/",
    "http://a./",
    "http://.a/",
    "http://a..b/",
    "http://a|b/",
    "http://a%41/",
    "http://a:8x/",
    "http://a:80:80/",
    "http://a/%4",
    "http://a/%4?b",
    "urn:a#%",
    "%4",
    "http://m%4@a/",
    "http://m e@a/",
    "http://[::1/",
    "http://[:1:]/",
    "http://[192.0.2.1]/",
    "http://[fe80::1%eth0]/",
    "http://[::1]a/",
    "http://me@[::1:2:3:4:5:6:7:8:9]:80/",
    "http://" + "a" * 254 + "/",
    "http://me@" + "a" * 250 + ":123",
]
# The same of name constraints: (field, name)
NAME_BOUNDS = [
    ("dnsDomains", ""),
    ("dnsDomains", ".a.test"),
    ("dnsDomains", "192.0.2.1"),
    ("dnsDomains", "a_b/c"),
    ("emailAddresses", "me@a.test"),
    ("emailAddresses", ".a.test"),
    ("uriDomains", "a.test"),
    ("uriDomains", ""),
]
NO_NAME_BOUNDS = [
    *((field, name) for field in ("dnsDomains", "emailAddresses", "uriDomains") for name in ("a.test.", "a..b", "a b")),
    ("dnsDomains", "."),
    ("dnsDomains", "a" * 254),
    ("emailAddresses", "me@"),
    ("emailAddresses", "a b@c"),
    ("emailAddresses", "a@b@c"),
    ("uriDomains", "192.0.2.1"),
    ("uriDomains", "2001:db8::1"),
    ("uriDomains", "::ffff:192.0.2.1"),
]
# What no certificate can hold: (spec, path of the field, what the program says of it).
BAD_NAMES = [
    ({"literalSubject": "UNKNOWN=blah"}, "spec.literalSubject", "'UNKNOWN' at byte 1"),
    ({"literalSubject": "CN=a\\"}, "spec.literalSubject", "before byte 6"),
    ({"literalSubject": "O=a," + "CN=" + "b" * 65}, "spec.literalSubject", "64 bytes"),
    ({"literalSubject": "CN=a", "commonName": "a"}, "spec.commonName", "together with"),
    ({"literalSubject": "CN=a", "subject": {"countries": ["CH"]}}, "spec.subject", "together with"),
    ({"otherNames": [{"oid": "BAD_OID", "utf8Value": "a"}]}, "spec.otherNames[0].oid", "'BAD_OID'"),
    ({"otherNames": [{"oid": "1.2.3"}]}, "spec.otherNames[0].utf8Value", "is empty"),
    ({"nameConstraints": {"permitted": {}}}, "spec.nameConstraints", "for CAs only"),
    ({"isCA": True, "nameConstraints": {}}, "spec.nameConstraints", "at least one"),
    (
        {"isCA": True, "nameConstraints": {"excluded": {"ipRanges": ["10.0.0.1"]}}},
        "spec.nameConstraints.excluded.ipRanges[0]",
        "'10.0.0.1' is not a range",
    ),
    (
        {"isCA": True, "nameConstraints": {"permitted": {"dnsDomains": ["a", "\u00fc.test"]}}},
        "spec.nameConstraints.permitted.dnsDomains[1]",
        "xn--",
    ),
]


def subject_by_openssl(subject, folder):
    """A certificate with that -subj."""
    key = pathlib.Path(folder) / "reference.key"
    how = ("-multivalue-rdn", "-utf8", "-keyout", key, "-subj", subject)
    return pki.openssl("req", "-x509", *pki.NEW_KEY, *how)


def other_names_by_openssl(folder):
    """A certificate with OTHER_NAMES and an e-mail address."""
    return pki.new_certificate(folder, "reference", "reference", OTHER_NAMES_SAN)[0].read_text()


def bounds_by_openssl(folder):
    """A certificate with BOUNDS."""
    words = {"dnsDomains": "DNS", "emailAddresses": "email", "uriDomains": "URI"}
    asked = [
        f"{half};{words[sort]}:{name}"
        for half, subtrees in BOUNDS.items()
        for sort, names in subtrees.items()
        for name in names
        if sort in words
    ]
    asked += [f"permitted;IP:{one}" for one in ("192.0.2.0/255.255.255.0", "2001:db8::/ffff:ffff::")]
    asked += ["excluded;IP:192.0.2.128/255.255.255.128"]
    extension = "nameConstraints=" + ",".join(asked)
    return pki.new_certificate(folder, "reference", "reference", extension)[0].read_text()
