#include "pki/pkey.h"

#include <stdio.h>

#include "base/base64.h"
#include "base/limits.h"
#include "base/str.h"
#include "support/testing.h"

/* Throw-away keys, written by the openssl program. */
static const char rsa1_pem[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                               "MIIEowIBAAKCAQEAunt2sF+fY65Va3C9QBnjbHwHydrMA24PNUMr7motwlmiA/MZ\n"
                               "eViupXnxR8iEtQ5Mz0sInmyNN4rkGK0GtAXwDl2K2U63XAFPQR2+RsK6COtndf6/\n"
                               "doL7IN09I36mUkA5LB7xSkRoUkipTRee/5Y+kdKZcsoHNVUwqkHnceITAgaL4NvZ\n"
                               "+nhzOncVrtQhBGgVa5HgbPSnOcges1lcnZe1MMzJxKOpkMtD3OeENdq6FzndjwrY\n"
                               "IuJXAkowg79HEg1ut3HGTmePSPaVRTiEiGrkGrgZHtNBTRnvPEMmpllABN6hdlcl\n"
                               "Zs9gRv/4p9rt9gQwHOarYhbga3/h4fs3BygVfQIDAQABAoIBAC5GLc0VZWFgZLzs\n"
                               "9GFAK1GDs5EQ1JgzSt3OJcwbF/DGui/dtqAIdAoG6OsFpHyjKEc2GNTrHd2+/tvq\n"
                               "r6OjZ47BAo/q+w//GTIQ1eMMNgq5k2pRxSP826ErlRzGNDJr0mQS55AkynhEpJJH\n"
                               "PsKwfyVDS6WS4VgIJDPTd8GoNkxFc/xeYqbUajv/5XUntN0LcqPR6fnxhjWvrDzF\n"
                               "ZSiv8mmZLJHTVmREz4SnOGdAhgmLVNEEW2lA7KYxrcgLYoOs+ye9m4t+l+FQ1opa\n"
                               "jMWLAL0o4b08IUygLKO5qBRy/TrJJ7FDWGonUk1RD5c5LBFvKn3BIJA4johUdgAE\n"
                               "tFDpzScCgYEA5wfnyBMLThnpjdy/ApWpUKY3DBP78EFOCZDIeqc5koAxWt18xHAs\n"
                               "/Izo6w9oQ0jxM4EQYbqqi/fPuLgr1E5QQBSLw/byQb/pTjHUNNTGrsuUK9V7F2eY\n"
                               "MWXhVHXL0Y6rYIwQgvqkh4pkpMequVVNRoQtuaxrhcx6CPxhAagpzWMCgYEAzqMA\n"
                               "KMX7Yugt/JuXAvORrm/iWnIedAB/yELZpF8cj82SEnWnzPpY0EounBIaIfTuj45H\n"
                               "VqN27UkD4MHygPx+8ysdjqdsj3CH2lo4adzvgSBswfSd1gdD73D0FKJFClD7DlCK\n"
                               "oMsUFbPLJQYbI3e2ImrpgJ+W9OJVqRjw2oYN958CgYEA4dzprcFokP9mROml19oH\n"
                               "ALCvKmCzMsw1hcaFKNwpvd8T4Vid7NIaOQFtiLi0XuuF26t3H4RFzbcE3fs35kR1\n"
                               "0mAD0B6x8rOzXF38r3XBlAu1HTGFOHlv4gNPSqorDAFl7GqijdqKVXRoNmx5rN0H\n"
                               "QkRhC5/UMqeYOwa5s8v6qi8CgYB1PLf3ajSxrieBPcmVDBpojOQxCrRKfooBViRj\n"
                               "hO8Qi8LHpGda/eLr8lq1g/O9tlivrDq/ZikwgY+osoFjO17PmnO/nzARxffeI/gD\n"
                               "4C0m5v2toZr3dtHNhRmGp3ZiXwXB3mJ4zh+MHKEyVV+KZP46Usw+hM1CDTQqp5Ln\n"
                               "eM1t4wKBgEM5IY95Mhew5F2LaSVPNtEVkPEDyJ/iy2Bg5SLf4WlZXsjOMIfG1ZbP\n"
                               "kr9rg7H/MlxbrFq0ns2FUuwRUnXo0g9T6x7Wk3AKmrPXXgaYa+Iu2gY7UzoOO3pk\n"
                               "TI+Be3XkRRVirSAgGcht5Pu7N6SXD0xkcnZhd0RQBEfwgKd2mg6I\n"
                               "-----END RSA PRIVATE KEY-----\n";

static const char rsa8_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC6e3awX59jrlVr\n"
                               "cL1AGeNsfAfJ2swDbg81Qyvuai3CWaID8xl5WK6lefFHyIS1DkzPSwiebI03iuQY\n"
                               "rQa0BfAOXYrZTrdcAU9BHb5GwroI62d1/r92gvsg3T0jfqZSQDksHvFKRGhSSKlN\n"
                               "F57/lj6R0plyygc1VTCqQedx4hMCBovg29n6eHM6dxWu1CEEaBVrkeBs9Kc5yB6z\n"
                               "WVydl7UwzMnEo6mQy0Pc54Q12roXOd2PCtgi4lcCSjCDv0cSDW63ccZOZ49I9pVF\n"
                               "OISIauQauBke00FNGe88QyamWUAE3qF2VyVmz2BG//in2u32BDAc5qtiFuBrf+Hh\n"
                               "+zcHKBV9AgMBAAECggEALkYtzRVlYWBkvOz0YUArUYOzkRDUmDNK3c4lzBsX8Ma6\n"
                               "L922oAh0Cgbo6wWkfKMoRzYY1Osd3b7+2+qvo6NnjsECj+r7D/8ZMhDV4ww2CrmT\n"
                               "alHFI/zboSuVHMY0MmvSZBLnkCTKeESkkkc+wrB/JUNLpZLhWAgkM9N3wag2TEVz\n"
                               "/F5iptRqO//ldSe03Qtyo9Hp+fGGNa+sPMVlKK/yaZkskdNWZETPhKc4Z0CGCYtU\n"
                               "0QRbaUDspjGtyAtig6z7J72bi36X4VDWilqMxYsAvSjhvTwhTKAso7moFHL9Oskn\n"
                               "sUNYaidSTVEPlzksEW8qfcEgkDiOiFR2AAS0UOnNJwKBgQDnB+fIEwtOGemN3L8C\n"
                               "lalQpjcME/vwQU4JkMh6pzmSgDFa3XzEcCz8jOjrD2hDSPEzgRBhuqqL98+4uCvU\n"
                               "TlBAFIvD9vJBv+lOMdQ01Mauy5Qr1XsXZ5gxZeFUdcvRjqtgjBCC+qSHimSkx6q5\n"
                               "VU1GhC25rGuFzHoI/GEBqCnNYwKBgQDOowAoxfti6C38m5cC85Gub+Jach50AH/I\n"
                               "QtmkXxyPzZISdafM+ljQSi6cEhoh9O6PjkdWo3btSQPgwfKA/H7zKx2Op2yPcIfa\n"
                               "Wjhp3O+BIGzB9J3WB0PvcPQUokUKUPsOUIqgyxQVs8slBhsjd7YiaumAn5b04lWp\n"
                               "GPDahg33nwKBgQDh3OmtwWiQ/2ZE6aXX2gcAsK8qYLMyzDWFxoUo3Cm93xPhWJ3s\n"
                               "0ho5AW2IuLRe64Xbq3cfhEXNtwTd+zfmRHXSYAPQHrHys7NcXfyvdcGUC7UdMYU4\n"
                               "eW/iA09KqisMAWXsaqKN2opVdGg2bHms3QdCRGELn9Qyp5g7Brmzy/qqLwKBgHU8\n"
                               "t/dqNLGuJ4E9yZUMGmiM5DEKtEp+igFWJGOE7xCLwsekZ1r94uvyWrWD8722WK+s\n"
                               "Or9mKTCBj6iygWM7Xs+ac7+fMBHF994j+APgLSbm/a2hmvd20c2FGYandmJfBcHe\n"
                               "YnjOH4wcoTJVX4pk/jpSzD6EzUINNCqnkud4zW3jAoGAQzkhj3kyF7DkXYtpJU82\n"
                               "0RWQ8QPIn+LLYGDlIt/haVleyM4wh8bVls+Sv2uDsf8yXFusWrSezYVS7BFSdejS\n"
                               "D1PrHtaTcAqas9deBphr4i7aBjtTOg47emRMj4F7deRFFWKtICAZyG3k+7s3pJcP\n"
                               "TGRydmF3RFAER/CAp3aaDog=\n"
                               "-----END PRIVATE KEY-----\n";

static const char ec_params_pem[] =
    "-----BEGIN EC PARAMETERS-----\n"
    "BggqhkjOPQMBBw==\n"
    "-----END EC PARAMETERS-----\n"
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIGQGBEe4NtDQoreF6S8ZZXPOwJ3FTmLHarht4m1ZYFr8oAoGCCqGSM49\n"
    "AwEHoUQDQgAELVudmFEDuPz7LPT0xw4awWKibS3LlTwERHQcO/nUY8o9WzaBf/0Z\n"
    "cfd30l65GMedf39Qvu3Hk51KePHyLHqUYA==\n"
    "-----END EC PRIVATE KEY-----\n";

static const char ec8_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZAYER7g20NCit4Xp\n"
                              "Lxllc87AncVOYsdquG3ibVlgWvyhRANCAAQtW52YUQO4/Pss9PTHDhrBYqJtLcuV\n"
                              "PAREdBw7+dRjyj1bNoF//Rlx93fSXrkYx51/f1C+7ceTnUp48fIsepRg\n"
                              "-----END PRIVATE KEY-----\n";

static const char ed_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                             "MC4CAQAwBQYDK2VwBCIEIF53gmOwdTAiFSnNqLaoAFWjDBeZV7hTsUZnmrJAIXba\n"
                             "-----END PRIVATE KEY-----\n";

static const char secp384r1_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MIGkAgEBBDA/vvF2ZM1eEeM6MTWvVfnMiiskmCmaEle9DcttFXXWUfC75RURlgRs\n"
    "uj3jauBZ0HGgBwYFK4EEACKhZANiAASuiS33YbUIWY8I4VXBNdLAbnhkN/cjfUHW\n"
    "vhDELi+P5Q7TrWUq1INAdhTXimJ0nFHuq+NXFPOkqit+u9lbZ+DHDQ3WrpJqueV6\n"
    "h3R2IbErsQpAzQT2q/MKa54ibAb/VTo=\n"
    "-----END EC PRIVATE KEY-----\n";

static const char secp521r1_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MIHcAgEBBEIAf9eA3JePcM1xur0duK8j6EAi6i+ambt0MCTNyhJbQeUjqnUh7mGy\n"
    "1XdCUoD0MpDsXuf/e6wMO0+UdAUMzTg9/segBwYFK4EEACOhgYkDgYYABAFC+EDM\n"
    "+GvhLK9qF4zJoPrBQz9Ofi5xxzfl6F3tVPtCmJNpZjLfFBHqAoMesBQulNIrBV9W\n"
    "XhNc16SfoMU6mwlk8AGn4KfICq1mY/eD6EgnTRzObDQjfgizKHwhNC1+76IcKofM\n"
    "WvJ9sqHdWvxij3EuHIyKQXfk5gL02/k/sc5EY31wdw==\n"
    "-----END EC PRIVATE KEY-----\n";

static const char secp256k1_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHQCAQEEIN+gIYwnnZfCToN7JhvWMPqXTEy8jS3Ii5nkER2pVn3WoAcGBSuBBAAK\n"
    "oUQDQgAEnqOpDw4W7xK3tQGZ0B2FAb5YuihmNpT6AXbGmxgcKzoMo/kSxA57suFC\n"
    "NUKi196xift4FkAyV+Xc1xkjeRZe3Q==\n"
    "-----END EC PRIVATE KEY-----\n";

static const char x25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VuBCIEINjqg35prSVcmw68KsQE0+h0eUC3Pl36XUabwrxjg9lP\n"
    "-----END PRIVATE KEY-----\n";

static const char ec_enc_pem[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhi75kFPyy9HwICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEPtMfKfivEOS8jLuOb5l+BIEgZCl\n"
    "vMf5yVP2s5/vW8Q22WncP4yMwSq+nEIacdQXY5R+MgZB6I39TlPAoXedAqNBXZE3\n"
    "rQbNT8RL2qm3vtXynzxU9/3tu9ERRgJnYNgYv3YRy2gGV7oP96/jU2fct0uMa3wV\n"
    "QtvKDevw8b2ZBki8hr1Tkyfu1O139IadgPGX6Pl7RJVeNs867kreIPVY9sc78iw=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

static const char ec_legacy_enc_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,DA7EF44E3D7A27BE6A19EBD4F5B00058\n"
    "\n"
    "/OK2fqIpsQw51qqIEQlkzXcCo5mu/HchL9UJyXfuHeqMrcgZBTQwMPR2/6DOJZZI\n"
    "2sQK6TBDOelfjl5r2YDKk24+jp7OtJt70LlSPqUovGL7Cmg+rIwMNDG3OMFUhD6i\n"
    "RtfmE2Jj3VgG1PBwfMtGRCpz8+davwqJpgpaedQQls0=\n"
    "-----END EC PRIVATE KEY-----\n";

/* The key above with another private exponent, and with the public point of another key. */
static const char rsa_bad_pem[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEowIBAAKCAQEAunt2sF+fY65Va3C9QBnjbHwHydrMA24PNUMr7motwlmiA/MZ\n"
    "eViupXnxR8iEtQ5Mz0sInmyNN4rkGK0GtAXwDl2K2U63XAFPQR2+RsK6COtndf6/\n"
    "doL7IN09I36mUkA5LB7xSkRoUkipTRee/5Y+kdKZcsoHNVUwqkHnceITAgaL4NvZ\n"
    "+nhzOncVrtQhBGgVa5HgbPSnOcges1lcnZe1MMzJxKOpkMtD3OeENdq6FzndjwrY\n"
    "IuJXAkowg79HEg1ut3HGTmePSPaVRTiEiGrkGrgZHtNBTRnvPEMmpllABN6hdlcl\n"
    "Zs9gRv/4p9rt9gQwHOarYhbga3/h4fs3BygVfQIDAQABAoIBAC5GLc0VZWFgZLzs\n"
    "9GFAK1GDs5EQ1JgzSt3OJcwbF/DGui/dtqAIdAoG6OsFpHyjKEc2GNTrHd2+/tvq\n"
    "r6OjZ47BAo/q+w//GTIQ1eMMNgq5k2pRxSP826ErlRzGNDJr0mQS55AkynhEpJJH\n"
    "PsKwfyVDS6WS4VgIJDPTd8GoNkxFc/xeYqbUajv/5XUntN0LcqPR6fnxhjWvrDzF\n"
    "ZSiv8mmZLJHTVmREz4SnOGdAhgmLVNEEW2lA7KYxrcgLYoOs+ye9m4t+l+FQ1opa\n"
    "jMWLAL0o4b08IUygLKO5qBRy/TrJJ7FDWGonUk1RD5c5LBFvKn3BIJA4johUdgAE\n"
    "tFDpzSkCgYEA5wfnyBMLThnpjdy/ApWpUKY3DBP78EFOCZDIeqc5koAxWt18xHAs\n"
    "/Izo6w9oQ0jxM4EQYbqqi/fPuLgr1E5QQBSLw/byQb/pTjHUNNTGrsuUK9V7F2eY\n"
    "MWXhVHXL0Y6rYIwQgvqkh4pkpMequVVNRoQtuaxrhcx6CPxhAagpzWMCgYEAzqMA\n"
    "KMX7Yugt/JuXAvORrm/iWnIedAB/yELZpF8cj82SEnWnzPpY0EounBIaIfTuj45H\n"
    "VqN27UkD4MHygPx+8ysdjqdsj3CH2lo4adzvgSBswfSd1gdD73D0FKJFClD7DlCK\n"
    "oMsUFbPLJQYbI3e2ImrpgJ+W9OJVqRjw2oYN958CgYEA4dzprcFokP9mROml19oH\n"
    "ALCvKmCzMsw1hcaFKNwpvd8T4Vid7NIaOQFtiLi0XuuF26t3H4RFzbcE3fs35kR1\n"
    "0mAD0B6x8rOzXF38r3XBlAu1HTGFOHlv4gNPSqorDAFl7GqijdqKVXRoNmx5rN0H\n"
    "QkRhC5/UMqeYOwa5s8v6qi8CgYB1PLf3ajSxrieBPcmVDBpojOQxCrRKfooBViRj\n"
    "hO8Qi8LHpGda/eLr8lq1g/O9tlivrDq/ZikwgY+osoFjO17PmnO/nzARxffeI/gD\n"
    "4C0m5v2toZr3dtHNhRmGp3ZiXwXB3mJ4zh+MHKEyVV+KZP46Usw+hM1CDTQqp5Ln\n"
    "eM1t4wKBgEM5IY95Mhew5F2LaSVPNtEVkPEDyJ/iy2Bg5SLf4WlZXsjOMIfG1ZbP\n"
    "kr9rg7H/MlxbrFq0ns2FUuwRUnXo0g9T6x7Wk3AKmrPXXgaYa+Iu2gY7UzoOO3pk\n"
    "TI+Be3XkRRVirSAgGcht5Pu7N6SXD0xkcnZhd0RQBEfwgKd2mg6I\n"
    "-----END RSA PRIVATE KEY-----\n";

static const char ec_bad_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIGQGBEe4NtDQoreF6S8ZZXPOwJ3FTmLHarht4m1ZYFr8oAoGCCqGSM49\n"
    "AwEHoUQDQgAEAOefcNtKKBXUqdJjxb6HutO/haRBODfSE0UrQmSMfA6ZzbU3kle6\n"
    "1/cKwntVyjp10BJwrlqIRIsF6iD6Av3DtA==\n"
    "-----END EC PRIVATE KEY-----\n";

/* The private number is the order of the curve and one more, so the public point is that of 1. */
static const char ec_large_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIP////8AAAAA//////////+85vqtpxeehPO5ysL8YyVSoAoGCCqGSM49AwEHoUQDQgAE\n"
    "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7L\n"
    "tkBoN79R9Q==\n"
    "-----END EC PRIVATE KEY-----\n";

/* The same numbers in the other encoding. */
static const char p256_sec1_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIGQGBEe4NtDQoreF6S8ZZXPOwJ3FTmLHarht4m1ZYFr8oAoGCCqGSM49\n"
    "AwEHoUQDQgAELVudmFEDuPz7LPT0xw4awWKibS3LlTwERHQcO/nUY8o9WzaBf/0Z\n"
    "cfd30l65GMedf39Qvu3Hk51KePHyLHqUYA==\n"
    "-----END EC PRIVATE KEY-----\n";
static const char p384_pkcs8_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDA/vvF2ZM1eEeM6MTWv\n"
    "VfnMiiskmCmaEle9DcttFXXWUfC75RURlgRsuj3jauBZ0HGhZANiAASuiS33YbUI\n"
    "WY8I4VXBNdLAbnhkN/cjfUHWvhDELi+P5Q7TrWUq1INAdhTXimJ0nFHuq+NXFPOk\n"
    "qit+u9lbZ+DHDQ3WrpJqueV6h3R2IbErsQpAzQT2q/MKa54ibAb/VTo=\n"
    "-----END PRIVATE KEY-----\n";
static const char p521_pkcs8_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAf9eA3JePcM1xur0d\n"
    "uK8j6EAi6i+ambt0MCTNyhJbQeUjqnUh7mGy1XdCUoD0MpDsXuf/e6wMO0+UdAUM\n"
    "zTg9/sehgYkDgYYABAFC+EDM+GvhLK9qF4zJoPrBQz9Ofi5xxzfl6F3tVPtCmJNp\n"
    "ZjLfFBHqAoMesBQulNIrBV9WXhNc16SfoMU6mwlk8AGn4KfICq1mY/eD6EgnTRzO\n"
    "bDQjfgizKHwhNC1+76IcKofMWvJ9sqHdWvxij3EuHIyKQXfk5gL02/k/sc5EY31w\n"
    "dw==\n"
    "-----END PRIVATE KEY-----\n";
/* The number 1: zeros in front stay. */
static const char p256_one_pem[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABoAoGCCqGSM49\n"
    "AwEHoUQDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/\n"
    "m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
    "-----END EC PRIVATE KEY-----\n";

/* RSA takes long: the tests share one that was generated. */
static const struct pkey *generated_rsa;

static const struct pkey *read_key(const char *pem)
{
    const struct pkey *key = NULL;
    struct err err = {};

    ASSERT_OK(pkey_from_pem(pem, strlen(pem), &key, &err));
    return key;
}

/* Looking at it tells the same. */
static void check_look(const char *pem, const struct pkey *key)
{
    struct pkey_look look = {};
    unsigned char hash[SHA256_LEN];
    struct err err = {};

    ASSERT_OK(pkey_look(pem, strlen(pem), &look, &err));
    pkey_public_hash(key, hash);
    ASSERT_EQ(look.algorithm, pkey_algorithm(key));
    ASSERT_EQ(look.size, pkey_size(key));
    assert_memory_equal(look.public_hash, hash, SHA256_LEN);
}

TEST(keys_of_the_openssl_program_are_read_and_written_as_they_were)
{
    static const struct {
        const char *name, *pem;
        enum key_encoding encoding;
        enum key_algorithm algorithm;
        int size;
    } rows[] = {
        {"rsa pkcs1", rsa1_pem, KEY_PKCS1, KEY_RSA, 2048},
        {"rsa pkcs8", rsa8_pem, KEY_PKCS8, KEY_RSA, 2048},
        {"p-256 pkcs8", ec8_pem, KEY_PKCS8, KEY_ECDSA, 256},
        {"p-256 sec1", p256_sec1_pem, KEY_PKCS1, KEY_ECDSA, 256},
        {"p-256, the number 1", p256_one_pem, KEY_PKCS1, KEY_ECDSA, 256},
        {"p-384 sec1", secp384r1_pem, KEY_PKCS1, KEY_ECDSA, 384},
        {"p-384 pkcs8", p384_pkcs8_pem, KEY_PKCS8, KEY_ECDSA, 384},
        {"p-521 sec1", secp521r1_pem, KEY_PKCS1, KEY_ECDSA, 521},
        {"p-521 pkcs8", p521_pkcs8_pem, KEY_PKCS8, KEY_ECDSA, 521},
        {"ed25519 pkcs8", ed_pem, KEY_PKCS8, KEY_ED25519, 0},
        {"ed25519 is never pkcs1", ed_pem, KEY_PKCS1, KEY_ED25519, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
        cleanup(pkey_unref) const struct pkey *key = NULL;

        CASE(rows[i].name);
        key = read_key(rows[i].pem);
        ASSERT_EQ(pkey_algorithm(key), rows[i].algorithm);
        ASSERT_EQ(pkey_size(key), rows[i].size);
        pkey_to_pem(key, rows[i].encoding, &pem);
        ASSERT_STREQ(buf_str(&pem), rows[i].pem);
        check_look(rows[i].pem, key);
    }
}

TEST(encodings_of_one_key_are_the_same_key)
{
    static const struct {
        const char *a, *b;
    } rows[] = {{rsa1_pem, rsa8_pem}, {ec_params_pem, ec8_pem}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pkey_unref) const struct pkey *a = read_key(rows[i].a);
        cleanup(pkey_unref) const struct pkey *b = read_key(rows[i].b);

        ASSERT_TRUE(pkey_equal_public(a, b));
    }
}

TEST(different_keys_are_not_equal)
{
    cleanup(pkey_unref) const struct pkey *rsa = read_key(rsa1_pem);
    cleanup(pkey_unref) const struct pkey *p256 = read_key(ec8_pem);
    cleanup(pkey_unref) const struct pkey *p384 = read_key(secp384r1_pem);

    ASSERT_FALSE(pkey_equal_public(rsa, p256));
    ASSERT_FALSE(pkey_equal_public(p256, p384));
    ASSERT_FALSE(pkey_equal_public(rsa, generated_rsa));
}

TEST(the_first_private_key_counts)
{
    cleanup(buf_deinit) struct buf text = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct err err = {};

    buf_add_str(&text, "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n");
    buf_add_str(&text, ed_pem);
    buf_add_str(&text, rsa1_pem);
    ASSERT_OK(pkey_from_pem(text.data, text.len, &key, &err));
    ASSERT_EQ(pkey_algorithm(key), KEY_ED25519);
}

TEST(what_is_not_a_usable_private_key_is_refused_with_a_reason)
{
    static const struct {
        const char *name, *pem, *says;
    } rows[] = {
        {"nothing", "", "there is no PEM block"},
        {"text", "hello", "there is no PEM block"},
        {"certificate", "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
         "'CERTIFICATE', but no private key"},
        {"encrypted pkcs8", ec_enc_pem, "without a passphrase"},
        {"encrypted sec1", ec_legacy_enc_pem, "passphrase"},
        {"secp256k1", secp256k1_pem, "neither RSA nor ECDSA"},
        {"x25519", x25519_pem, "neither RSA nor ECDSA"},
        {"rsa numbers", rsa_bad_pem, "do not fit together"},
        {"ec numbers", ec_bad_pem, "do not fit together"},
        {"ec number too large", ec_large_pem, "do not fit together"},
        {"garbage", "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n",
         "'PRIVATE KEY' cannot be read"},
        {"wrong label",
         "-----BEGIN RSA PRIVATE KEY-----\n"
         "MC4CAQAwBQYDK2VwBCIEIF53gmOwdTAiFSnNqLaoAFWjDBeZV7hTsUZnmrJAIXba\n"
         "-----END RSA PRIVATE KEY-----\n",
         "'RSA PRIVATE KEY' cannot be read"},
        {"bytes behind",
         "-----BEGIN PRIVATE KEY-----\n"
         "MC4CAQAwBQYDK2VwBCIEIF53gmOwdTAiFSnNqLaoAFWjDBeZV7hTsUZnmrJAIXbaAA==\n"
         "-----END PRIVATE KEY-----\n",
         "'PRIVATE KEY' cannot be read"},
    };
    const struct pkey *key = NULL;
    struct pkey_look look;
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].name);
        ASSERT_ERR(ERR_INVALID, pkey_from_pem(rows[i].pem, strlen(rows[i].pem), &key, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
        ASSERT_NULL(key);
        ASSERT_ERR(ERR_INVALID, pkey_look(rows[i].pem, strlen(rows[i].pem), &look, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
    }
}

TEST(a_key_pem_beyond_the_limit_is_not_looked_at)
{
    cleanup(buf_deinit) struct buf text = BUF(2 * LIMIT_KEY_PEM);
    const struct pkey *key = NULL;
    struct err err = {};

    while (text.len <= LIMIT_KEY_PEM)
        buf_add_str(&text, ed_pem);
    ASSERT_ERR(ERR_TOO_LARGE, pkey_from_pem(text.data, text.len, &key, &err));
}

TEST(generated_keys_round_trip_in_both_encodings)
{
    static const struct {
        enum key_algorithm algorithm;
        int size;
    } rows[] = {
        {KEY_RSA, 2048}, {KEY_ECDSA, 256}, {KEY_ECDSA, 384}, {KEY_ECDSA, 521}, {KEY_ED25519, 0}};
    struct err err = {};

    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
        cleanup(pkey_unref) const struct pkey *key = NULL;
        cleanup(pkey_unref) const struct pkey *again = NULL;

        if (rows[i / 2].algorithm == KEY_RSA)
            key = pkey_ref(generated_rsa);
        else
            ASSERT_OK(pkey_generate(rows[i / 2].algorithm, rows[i / 2].size, &key, &err));
        ASSERT_EQ(pkey_algorithm(key), rows[i / 2].algorithm);
        ASSERT_EQ(pkey_size(key), rows[i / 2].size);
        pkey_to_pem(key, i % 2 ? KEY_PKCS8 : KEY_PKCS1, &pem);
        again = read_key(buf_str(&pem));
        ASSERT_TRUE(pkey_equal_public(key, again));
        check_look(buf_str(&pem), key);
    }
}

static bool at_once(void *arg)
{
    (*(int *)arg)++;
    return true;
}

TEST(an_rsa_key_is_given_up_when_told_so)
{
    const struct pkey *key = NULL;
    struct err err = {};
    int asked = 0;

    ASSERT_EQ(pkey_generate_until(KEY_RSA, 8192, at_once, &asked, &key, &err), ERR_CANCELED);
    ASSERT_TRUE(asked > 0);
    ASSERT_NULL(key);
}

TEST(generate_refuses_sizes_that_a_certificate_may_not_have)
{
    static const struct {
        enum key_algorithm algorithm;
        int size;
    } rows[] = {{KEY_RSA, 2047},  {KEY_RSA, 8193},           {KEY_RSA, 0},     {KEY_RSA, 2049},
                {KEY_RSA, -1},    {KEY_ECDSA, 224},          {KEY_ECDSA, 512}, {KEY_ECDSA, 0},
                {KEY_OTHER, 256}, {KEY_ALGORITHM_NONE, 2048}};
    const struct pkey *key = NULL;
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ASSERT_ERR(ERR_INVALID, pkey_generate(rows[i].algorithm, rows[i].size, &key, &err));
}

/* Expected values were computed by Python's cryptography. */
TEST(hashes_of_keys_are_as_computed_elsewhere)
{
    static const struct {
        const char *name, *pem, *public_hex, *private_base64;
    } rows[] = {
        {"rsa", rsa8_pem, "64e1d62ca5046c7c9f675b81e24f63e72f2a15bb3779155a8ccf33c86e92cd7a",
         "mogoWVvEaXzHI5eVzxKuELgDqarHsxEthya9gtiqVxw="},
        {"p-256", ec_params_pem, "d74310d3a73a6aed88129e103503778ee0a129cd5379dcf13f872310ac0c424c",
         "n4NhZydGMBuQi7Zii15sOT79QXcDOxEL2zaGCL8EyfE="},
        {"ed25519", ed_pem, "764e91afe270095d29b997ba75827530370dced59ce9e216c7ad3faaacb487b7",
         "whqmNJMFdfdOtVmzqaQXqykC4Cjg7oakNDnbSw/hKFc="},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pkey_unref) const struct pkey *key = read_key(rows[i].pem);
        cleanup(xfree) char *private_hash = pkey_private_hash_base64(key);
        unsigned char hash[SHA256_LEN];
        char hex[2 * SHA256_LEN + 1];

        CASE(rows[i].name);
        pkey_public_hash(key, hash);
        for (size_t j = 0; j < sizeof(hash); j++)
            snprintf(hex + 2 * j, 3, "%02x", hash[j]);
        ASSERT_STREQ(hex, rows[i].public_hex);
        ASSERT_STREQ(private_hash, rows[i].private_base64);
    }
}

TEST(an_rs256_signature_of_a_key_verifies_with_it)
{
    cleanup(buf_deinit) struct buf signature = BUF(256);
    struct err err = {};

    ASSERT_STREQ(pkey_jws_alg(generated_rsa), "RS256");
    ASSERT_OK(pkey_jws_sign(generated_rsa, "abc", 3, &signature, &err));
    ASSERT_EQ(signature.len, 256);
    ASSERT_OK(pkey_jws_verify(generated_rsa, "abc", 3, signature.data, signature.len, &err));
}

TEST(a_public_key_has_no_private_pem)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct err err = {};

    ASSERT_OK(pkey_from_jwk_text(NULL, NULL, "Ed25519",
                                 "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", NULL, &key, &err));
    pkey_to_pem(key, KEY_PKCS8, &pem);
    ASSERT_TRUE(pem.failed);
    ASSERT_EQ(pem.len, 0);
}

static int make_shared_key(void **state)
{
    return pkey_generate(KEY_RSA, 2048, &generated_rsa, NULL);
}

static int free_shared_key(void **state)
{
    pkey_unref(generated_rsa);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_the_openssl_program_are_read_and_written_as_they_were),
        cmocka_unit_test(encodings_of_one_key_are_the_same_key),
        cmocka_unit_test(different_keys_are_not_equal),
        cmocka_unit_test(the_first_private_key_counts),
        cmocka_unit_test(what_is_not_a_usable_private_key_is_refused_with_a_reason),
        cmocka_unit_test(a_key_pem_beyond_the_limit_is_not_looked_at),
        cmocka_unit_test(generated_keys_round_trip_in_both_encodings),
        cmocka_unit_test(an_rsa_key_is_given_up_when_told_so),
        cmocka_unit_test(generate_refuses_sizes_that_a_certificate_may_not_have),
        cmocka_unit_test(hashes_of_keys_are_as_computed_elsewhere),
        cmocka_unit_test(an_rs256_signature_of_a_key_verifies_with_it),
        cmocka_unit_test(a_public_key_has_no_private_pem),
    };

    return cmocka_run_group_tests(tests, make_shared_key, free_shared_key);
}
