"""Requests to an API server, as one user: by plain HTTPS, no client library."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

from .server import BedError, wait_until

MERGE_PATCH = "application/merge-patch+json"


class KubeError(BedError):
    """An answer that is not 2xx: `code`, and the Status object as `status`."""

    def __init__(self, method, path, code, body):
        try:
            self.status = json.loads(body)
        except ValueError:
            self.status = {"message": body.decode("utf-8", "replace")}
        self.code = code
        super().__init__(f"{method} {path}: {code} {self.status.get('message', '')}")


class KubeApi:
    """A user of the API server at `url`, who shows a token or a client certificate (file, key file).

    A resource is written as for kubectl: 'secrets', 'certificates.cert-manager.io'; with a name behind it
    it is one object, 'secrets/web'. Without a group it is of the core group. The version is the one that
    the server prefers.
    """

    def __init__(self, url, ca_file, certificate=None, token=None):
        self.url = url
        self._headers = {"User-Agent": "certlet-test-bed", "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        trust = ssl.create_default_context(cafile=str(ca_file))
        if certificate:
            trust.load_cert_chain(*map(str, certificate))
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        self._resources = {}

    def request(self, method, path, body=None, content_type="application/json", timeout=30):
        """The JSON of a 2xx answer; any other is a KubeError, and no answer at all an OSError. A body that is
        bytes goes as it is.
        """
        return json.loads(self._answer(method, path, body, content_type, timeout)[0])

    def warnings(self, method, path, body):
        """The texts of the Warning headers of a 2xx answer."""
        headers = self._answer(method, path, body, "application/json")[1]
        return headers.get_all("Warning", [])

    def _answer(self, method, path, body=None, content_type=None, timeout=30):
        """(body, headers) of a 2xx answer."""
        data = json.dumps(body).encode("utf-8") if isinstance(body, (dict, list)) else body
        request = urllib.request.Request(self.url + path, data, self._headers, method=method)
        if data:
            request.add_header("Content-Type", content_type)
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                raise KubeError(method, path, error.code, error.read()) from None

    def is_ready(self):
        """Whether the server says so and reads from etcd, of which it says what it has seen last; one that does
        not answer is not ready.
        """
        try:
            with self._opener.open(f"{self.url}/readyz", timeout=5) as answer:
                is_ok = answer.read() == b"ok"
            return is_ok and bool(self.request("GET", "/api/v1/namespaces/kube-system", timeout=5))
        except (OSError, KubeError):
            return False

    # --- objects ---

    def get(self, resource, namespace=None):
        """The object, or None when there is none."""
        try:
            return self.request("GET", self.path(resource, namespace))
        except KubeError as error:
            if error.code == 404:
                return None
            raise

    def list(self, resource, namespace=None, selector=None):
        """The objects of one namespace, or of all."""
        query = f"?labelSelector={urllib.parse.quote(selector)}" if selector else ""
        return self.request("GET", self.path(resource, namespace) + query)["items"]

    def watch(self, resource, namespace=None, seconds=1):
        """What happens within `seconds`, as watch events; what is there comes first as ADDED."""
        query = f"?watch=true&timeoutSeconds={seconds}"
        lines = self._answer("GET", self.path(resource, namespace) + query)[0].splitlines()
        return [json.loads(line) for line in lines]

    def stream(self, path, opened=None, timeout=30):
        """The events of a watch, as they come; ends with the server's end of it. `opened` is called once it stands."""
        request = urllib.request.Request(self.url + path, headers=self._headers)
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                if opened:
                    opened()
                yield from map(json.loads, answer)
        except urllib.error.HTTPError as error:
            with error:
                raise KubeError("GET", path, error.code, error.read()) from None

    def create(self, resource, body, namespace=None):
        return self.request("POST", self.path(resource, namespace), body)

    def replace(self, resource, body, namespace=None, subresource=None):
        return self.request("PUT", self.path(resource, namespace, subresource), body)

    def patch(self, resource, body, namespace=None, subresource=None):
        """A merge patch."""
        path = self.path(resource, namespace, subresource)
        return self.request("PATCH", path, body, MERGE_PATCH)

    def delete(self, resource, namespace=None):
        """Whether there was something to delete."""
        try:
            self.request("DELETE", self.path(resource, namespace))
        except KubeError as error:
            if error.code == 404:
                return False
            raise
        return True

    def wait_for(self, resource, namespace=None, condition=bool, seconds=30):
        """Ask for the object until `condition(object or None)` holds; the object. A server that is away for a
        moment, or has just come back, is asked again.
        """
        last = None

        def holds():
            nonlocal last
            try:
                last = self.get(resource, namespace)
            except (OSError, KubeError) as error:
                if getattr(error, "code", 503) not in (429, 500, 503, 504):
                    raise
                return False
            return condition(last)

        try:
            wait_until(holds, seconds, f"waiting for {resource}", every=0.05)
        except BedError as error:
            raise BedError(f"{error}; the last that was seen: {json.dumps(last)}") from None
        return last

    def path(self, resource, namespace=None, subresource=None):
        kind, _, name = resource.partition("/")
        base, is_namespaced = self._resource(kind)
        if namespace and not is_namespaced:
            raise BedError(f"{kind} are in no namespace")
        if name and is_namespaced and not namespace:
            raise BedError(f"{resource} needs a namespace")
        words = [base]
        words += ["namespaces", namespace] if namespace else []
        words.append(kind.partition(".")[0])
        words += [word for word in (name, subresource) if word]
        return "/".join(words)

    def _resource(self, kind):
        """('/apis/GROUP/VERSION', whether it is in namespaces); asked once, when it was there."""
        if kind not in self._resources:
            plural, _, group = kind.partition(".")
            base = "/api/v1"
            if group:
                preferred = self.request("GET", f"/apis/{group}")["preferredVersion"]
                base = f"/apis/{preferred['groupVersion']}"
            for entry in self.request("GET", base)["resources"]:
                if entry["name"] == plural:
                    self._resources[kind] = (base, entry["namespaced"])
                    break
            else:
                raise BedError(f"the server has no {kind}")
        return self._resources[kind]
