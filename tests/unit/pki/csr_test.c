#include "pki/csr.h"

#include "base/limits.h"
#include "pki/dn.h"
#include "pki/names.h"
#include "support/testing.h"

/* Written by the openssl program with a throw-away key; the last one with one letter changed. */
static const char openssl_csr_pem[] =
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIIBdzCCARwCAQAwLDEQMA4GA1UECgwHRXhhbXBsZTEYMBYGA1UEAwwPd3d3LmV4\n"
    "YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELVudmFEDuPz7LPT0\n"
    "xw4awWKibS3LlTwERHQcO/nUY8o9WzaBf/0Zcfd30l65GMedf39Qvu3Hk51KePHy\n"
    "LHqUYKCBjTCBigYJKoZIhvcNAQkOMX0wezBUBgNVHREETTBLgg93d3cuZXhhbXBs\n"
    "ZS5jb22CC2V4YW1wbGUuY29thwTAAAIHgQ5tZUBleGFtcGxlLmNvbYYVaHR0cHM6\n"
    "Ly9leGFtcGxlLmNvbS94MA4GA1UdDwEB/wQEAwIChDATBgNVHSUEDDAKBggrBgEF\n"
    "BQcDAjAKBggqhkjOPQQDAgNJADBGAiEAv+hnqjioFcdD6dow2o39Z+Sst6Ofi3ld\n"
    "HxYMxvOBexACIQCmWZsThieHpRxG1B4qa/7lJp9sECY7bvMw/5WOOZvcQA==\n"
    "-----END CERTIFICATE REQUEST-----\n";

static const char plain_csr_pem[] =
    "-----BEGIN NEW CERTIFICATE REQUEST-----\n"
    "MIGXMEsCAQAwGDEWMBQGA1UEAwwNcGxhaW4uZXhhbXBsZTAqMAUGAytlcAMhACKb\n"
    "2Au6EX6jhjvECN8TdLAkUx5XWib5xM8nbEAm3tlgoAAwBQYDK2VwA0EAZNfz+GK/\n"
    "fnt4vVmAJ9TZLIkJGvfLXoNTnGQo3rqraFZfdP0yxbbMbIn6GjdfHvH0T6MEYI8b\n"
    "r5D/sTfHiO/SCg==\n"
    "-----END NEW CERTIFICATE REQUEST-----\n";

static const char forged_csr_pem[] =
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIIBdzCCARwCAQAwLDEQMA4GA1UECgwHRXhibXBsZTEYMBYGA1UEAwwPd3d3LmV4\n"
    "YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELVudmFEDuPz7LPT0\n"
    "xw4awWKibS3LlTwERHQcO/nUY8o9WzaBf/0Zcfd30l65GMedf39Qvu3Hk51KePHy\n"
    "LHqUYKCBjTCBigYJKoZIhvcNAQkOMX0wezBUBgNVHREETTBLgg93d3cuZXhhbXBs\n"
    "ZS5jb22CC2V4YW1wbGUuY29thwTAAAIHgQ5tZUBleGFtcGxlLmNvbYYVaHR0cHM6\n"
    "Ly9leGFtcGxlLmNvbS94MA4GA1UdDwEB/wQEAwIChDATBgNVHSUEDDAKBggrBgEF\n"
    "BQcDAjAKBggqhkjOPQQDAgNJADBGAiEAv+hnqjioFcdD6dow2o39Z+Sst6Ofi3ld\n"
    "HxYMxvOBexACIQCmWZsThieHpRxG1B4qa/7lJp9sECY7bvMw/5WOOZvcQA==\n"
    "-----END CERTIFICATE REQUEST-----\n";

/* What Go refuses in a certificate. */
static const struct {
    const char *name, *says, *pem;
} unreadable[] = {
    {"a URI", "the URI 'http://a b/'",
     "-----BEGIN CERTIFICATE REQUEST-----\n"
     "MIG/MHMCAQAwDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAD+DquuX057wU7Pj0jEg\n"
     "KZg0GUp8QewcReUiHH0l+IE6oDQwMgYJKoZIhvcNAQkOMSUwIzAhBgNVHREEGjAY\n"
     "gglhLmV4YW1wbGWGC2h0dHA6Ly9hIGIvMAUGAytlcANBAOQ4kAkuz+Jtykpopmoh\n"
     "OCyPCsfFoJryPfWAvLCrBnStC6EwHxUgIsN/mXi92GPa28XVzCamrhgTbvnc4pUf\n"
     "Awk=\n"
     "-----END CERTIFICATE REQUEST-----\n"},
    {"a domain", "the DNS domain 'a..example'",
     "-----BEGIN CERTIFICATE REQUEST-----\n"
     "MIG3MGsCAQAwDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAD+DquuX057wU7Pj0jEg\n"
     "KZg0GUp8QewcReUiHH0l+IE6oCwwKgYJKoZIhvcNAQkOMR0wGzAZBgNVHR4EEjAQ\n"
     "oA4wDIIKYS4uZXhhbXBsZTAFBgMrZXADQQANwBFmJEV5+3E4w15EdnsmWfqPO6hT\n"
     "UKhE2Z+rvSk/8hJJn/nRKLJbF16hc3a+eO+4YXNfU3PS5eB3SljNBB8P\n"
     "-----END CERTIFICATE REQUEST-----\n"},
    {"a range", "the IP range '10.0.0.0/255.0.255.0'",
     "-----BEGIN CERTIFICATE REQUEST-----\n"
     "MIG1MGkCAQAwDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAD+DquuX057wU7Pj0jEg\n"
     "KZg0GUp8QewcReUiHH0l+IE6oCowKAYJKoZIhvcNAQkOMRswGTAXBgNVHR4EEDAO\n"
     "oQwwCocICgAAAP8A/wAwBQYDK2VwA0EAIFJiRW78mvQdlQdoy6k8fCbZF0gpJ6D6\n"
     "duvEZt7anGoDjHaw8Ly52mcSswVipt0LFLhqmd2JiRC+d/81HM1cDw==\n"
     "-----END CERTIFICATE REQUEST-----\n"},
    {"an address", "the e-mail address 'a@'",
     "-----BEGIN CERTIFICATE REQUEST-----\n"
     "MIGvMGMCAQAwDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAD+DquuX057wU7Pj0jEg\n"
     "KZg0GUp8QewcReUiHH0l+IE6oCQwIgYJKoZIhvcNAQkOMRUwEzARBgNVHR4ECjAI\n"
     "oAYwBIECYUAwBQYDK2VwA0EAQwtudaAaXAOEFWBfNc9siQ5OizF1ir/jXEqxplsk\n"
     "J0NEodYnqYjfPvHYujvtwcVzSQEfLsE6o98zfLNEI7PbDA==\n"
     "-----END CERTIFICATE REQUEST-----\n"},
    {"a host", "the URI domain '192.0.2.1'",
     "-----BEGIN CERTIFICATE REQUEST-----\n"
     "MIG2MGoCAQAwDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAD+DquuX057wU7Pj0jEg\n"
     "KZg0GUp8QewcReUiHH0l+IE6oCswKQYJKoZIhvcNAQkOMRwwGjAYBgNVHR4EETAP\n"
     "oA0wC4YJMTkyLjAuMi4xMAUGAytlcANBANOmhKn6sP38gaiGoW+uwVhEV13Yq/C8\n"
     "WTwzhy6YdRSaHpJOQVXtgwZPjB+KtNtd1/SeaRtIK8yk6jkr4l+27go=\n"
     "-----END CERTIFICATE REQUEST-----\n"},
    {"no name", "name constraints: there is no name in them",
     "-----BEGIN CERTIFICATE REQUEST-----\n"
     "MIGpMF0CAQAwDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAD+DquuX057wU7Pj0jEg\n"
     "KZg0GUp8QewcReUiHH0l+IE6oB4wHAYJKoZIhvcNAQkOMQ8wDTALBgNVHR4EBDAC\n"
     "oAAwBQYDK2VwA0EAfB/W5Ey69tSajM0UUfDOkMCMJgrrGCl78jGj6F7DBxXdZIo1\n"
     "tdFuKXDNaV2VRQ+IGjAheP/cXiIFjnubIYcsAw==\n"
     "-----END CERTIFICATE REQUEST-----\n"},
};
static const char odd_uris_csr_pem[] =
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIG+MHICAQAwDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAD+DquuX057wU7Pj0jEg\n"
    "KZg0GUp8QewcReUiHH0l+IE6oDMwMQYJKoZIhvcNAQkOMSQwIjAgBgNVHREEGTAX\n"
    "gglhLmV4YW1wbGWGB3VybjphIGKGAWEwBQYDK2VwA0EAZs/eVjbYH7jpZoizQgAm\n"
    "hEQmcP6nPZlX5QjxUOwWxgB3GUNzqRab1Zoumu5zcbWH5T1FkFEVP6cSEQfx60Fa\n"
    "Cw==\n"
    "-----END CERTIFICATE REQUEST-----\n";

/* Throw-away keys of sizes that take long to make. */
static const char rsa3072_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIG/QIBADANBgkqhkiG9w0BAQEFAASCBucwggbjAgEAAoIBgQDBi/XA1OF/U/3p\n"
    "+olvC8A1YYy6sohbUocn6TTOTiije2Xsyt2rxExDp5WHVnLUCmmiwDb7/ZrkZfuR\n"
    "mixzFi5Pnwvuly/ebfEPUkSEkvHOXgR/dd5HZe9r/NMRy6qtp0iQhzvES5yWLu8u\n"
    "fcBnEcWWadOh0ZMHHLu7OQEnzETCXb2kVEMR67g0HRnFKaxPlZIpL1BLYIH0Z6At\n"
    "kJWhCw/zG9WVVDhcboe2bglJxV02pMCn/unOEFFbsxqxVtmXPP2H/qP331vh15Ax\n"
    "ovDkpi0FGk31Ax7UriURbeldbvwH/TAQzgQRX3jSPvM0DBJv3D05zZ8qSb/BGRdC\n"
    "CDK+Tf2IWWT/beJPVk+m7WEVpMaSKn8LxMnUqjxBcWIbc2GPCSUyBLC4eeHX4+v0\n"
    "t8CV69GTepMoYSKLcHugnrrf4HQ/41Pw8Pd9eAz73mXs7d072qxKsThzyRI1h7zo\n"
    "jB0ivw/gH23qzLzrOVHmiDe9/x+Tp3els6DT5NuOUgDkXSq45E8CAwEAAQKCAYAP\n"
    "f4VsbVTTN9FkwNmWyUeZCViArgF04pe3rpkPuLrQqyBpxNgu7sHhRv7rvpSPqHfL\n"
    "VFNIJrIWU5jrO1UPhXlW3y2lliNQpILBjye1FU6Ej7W808jlSbh8GrDMw39wIVg9\n"
    "A9SELukj2Nqb4UOcspPHrBi0uU3p1gytp25mwUNzlu2zxhrgHqfPkHxQSTp8MvC9\n"
    "wy/4S+A2xxd7STvEu1iJxzL5SVcBW8kakWwapVGwqaJTBtAHs/nNJdCKM8yqVh6e\n"
    "vUa7jUTScuGn5MAI1Dlt2tAqfS3AAjtaac6WQfTMWcW/FXNrjV3GHjIzjIw55RTq\n"
    "XVE8DJVYZzHaoVm05ydDYSWEC1Vma9uF6TGjjsskoKXW2o8NzYQfr0cZhFLTm4Zw\n"
    "6OjSERbdi5VPmhaigo8j0H8mhdBXSuoA8ar/P3ed0OJUE6XdPEYbsStCXLXKBP/I\n"
    "kQCGHeNVc839ciCptSaAeizEM54kiW0lssyXLXpyCxR1EDxhmqGewg5jEJkzPlUC\n"
    "gcEA6s5bVzwsThR8IZGORh1BCm7dWvoHuL0tEp9CuWehPmMMFlgluIHfj/EJ3x2F\n"
    "Ig9tj9hNVKkt584p/trQjVFBMY5gj3tL6MpxT2f/MHV6NXs9wiqIuK0x2L2IK+VN\n"
    "OC2MZZiCMulBTPvJRFAEh6c+tBBLwjNqYxK4KKi2usGdY4qNrQ2PT1QuxKVFsZyb\n"
    "7ggz+HVMlyVzMO1tNBmtl0e65igAV9seT5i4HBw1IPaqYo6NpXHdPRR33elm5guE\n"
    "Ad7DAoHBANMEOgzPwR/BrMLytoVAzRzQPJwVc/b5ODnf3OQu4bINnoBfrj916a1N\n"
    "EyBCbWlQeZtccKes4EZTo1un6FiKQJ448+g6IQr+iqKT7uuDchUhrMdVyP2FSMqa\n"
    "0gTJfMK2x8M1x0zT5InHd3irI8tH2d99YwyqULn33BPzD0NmS5tR/q77d66uotuW\n"
    "vbLX0B5Tr91QYYjcPDF/+MurbqZ+C6abDB8kE27wi6dyo3s/hMCQZcMdjd8kEnsE\n"
    "JOT2DM6jhQKBwCvYqPnbRLK35I4oLhcts02Nckxg0DxRJy+JCd6xWUzbFhC+GR0h\n"
    "M2wfqKY/TvMTSnRIAfjDNs1IlFMA7VzWRYRJgAKLFZu84ffgBak45r9B6kBtzOYf\n"
    "gWVlzx3TTd4ls0fteLKlGAqWIfldr9rdAjqBqIP1MfKaNkVxa93n9cn2v4oHNDGu\n"
    "GKWj7yXBhuSmJ35H+StoVOBYFcJa4S2UuXPtGFNPmZNng0nMgqdLKHoLAKxaXOPh\n"
    "BJkt0oc2s0neHQKBwADzKOu716uz7HooK4goBYRWr58oPZBkCMvB5TWlvGBXzVnY\n"
    "lGk2t6mPCkH/6owpz5JSdTNcBNpsL/UOqW4UmTvdF8P41wM8qBUZQ18OBWpw710q\n"
    "VrBFdFFtJvrciVI7DmUjjdUbsxCntDL32j5lAWcPIm4BKkHcCsKQOoZcJIT7doEF\n"
    "IsHHiXYhlJMEg6xPRiBh5z59d0vlvpH0IJhhQt4qHoDZYbkDHi3Px0qbu5Y+UCbz\n"
    "sBrMB8VD/IKHVQFtHQKBwQCOrMc324yVmzZfvrAZ6A8trLlkHn9Dn4kq/XhxvqKI\n"
    "QIUCBHThNXt3hpSg+KztDGZEms797RxKv2K7kDw4UKJegr+Wa9+7Eru8mYdwcbXm\n"
    "82cAcAgjaj4/LMHlMDoyrYpKvmFoUi/chUv9eRgxomHViQ4ERdfrl6He25xxrWQX\n"
    "GAteXogCiCnf9GCIoaC4iTHvWsgTEbcn8p/xbIpX2malJ/YQri9ljT4XO0NqV9sM\n"
    "65JxDNPZAeO7LBuO04R+xwc=\n"
    "-----END PRIVATE KEY-----\n";

static const char rsa4096_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIJQQIBADANBgkqhkiG9w0BAQEFAASCCSswggknAgEAAoICAQDNoGcsR91pUyk2\n"
    "gOosrUjjUJy3DsWBGuYVbqOjVVkPl76jGZ4v3dl2XElV5KvRu+2olQi73T5b8nuc\n"
    "bXL98VFu2mfcOuc3+uZ14l5Tb6oCgMznXLp/XyPcp0E7BHO/OyCw4/HSLn4S0UXG\n"
    "XsWYcrg6cKVcSh5OGA0KkhlmYclfqibUMr2FtWXGN4+WIyKEYKdXsnWhHhx9iqX1\n"
    "qJ3rmeW8qyFuevy3o59MUuQVTXQSfa3UEZJcir6xUohcCxz+H+Hug8Ge4CVXwITM\n"
    "WTXhdIalLBOvD0RxhdJea/bUICFGbRTB9M4lwR8cXmIMKQrjvcn++6fXk2zqjmPX\n"
    "jU/plaDSwk+FloDaoB3uyyo1QCtDeLj3QRAx/KhGG29D8NSP+grM9CHErTQH4VHg\n"
    "ReutjyJmyLcEIaz3jw3idYoEkRLOrpWYrrrzLwvhwLk47G1XXNhKvtPG6+RtLkSS\n"
    "9WFLrYuhWQ2hofjaPh/954MWhH1K6KHCCpbchUHlDvqCTDC+c7vrgJllbXsso2uJ\n"
    "fcDaW76xXNuwg2PWW4ZWeXRZZSiz+UZIjjx8+m/KoVjewNmWm4fZynNcvMbaLJ32\n"
    "4jmOuDrddxHLepEBhJnFVXkBFua/hFDZXOgTzBHkikbDQzLbJGRF2tvl5/+pZdDM\n"
    "EafugYokeO5F2IjQ25yWS2rzRbn8NQIDAQABAoICABVrSqlSKGjQQNAXSE1fFOND\n"
    "gmTkelj4dFRx3JnRn3VVroX5eoDXRc+5IpUlPMCcKCVnYNbbik4Jntasj/iOf+0M\n"
    "KHAdsqLM1TTHtQumlg8CBlYTUq9HOcps9wkuwt/TSOnO1LcQILx/usTvGlDG978e\n"
    "p3BK8t0vpCwgYS+eVVuhsxRnigEOOYvBkzNlyt1UiW9D0lJLe1btxQZ8ifarZphA\n"
    "kJBG6gw2/wue7CNL7iCpoXHLDXPrqpwjUhDvF2thPCecPI76yj5Zz3t5z3hXVa80\n"
    "PYNUE80UzipdFK5ZVR4A6X31V4Psmfuv2TFrFQykDbvXJaSkYV64IQOoX1VK63WD\n"
    "ozSZi912+3iKtMl5ZjsURcwMQL+DOURZaCPCUtTetT4uLGUSLVfQ+BPDo7Q/sdH5\n"
    "DB59wJPMXo3zfXji10k5KOgFmGgEJzrkpwCXahJM7F4XyfuTvfJf1hxbp45lV0+x\n"
    "rQa5jUkZMR88mSDOtH/bbj7FeYPbpLb6rTdBhXPWxMRRSM940D+qF19e9nkJce2n\n"
    "9fYitdX4aluWpZNn607EVOG0+Sxs3aRtlV6l9F1FmqG0pKNDbQs2v/1PJ8saJEj3\n"
    "MeWmEADrdoZas9rQIah1VcMVejlZ+Wdzy3Vj09N7IGtSc74Vcs5+O5vm8R9thvuR\n"
    "j7PS2QhfqtMgCswsPEABAoIBAQDqmZkZvTF7BZFqYfxzRk2TA2yrkOGUjBfCaw2U\n"
    "FwauRhe+Obu0pyoR7qzaDYT4zTjy65HNm3TZGAR5NLM8ULALT0vExJDhoNkLANY2\n"
    "o/nnd1f6fICnW8dG/KI0znr1jnYwBF3pWt6G6DQh1Zc1aw+PFj1uygdqMnDC72/m\n"
    "zv/gtQypJk2LVLO1XmHvGjCRH+rQkefM1npHw9WFg25nBRb0c/fWe7UP4y5yN/T0\n"
    "7GuY9XVCKA8jn6mlcR+UWEQIExN7aBLpMiFMqWfDSvKKyImhsgX+/SPfik6aaz05\n"
    "qV1IVl+aHXJV4ekN55qR61kL2rdmZr221JXnDuWKE9yA3uBHAoIBAQDgYjcCWMw8\n"
    "9chYrqpEtJe0E4eB0UXblLJyjFGR5KqjY5/h6OnTD0qsZDkulnZ1tIQ6RCn1TacG\n"
    "eOFPGtqE86rSMdsri9+hpXhDpjBeljNlbbw2Cb+Nk55i9nuvoHA8LMefjyZGREis\n"
    "PBJ1Kf6deOLAnbxE4662VsGFFf/X575Q53RqKEPSj43xL//rbpAxzxv6Jw4wGm8k\n"
    "jCdQsop8llzVFbBZJSDjxY/DXHRfNqWi4B5cDmgYiqP8WuOJSeg3LawnDj1E9Wn9\n"
    "D0wf/z//c0nSr+jyBMf3bSHXjGEQZDey6HUlLdTTe5qBIdA0DFhPceKNToei0mjU\n"
    "O8kl0W5OI9mjAoIBAGr2t2iV646U3lVr8ce5YTtLj2u2NjQdn+OkHd/Mk9431TGF\n"
    "b0ESCst8UFFnYp5yK6oOoD7nx2IIYlnFHoe8nle5wuknWouVZABxVDo7j4Dq2DE8\n"
    "PQiRfw2tuGNtVYDKgLap9wujw9ws2UAn+7Z+ZuytjjsKYFEaSHGI7DOHZAFXaztg\n"
    "XHDPoNRsASkcftJchBquu8qYa852ys8COv87wdiZW4Hui4J/6bhoLQbTGMf3+ou8\n"
    "ahKrBJWLO4POrs4jrHlS3XR3x9kFUGspq+Z9Qst3uOYnEwkkLWyYwqScxQxrXVGO\n"
    "ZYgk5bbSR5aKgOI3yfElnRBUYzijgSLwpVQYypcCggEABMzVFG3F4L/5SzxhVBrw\n"
    "699HFNXfQrVJo/2weQiFRf2JnBGZfvRiypFST9bULexwr7Zpl1/T5OWNHF4csp9r\n"
    "1hdO8v2JCTI7Amd5vWxFKTRRxG4s9OBlkQRo3Pb3r7Hdi2JKlVI8o8KdOnhtg/zk\n"
    "DO7S6j5crHXqqegwkvPYNG7fJK471TNQ/Ank1aqF1yrxFEblnM3T9towtR88qzGk\n"
    "RsKyBRYwP+8oBiviKW9H19YnkByWyX+dxnZDS9qS5ytI9YTudp0xaUJ8hGq3ecWD\n"
    "nMg6mYLUrExfXvcX1HvwXRlv+B2k4elRAtYwWAyzju+GwzMc37TUnUWyJeb3DyDh\n"
    "NQKCAQAcWCDJoWnxJwlcb6Smzjmfj1MNhf9N8k5RdDrMhfpt4c/7DVWIE/BjEicg\n"
    "9RhI+qGL4btp0ql7DZUNUUXgxCz1bpGqrDGo8ZAps5Yc0+8djEW3Ahlc0ceqLHGY\n"
    "4oCiY69NKIl1SxIojVXGtomuH9hrInCCJt1myfVKtl0m521y+inH1yRXyxMJZmAz\n"
    "xqd0lvIpL8lxdV8P+HfGqVD5QNhxx45YlcI1FTSt2RZKpr/vxxlx6ktZU2lrkzeL\n"
    "mDnNHN9AXsABXTpZEUGTAi7EEdMHD/R85X0cQW+T2lsQEZhPcFxEkdEivWKCnFfD\n"
    "Qx2KnqGITGuhhQbkSdLZNtY+DKln\n"
    "-----END PRIVATE KEY-----\n";

static bool has_bytes(const struct buf *der, const void *bytes, size_t len)
{
    return memmem(der->data, der->len, bytes, len) != NULL;
}
#define HAS(der, bytes) has_bytes(der, bytes, sizeof(bytes) - 1)

#define OID_SAN "\x06\x03\x55\x1d\x11"
#define OID_KU  "\x06\x03\x55\x1d\x0f"
#define OID_EKU "\x06\x03\x55\x1d\x25"
#define TRUE_   "\x01\x01\xff"

static const struct pkey *p256, *rsa; /* shared: RSA keys take long */

static void add(struct strlist *list, const char *s)
{
    strlist_add(list, s);
}

static struct csr *build(const struct csr_request *request, const struct pkey *key)
{
    struct csr *csr = NULL;
    struct err err = {};

    ASSERT_OK(csr_new(request, key, &csr, &err));
    return csr;
}

TEST(san_is_critical_only_without_a_subject)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    struct csr_request request = {.names = &names};

    add(&names.dns_names, "a.example");
    for (int with_subject = 0; with_subject < 2; with_subject++) {
        cleanup(csr_free) struct csr *csr = NULL;
        cleanup(buf_deinit) struct buf der = BUF(4096);

        if (with_subject)
            names.common_name = xstrdup("a.example");
        csr = build(&request, p256);
        csr_to_der(csr, &der);
        ASSERT_TRUE(HAS(&der, OID_SAN));
        ASSERT_EQ(HAS(&der, OID_SAN TRUE_), !with_subject);
    }
}

TEST(all_kinds_of_names_come_back)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    const struct x509_names *got;

    add(&names.dns_names, "b.example");
    add(&names.dns_names, "*.a.example");
    add(&names.ip_addresses, "192.0.2.1");
    add(&names.ip_addresses, "2001:db8::1");
    add(&names.email_addresses, "me@example.com");
    add(&names.uris, "spiffe://a/b");
    csr = build(&(struct csr_request){.names = &names}, p256);
    got = csr_names(csr);
    ASSERT_EQ(got->dns_names.len, 2);
    ASSERT_STREQ(got->dns_names.items[0], "b.example");
    ASSERT_STREQ(got->dns_names.items[1], "*.a.example");
    ASSERT_EQ(got->ip_addresses.len, 2);
    ASSERT_STREQ(got->ip_addresses.items[0], "192.0.2.1");
    ASSERT_STREQ(got->ip_addresses.items[1], "2001:db8::1");
    ASSERT_EQ(got->email_addresses.len, 1);
    ASSERT_STREQ(got->email_addresses.items[0], "me@example.com");
    ASSERT_EQ(got->uris.len, 1);
    ASSERT_STREQ(got->uris.items[0], "spiffe://a/b");
    ASSERT_NULL(got->common_name);
    ASSERT_TRUE(pkey_equal_public(csr_public_key(csr), p256));
}

TEST(an_ipv4_address_takes_four_bytes)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);

    add(&names.ip_addresses, "::ffff:192.0.2.1");
    csr = build(&(struct csr_request){.names = &names}, p256);
    csr_to_der(csr, &der);
    ASSERT_TRUE(HAS(&der, "\x30\x06\x87\x04\xc0\x00\x02\x01"));
}

/* behaviour.md 1.3: C, O, OU, L, ST, STREET, PostalCode, CN, serialNumber; one RDN per type. */
TEST(the_subject_is_written_as_go_does)
{
    static const char order[] = "\x06\x0a\x0b\x07\x08\x09\x11\x03\x05"; /* 2.5.4.x */
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);
    const char *at;

    names.serial_number = xstrdup("77");
    names.common_name = xstrdup("a*b"); /* '*' makes it a UTF8String */
    add(&names.postal_codes, "10115");
    add(&names.street_addresses, "Weg 1");
    add(&names.provinces, "BE");
    add(&names.localities, "Berlin");
    add(&names.organizational_units, "ou");
    add(&names.organizations, "Zwei");
    add(&names.organizations, "Gr\xc3\xb6\xc3\x9f"
                              "e");
    add(&names.countries, "Germany"); /* longer than X.520 has it, as in Go */
    csr = build(&(struct csr_request){.names = &names}, p256);
    csr_to_der(csr, &der);
    at = der.data;
    for (size_t i = 0; i < sizeof(order) - 1; i++) {
        char oid[] = {0x06, 0x03, 0x55, 0x04, order[i]};

        at = memmem(at, der.len - (size_t)(at - der.data), oid, sizeof(oid));
        ASSERT_TRUE(at != NULL);
    }
    ASSERT_TRUE(HAS(&der, "\x31\x10\x30\x0e\x06\x03\x55\x04\x06\x13\x07Germany"));
    /* Both organizations in one SET, in the order of DER. */
    ASSERT_TRUE(HAS(&der, "\x31\x1d\x30\x0b\x06\x03\x55\x04\x0a\x13\x04Zwei"
                          "\x30\x0e\x06\x03\x55\x04\x0a\x0c\x07Gr\xc3\xb6\xc3\x9f"
                          "e"));
    ASSERT_TRUE(HAS(&der, "\x06\x03\x55\x04\x03\x0c\x03"
                          "a*b"));
    ASSERT_STREQ(csr_names(csr)->common_name, "a*b");
    ASSERT_STREQ(csr_names(csr)->serial_number, "77");
    ASSERT_TRUE(strlist_same_set(&csr_names(csr)->organizations, &names.organizations));
    ASSERT_STREQ(csr_names(csr)->countries.items[0], "Germany");
    ASSERT_STREQ(csr_names(csr)->postal_codes.items[0], "10115");
    ASSERT_STREQ(csr_names(csr)->street_addresses.items[0], "Weg 1");
    ASSERT_STREQ(csr_names(csr)->provinces.items[0], "BE");
    ASSERT_STREQ(csr_names(csr)->localities.items[0], "Berlin");
    ASSERT_STREQ(csr_names(csr)->organizational_units.items[0], "ou");
}

static void write_hex(const struct buf *bytes, struct buf *to)
{
    for (size_t i = 0; i < bytes->len; i++)
        buf_addf(to, "%02x", (unsigned char)bytes->data[i]);
}

/* The bytes are those of go-ldap and Go's encoding/asn1 for the same texts. */
TEST(a_literal_subject_has_the_bytes_of_cert_managers)
{
    static const struct {
        const char *text, *der;
    } rows[] = {
        {"CN=*.example.test,OU=FooLong,OU=Bar,OU=Baz,OU=Dept.,O=Corp.",
         "3067310e300c060355040a1305436f72702e310e300c060355040b1305446570742e310c300a060355040b1303"
         "42617a310c300a060355040b13034261723110300e060355040b1307466f6f4c6f6e673117301506035504030c"
         "0e2a2e6578616d706c652e74657374"},
        {"CN=foo\\,\\\"bar\\\",UID=jim,SERIALNUMBER=7,OU=a,OU=b,DC=example,DC=com,STREET=Main St. 1,"
         "L=Bern,C=CH",
         "3081ac310b3009060355040613024348310d300b060355040713044265726e311330110603550409130a4d6169"
         "6e2053742e203131133011060a0992268993f22c6401191303636f6d31173015060a0992268993f22c64011913"
         "076578616d706c65310a3008060355040b130162310a3008060355040b130161310a3008060355040513013731"
         "133011060a0992268993f22c64010113036a696d3112301006035504030c09666f6f2c2262617222"},
        {"CN=a+OU=b+C=DE,O=x",
         "302d310a3008060355040a130178311f300806035504031301613008060355040b13"
         "01623009060355040613024445"},
        {"OU=zz+OU=a", "301731153008060355040b1301613009060355040b13027a7a"},
        {"CN=Gr\\C3\\B6\\C3\\9Fe,O=Gr\xc3\xb6\xc3\x9f"
         "e",
         "30243110300e060355040a0c074772c3b6c39f653110300e06035504030c074772c3b6c39f65"},
        {"CN=a;O=b", "3018310a3008060355040a130162310a30080603550403130161"},
        {"CN = a b  , O= \\ c \\ ",
         "301d310d300b060355040a130420632020310c300a06035504031303612062"},
        {"1.2.3.4=foo,CN=", "30193109300706035504031300310c300a06032a03041303666f6f"},
        {"CN=#0c0161", "300c310a30080603550403130161"},
        {"CN=a@b.test", "30133111300f06035504030c086140622e74657374"},
        {"CN=x\\#\\+\\;\\<\\>\\=\\\\", "30133111300f06035504030c0878232b3b3c3e3d5c"},
        {"2.999.1=x", "300c310a30080603883701130178"},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf der = BUF(4096), hex = BUF(4096);

        CASE(rows[i].text);
        ASSERT_OK(subject_text_to_der(rows[i].text, &der, &err));
        write_hex(&der, &hex);
        ASSERT_STREQ(buf_str(&hex), rows[i].der);
    }
}

TEST(a_literal_subject_stands_instead_of_the_members)
{
    cleanup(x509_names_deinit) struct x509_names names = {
        .literal_subject = xstrdup("CN=a.example,OU=b,DC=c,O=d"), .common_name = xstrdup("no")};
    cleanup(csr_free) struct csr *csr = NULL, *again = NULL;
    cleanup(buf_deinit) struct buf wanted = BUF(4096), got = BUF(4096), der = BUF(4096);
    struct err err = {};

    add(&names.dns_names, "a.example");
    csr = build(&(struct csr_request){.names = &names}, p256);
    csr_to_der(csr, &der);
    ASSERT_FALSE(HAS(&der, OID_SAN TRUE_));
    ASSERT_OK(csr_look(der.data, der.len, &again, &err));
    csr_subject_to_der(again, &got);
    ASSERT_OK(subject_text_to_der(names.literal_subject, &wanted, &err));
    ASSERT_MEMEQ(got.data, got.len, wanted.data, wanted.len);
    ASSERT_STREQ(csr_names(csr)->common_name, "a.example");
    ASSERT_STREQ(csr_names(csr)->organizations.items[0], "d");
    ASSERT_NULL(csr_names(csr)->literal_subject);
}

TEST(the_common_name_of_a_text_is_the_one_that_is_read_of_its_bytes)
{
    static const char *const texts[] = {
        "CN=b+CN=a",          "CN=a+CN=b",       "CN=aa+CN=b",     "CN=a.+CN=b*",
        "CN=ü+CN=zz+CN=y",    "CN=a+CN=",        "CN=a,CN=c+CN=b", "CN=c+O=o+CN=b,CN=zz",
        "O=o+CN=c,CN=b+CN=d", "CN=+CN=,O=a+O=b",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        cleanup(x509_names_deinit) struct x509_names names = {.literal_subject = xstrdup(texts[i])};
        cleanup(csr_free) struct csr *csr = NULL, *read = NULL;
        cleanup(buf_deinit) struct buf der = BUF(4096);
        cleanup(dn_deinit) struct dn dn = {};
        struct err err = {};

        CASE(texts[i]);
        csr = build(&(struct csr_request){.names = &names}, p256);
        csr_to_der(csr, &der);
        ASSERT_OK(csr_look(der.data, der.len, &read, &err));
        ASSERT_OK(dn_parse(texts[i], &dn, &err));
        ASSERT_STREQ(dn_common_name(&dn), csr_names(read)->common_name);
    }
}

TEST(an_empty_value_is_one)
{
    cleanup(x509_names_deinit) struct x509_names names = {.literal_subject = xstrdup("CN=,O=a")};
    cleanup(csr_free) struct csr *csr = build(&(struct csr_request){.names = &names}, p256);

    ASSERT_STREQ(csr_names(csr)->common_name, "");
}

#define UPN     "1.3.6.1.4.1.311.20.2.3"
#define OID_UPN "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"

/* As Go's crypto/x509 and, behind that, cert-manager: DNS, e-mail, IP, URI, other names. */
TEST(alternative_names_come_in_the_order_of_cert_manager)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);
    const struct x509_names *got;

    x509_names_add_other(&names, UPN, "a@b");
    x509_names_add_other(&names, "1.2.3", "\xc3\xbc");
    add(&names.uris, "u:v");
    add(&names.ip_addresses, "192.0.2.1");
    add(&names.email_addresses, "e@f");
    add(&names.dns_names, "d.example");
    csr = build(&(struct csr_request){.names = &names}, p256);
    csr_to_der(csr, &der);
    ASSERT_TRUE(HAS(&der, "\x30\x3c\x82\x09"
                          "d.example\x81\x03"
                          "e@f\x87\x04\xc0\x00\x02\x01\x86\x03"
                          "u:v"
                          "\xa0\x13" OID_UPN "\xa0\x05\x0c\x03"
                          "a@b"
                          "\xa0\x0a\x06\x02\x2a\x03\xa0\x04\x0c\x02\xc3\xbc"));
    got = csr_names(csr);
    ASSERT_EQ(got->other_name_count, 2);
    ASSERT_STREQ(got->other_names[0].oid, UPN);
    ASSERT_STREQ(got->other_names[0].utf8_value, "a@b");
    ASSERT_STREQ(got->other_names[1].oid, "1.2.3");
    ASSERT_STREQ(got->other_names[1].utf8_value, "\xc3\xbc");
}

TEST(the_longest_object_identifier_comes_back)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf oid = BUF(2000);
    const struct x509_names *got;

    buf_add_str(&oid, "2");
    for (int i = 1; i < NAME_OID_ARCS; i++)
        buf_add_str(&oid, ".2147483647");
    x509_names_add_other(&names, buf_str(&oid), "a");
    csr = build(&(struct csr_request){.names = &names}, p256);
    got = csr_names(csr);
    ASSERT_EQ(got->other_name_count, 1);
    ASSERT_STREQ(got->other_names[0].oid, buf_str(&oid));
}

#define OID_BOUNDS "\x06\x03\x55\x1d\x1e"

TEST(bounds_of_a_ca_are_written_as_rfc_5280_says)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("ca")};

    for (int critical = 0; critical < 2; critical++) {
        cleanup(name_bounds_deinit) struct name_bounds bounds = {.critical = critical};
        cleanup(csr_free) struct csr *csr = NULL;
        cleanup(buf_deinit) struct buf der = BUF(4096);

        add(&bounds.permitted.uri_domains, ".u");
        add(&bounds.permitted.email_addresses, "e@f");
        add(&bounds.permitted.ip_ranges, "10.1.2.3/8");
        add(&bounds.permitted.dns_domains, "d");
        add(&bounds.excluded.dns_domains, "");
        csr = build(&(struct csr_request){.names = &names, .bounds = &bounds, .is_ca = true}, p256);
        csr_to_der(csr, &der);
        ASSERT_EQ(HAS(&der, OID_BOUNDS TRUE_), critical);
        ASSERT_TRUE(HAS(&der, "\x04\x28\x30\x26\xa0\x1e\x30\x03\x82\x01"
                              "d"
                              "\x30\x0a\x87\x08\x0a\x00\x00\x00\xff\x00\x00\x00"
                              "\x30\x05\x81\x03"
                              "e@f"
                              "\x30\x04\x86\x02.u"
                              "\xa1\x04\x30\x02\x82\x00"));
    }
}

TEST(bounds_without_any_name_are_not_written)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("ca")};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);

    csr = build(&(struct csr_request){.names = &names, .bounds = &(struct name_bounds){}}, p256);
    csr_to_der(csr, &der);
    ASSERT_FALSE(HAS(&der, OID_BOUNDS));
}

TEST(bounds_that_no_certificate_can_hold_are_refused)
{
    static const struct {
        size_t list;
        const char *text, *says;
    } rows[] = {
        {offsetof(struct subtrees, dns_domains), "\xc3\xbc.example", "DNS domain '"},
        {offsetof(struct subtrees, ip_ranges), "10.0.0.1", "'10.0.0.1' is not a range"},
        {offsetof(struct subtrees, email_addresses), "a b", "e-mail address 'a b'"},
        {offsetof(struct subtrees, email_addresses), "a@b@c", "e-mail address 'a@b@c'"},
        {offsetof(struct subtrees, uri_domains), "\xc3\xbc", "URI domain"},
        {offsetof(struct subtrees, uri_domains), "192.0.2.1", "URI domain '192.0.2.1'"},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(x509_names_deinit) struct x509_names names = {};
        cleanup(name_bounds_deinit) struct name_bounds bounds = {};
        struct csr_request request = {.names = &names, .bounds = &bounds};
        struct csr *csr = NULL;

        CASE(rows[i].says);
        add((struct strlist *)((char *)&bounds.excluded + rows[i].list), rows[i].text);
        ASSERT_ERR(ERR_INVALID, csr_new(&request, p256, &csr, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
        ASSERT_CONTAINS(err.text, "name constraints: ");
    }
}

TEST(other_names_and_subjects_that_no_certificate_can_hold_are_refused)
{
    static const struct {
        const char *subject, *oid, *value, *says;
    } rows[] = {
        {NULL, "BAD_OID", "a", "'BAD_OID' is not an object identifier"},
        {NULL, "1.40", "a", "'1.40' is not"},
        {NULL, "1.2", "", "is empty or not UTF-8"},
        {NULL, "1.2", "\xff", "is empty or not UTF-8"},
        {"UNKNOWN=blah", NULL, NULL, "subject: 'UNKNOWN' at byte 1"},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(x509_names_deinit) struct x509_names names = {};
        struct csr *csr = NULL;

        CASE(rows[i].says);
        if (rows[i].subject)
            names.literal_subject = xstrdup(rows[i].subject);
        else
            x509_names_add_other(&names, rows[i].oid, rows[i].value);
        ASSERT_ERR(ERR_INVALID, csr_new(&(struct csr_request){.names = &names}, p256, &csr, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
    }
}

TEST(usages_become_the_bits_and_oids_of_rfc_5280)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);
    struct csr_request request = {
        .names = &names,
        .encode_usages = true,
        .usages = USAGE(SIGNING) | USAGE(KEY_ENCIPHERMENT) | USAGE(SERVER_AUTH) | USAGE(SMIME) |
                  USAGE(EMAIL_PROTECTION),
    };
    bool has = false;

    csr = build(&request, p256);
    csr_to_der(csr, &der);
    ASSERT_TRUE(HAS(&der, OID_KU TRUE_ "\x04\x04\x03\x02\x05\xa0"));
    ASSERT_TRUE(HAS(&der, OID_EKU "\x04\x16\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"
                                  "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x04"));
    ASSERT_EQ(csr_usages(csr, &has), USAGE(DIGITAL_SIGNATURE) | USAGE(KEY_ENCIPHERMENT) |
                                         USAGE(SERVER_AUTH) | USAGE(EMAIL_PROTECTION));
    ASSERT_TRUE(has);
}

TEST(every_usage_survives_the_way_through_a_request)
{
    cleanup(x509_names_deinit) struct x509_names names = {};

    for (int usage = USAGE_NONE + 1; usage < USAGE_COUNT; usage++) {
        cleanup(csr_free) struct csr *csr = NULL;
        struct csr_request request = {.names = &names, .encode_usages = true};
        key_usages expected = (key_usages)1 << usage;
        bool has = false;

        request.usages = expected;
        if (usage == USAGE_SIGNING)
            expected = USAGE(DIGITAL_SIGNATURE);
        if (usage == USAGE_SMIME)
            expected = USAGE(EMAIL_PROTECTION);
        csr = build(&request, p256);
        ASSERT_EQ(csr_usages(csr, &has), expected);
        ASSERT_TRUE(has);
    }
}

TEST(usages_stay_out_when_not_asked_for)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *plain = NULL;
    cleanup(csr_free) struct csr *none = NULL;
    cleanup(csr_free) struct csr *ca = NULL;
    bool has = true;

    plain = build(&(struct csr_request){.names = &names, .usages = USAGE(ANY), .is_ca = true},
                  p256);
    ASSERT_EQ(csr_usages(plain, &has), 0);
    ASSERT_FALSE(has);
    none = build(&(struct csr_request){.names = &names, .encode_usages = true}, p256);
    (void)csr_usages(none, &has);
    ASSERT_FALSE(has);
    ca = build(&(struct csr_request){.names = &names, .encode_usages = true, .is_ca = true}, p256);
    ASSERT_EQ(csr_usages(ca, &has), USAGE(CERT_SIGN));
    ASSERT_TRUE(has);
}

/* The DER of the AlgorithmIdentifier's OID says which. */
#define SHA256_RSA   "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
#define SHA384_RSA   "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"
#define SHA512_RSA   "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"
#define ECDSA_SHA256 "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
#define ECDSA_SHA384 "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"
#define ECDSA_SHA512 "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"
#define ED25519      "\x06\x03\x2b\x65\x70"

static const struct pkey *key_of_size(enum key_algorithm algorithm, int size)
{
    const struct pkey *key = NULL;
    struct err err = {};

    if (algorithm == KEY_RSA && size == 2048)
        return pkey_ref(rsa);
    if (algorithm == KEY_RSA && size == 3072)
        ASSERT_OK(pkey_from_pem(rsa3072_pem, strlen(rsa3072_pem), &key, &err));
    else if (algorithm == KEY_RSA)
        ASSERT_OK(pkey_from_pem(rsa4096_pem, strlen(rsa4096_pem), &key, &err));
    else
        ASSERT_OK(pkey_generate(algorithm, size, &key, &err));
    return key;
}

TEST(the_signature_algorithm_follows_the_key_or_the_wish)
{
    static const struct {
        const char *name;
        enum key_algorithm key;
        int size;
        enum signature_algorithm wish;
        const char *oid; /* NULL: refused */
    } rows[] = {
        {"rsa 2048", KEY_RSA, 2048, SIGNATURE_DEFAULT, SHA256_RSA},
        {"rsa 3072", KEY_RSA, 3072, SIGNATURE_DEFAULT, SHA384_RSA},
        {"rsa 4096", KEY_RSA, 4096, SIGNATURE_DEFAULT, SHA512_RSA},
        {"rsa sha512", KEY_RSA, 2048, SIGNATURE_SHA512_RSA, SHA512_RSA},
        {"p-256", KEY_ECDSA, 256, SIGNATURE_DEFAULT, ECDSA_SHA256},
        {"p-384", KEY_ECDSA, 384, SIGNATURE_DEFAULT, ECDSA_SHA384},
        {"p-521", KEY_ECDSA, 521, SIGNATURE_DEFAULT, ECDSA_SHA512},
        {"p-256 sha384", KEY_ECDSA, 256, SIGNATURE_ECDSA_SHA384, ECDSA_SHA384},
        {"ed25519", KEY_ED25519, 0, SIGNATURE_DEFAULT, ED25519},
        {"ed25519 wish", KEY_ED25519, 0, SIGNATURE_ED25519, ED25519},
        {"rsa as ecdsa", KEY_RSA, 2048, SIGNATURE_ECDSA_SHA256, NULL},
        {"ecdsa as rsa", KEY_ECDSA, 256, SIGNATURE_SHA256_RSA, NULL},
        {"ecdsa as ed25519", KEY_ECDSA, 256, SIGNATURE_ED25519, NULL},
        {"ed25519 as ecdsa", KEY_ED25519, 0, SIGNATURE_ECDSA_SHA512, NULL},
    };
    cleanup(x509_names_deinit) struct x509_names names = {};
    struct err err = {};

    add(&names.dns_names, "a.example");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct csr_request request = {.names = &names, .signature = rows[i].wish};
        cleanup(pkey_unref) const struct pkey *key = NULL;
        cleanup(csr_free) struct csr *csr = NULL;
        cleanup(csr_free) struct csr *again = NULL;
        cleanup(buf_deinit) struct buf der = BUF(4096);

        CASE(rows[i].name);
        key = key_of_size(rows[i].key, rows[i].size);
        if (!rows[i].oid) {
            ASSERT_ERR(ERR_INVALID, csr_new(&request, key, &csr, &err));
            continue;
        }
        csr = build(&request, key);
        csr_to_der(csr, &der);
        ASSERT_TRUE(has_bytes(&der, rows[i].oid, strlen(rows[i].oid)));
        ASSERT_OK(csr_parse(der.data, der.len, &again, &err));
    }
}

TEST(names_that_no_certificate_can_hold_are_refused)
{
    static const struct {
        const char *name;
        size_t list;
        const char *text, *says;
    } rows[] = {
        {"u-label", offsetof(struct x509_names, dns_names),
         "b\xc3\xbc"
         "cher.example",
         "xn--"},
        {"empty", offsetof(struct x509_names, dns_names), "", "empty DNS name"},
        {"no ip", offsetof(struct x509_names, ip_addresses), "1.2.3", "not an IP"},
        {"no utf-8", offsetof(struct x509_names, organizations), "\xff", "not UTF-8"},
        {"uri", offsetof(struct x509_names, uris), "http://\xc3\xbc", "URI"},
        {"host", offsetof(struct x509_names, uris), "http://a b/", "the URI 'http://a b/'"},
        {"mail", offsetof(struct x509_names, email_addresses), "\xc3\xbc@a", "e-mail"},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(x509_names_deinit) struct x509_names names = {};
        struct csr *csr = NULL;

        CASE(rows[i].name);
        add((struct strlist *)((char *)&names + rows[i].list), rows[i].text);
        ASSERT_ERR(ERR_INVALID, csr_new(&(struct csr_request){.names = &names}, p256, &csr, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
    }
}

TEST(a_request_of_the_openssl_program_is_read)
{
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(csr_free) struct csr *plain = NULL;
    cleanup(buf_deinit) struct buf pem = BUF(4096);
    const struct x509_names *names;
    struct err err = {};
    bool has = false;

    ASSERT_OK(csr_parse(openssl_csr_pem, strlen(openssl_csr_pem), &csr, &err));
    names = csr_names(csr);
    ASSERT_STREQ(names->common_name, "www.example.com");
    ASSERT_STREQ(names->organizations.items[0], "Example");
    ASSERT_EQ(names->dns_names.len, 2);
    ASSERT_STREQ(names->dns_names.items[1], "example.com");
    ASSERT_STREQ(names->ip_addresses.items[0], "192.0.2.7");
    ASSERT_STREQ(names->email_addresses.items[0], "me@example.com");
    ASSERT_STREQ(names->uris.items[0], "https://example.com/x");
    ASSERT_EQ(csr_usages(csr, &has),
              USAGE(DIGITAL_SIGNATURE) | USAGE(CERT_SIGN) | USAGE(CLIENT_AUTH));
    ASSERT_TRUE(has);
    csr_to_pem(csr, &pem);
    ASSERT_STREQ(buf_str(&pem), openssl_csr_pem);

    /* "NEW CERTIFICATE REQUEST", Ed25519, no extensions */
    ASSERT_OK(csr_parse(plain_csr_pem, strlen(plain_csr_pem), &plain, &err));
    ASSERT_STREQ(csr_names(plain)->common_name, "plain.example");
    ASSERT_EQ(pkey_algorithm(csr_public_key(plain)), KEY_ED25519);
    ASSERT_EQ(csr_usages(plain, &has), 0);
    ASSERT_FALSE(has);
}

TEST(a_look_at_a_request_hashes_its_public_key)
{
    static const char *const rows[] = {openssl_csr_pem, plain_csr_pem};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(csr_free) struct csr *look = NULL, *csr = NULL;
        unsigned char of_look[SHA256_LEN], of_csr[SHA256_LEN], of_key[SHA256_LEN];
        struct err err = {};

        ASSERT_OK(csr_look(rows[i], strlen(rows[i]), &look, &err));
        ASSERT_OK(csr_parse(rows[i], strlen(rows[i]), &csr, &err));
        csr_public_hash(look, of_look);
        csr_public_hash(csr, of_csr);
        pkey_public_hash(csr_public_key(csr), of_key);
        ASSERT_MEMEQ(of_look, SHA256_LEN, of_key, SHA256_LEN);
        ASSERT_MEMEQ(of_csr, SHA256_LEN, of_key, SHA256_LEN);
    }
}

TEST(what_is_not_a_signed_request_is_refused)
{
    static const struct {
        const char *name, *text, *says;
        size_t len; /* 0: of the text */
    } rows[] = {
        {"nothing", "", "not a certificate request", 0},
        {"text", "hello", "not a certificate request", 0},
        {"other block", "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
         "not 'CERTIFICATE REQUEST'", 0},
        {"forged", forged_csr_pem, "own signature", 0},
        {"garbage",
         "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n",
         "cannot be read", 0},
        {"garbage der", "\x30\x03\x02\x01\x00", "cannot be read", 5},
        {"cut der", "\x30\x82\x02", "cannot be read", 3},
    };
    struct csr *csr = NULL;
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = rows[i].len ? rows[i].len : strlen(rows[i].text);

        CASE(rows[i].name);
        ASSERT_ERR(ERR_INVALID, csr_parse(rows[i].text, len, &csr, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
        ASSERT_NULL(csr);
    }
}

/* Those that are there already are looked at all the same. */
TEST(a_request_for_a_certificate_that_go_cannot_read_is_refused)
{
    cleanup(csr_free) struct csr *odd = NULL;
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(unreadable); i++) {
        cleanup(csr_free) struct csr *look = NULL;
        struct csr *csr = NULL;

        CASE(unreadable[i].name);
        ASSERT_ERR(ERR_INVALID,
                   csr_parse(unreadable[i].pem, strlen(unreadable[i].pem), &csr, &err));
        ASSERT_CONTAINS(err.text, unreadable[i].says);
        ASSERT_OK(csr_look(unreadable[i].pem, strlen(unreadable[i].pem), &look, &err));
    }
    ASSERT_OK(csr_parse(odd_uris_csr_pem, strlen(odd_uris_csr_pem), &odd, &err));
    ASSERT_STREQ(csr_names(odd)->uris.items[0], "urn:a b");
    ASSERT_STREQ(csr_names(odd)->uris.items[1], "a");
}

/* CERTMAN-8: memory by what a length in DER says. */
TEST(a_request_is_bounded_and_has_nothing_behind_it)
{
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(2 * LIMIT_CERT_PEM);
    struct csr *got = NULL;
    struct err err = {};

    ASSERT_OK(csr_parse(openssl_csr_pem, strlen(openssl_csr_pem), &csr, &err));
    csr_to_der(csr, &der);
    buf_add_char(&der, 0);
    ASSERT_ERR(ERR_INVALID, csr_parse(der.data, der.len, &got, &err));
    while (der.len <= LIMIT_CERT_PEM)
        buf_add_char(&der, 0);
    ASSERT_ERR(ERR_TOO_LARGE, csr_parse(der.data, der.len, &got, &err));
}

static int make_keys(void **state)
{
    if (pkey_generate(KEY_RSA, 2048, &rsa, NULL) < 0)
        return -1;
    return pkey_generate(KEY_ECDSA, 256, &p256, NULL);
}

static int free_keys(void **state)
{
    pkey_unref(rsa);
    pkey_unref(p256);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(san_is_critical_only_without_a_subject),
        cmocka_unit_test(all_kinds_of_names_come_back),
        cmocka_unit_test(an_ipv4_address_takes_four_bytes),
        cmocka_unit_test(the_subject_is_written_as_go_does),
        cmocka_unit_test(a_literal_subject_has_the_bytes_of_cert_managers),
        cmocka_unit_test(a_literal_subject_stands_instead_of_the_members),
        cmocka_unit_test(the_common_name_of_a_text_is_the_one_that_is_read_of_its_bytes),
        cmocka_unit_test(an_empty_value_is_one),
        cmocka_unit_test(alternative_names_come_in_the_order_of_cert_manager),
        cmocka_unit_test(bounds_of_a_ca_are_written_as_rfc_5280_says),
        cmocka_unit_test(bounds_without_any_name_are_not_written),
        cmocka_unit_test(bounds_that_no_certificate_can_hold_are_refused),
        cmocka_unit_test(the_longest_object_identifier_comes_back),
        cmocka_unit_test(other_names_and_subjects_that_no_certificate_can_hold_are_refused),
        cmocka_unit_test(usages_become_the_bits_and_oids_of_rfc_5280),
        cmocka_unit_test(every_usage_survives_the_way_through_a_request),
        cmocka_unit_test(usages_stay_out_when_not_asked_for),
        cmocka_unit_test(the_signature_algorithm_follows_the_key_or_the_wish),
        cmocka_unit_test(names_that_no_certificate_can_hold_are_refused),
        cmocka_unit_test(a_request_of_the_openssl_program_is_read),
        cmocka_unit_test(a_look_at_a_request_hashes_its_public_key),
        cmocka_unit_test(what_is_not_a_signed_request_is_refused),
        cmocka_unit_test(a_request_for_a_certificate_that_go_cannot_read_is_refused),
        cmocka_unit_test(a_request_is_bounded_and_has_nothing_behind_it),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
