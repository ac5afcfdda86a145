"""The servers, the CA of faults and the program itself, as objects for tests and for hack/quickstart.

server.py     a child process on loopback: ports, readiness, end by pid
bed.py        Bind and Pebble, the real servers (bind.py, pebble.py)
fault_ca.py   FaultCA, a scripted ACME server (fault_kinds.py is the list of what it can do wrong)
certlet.py    Certlet, the program under test; manifests.py writes what it reads
kills.py      kills it at random moments and counts what that has cost
dnsquery.py   a small DNS client; pki.py runs the openssl command
"""
