#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct range {
    unsigned char prefix[16];
    unsigned bits;
};

/* IANA's special-purpose registries: what is not globally reachable, and multicast. */
static const struct range ranges4[] = {
    {{0}, 8},         {{10}, 8},       {{100, 64}, 10},      {{127}, 8},
    {{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},    {{192, 0, 2}, 24},
    {{192, 168}, 16}, {{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24},
    {{224}, 4},       {{240}, 4},
};
static const struct range ranges6[] = {
    {{0}, 96},                            /* ::, ::1, IPv4-compatible (deprecated) */
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48}, /* local-use translation */
    {{0x01, 0x00}, 64},                   /* discard only */
    {{0x20, 0x01, 0x00, 0x00}, 32},       /* Teredo: the IPv4 inside is obfuscated */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},       /* documentation */
    {{0xfc}, 7},                          /* unique local */
    {{0xfe, 0x80}, 9},                    /* link-local, and site-local (deprecated) */
    {{0xff}, 8},                          /* multicast */
};
/* Where an IPv4 address stands inside an IPv6 one. */
static const struct range embeddings[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, /* mapped; the IPv4 is at 12 */
    {{0x00, 0x64, 0xff, 0x9b}, 96},                   /* NAT64; at 12 */
    {{0x20, 0x02}, 16},                               /* 6to4; at 2 */
};

static bool range_has(const struct range *range, const unsigned char *address)
{
    unsigned bytes = range->bits / 8, rest = range->bits % 8;
    unsigned mask = rest ? 0xff00u >> rest & 0xff : 0;

    return memcmp(range->prefix, address, bytes) == 0 &&
           (!rest || ((range->prefix[bytes] ^ address[bytes]) & mask) == 0);
}

static bool is_public4(const unsigned char *address)
{
    for (size_t i = 0; i < ARRAY_LEN(ranges4); i++) {
        if (range_has(&ranges4[i], address))
            return false;
    }
    return true;
}

static bool is_public6(const unsigned char *address)
{
    for (size_t i = 0; i < ARRAY_LEN(embeddings); i++) {
        if (range_has(&embeddings[i], address))
            return is_public4(address + (embeddings[i].bits == 16 ? 2 : 12));
    }
    for (size_t i = 0; i < ARRAY_LEN(ranges6); i++) {
        if (range_has(&ranges6[i], address))
            return false;
    }
    return true;
}

bool address_text_is_public(const char *text)
{
    unsigned char address[16];

    if (inet_pton(AF_INET, text, address) == 1)
        return is_public4(address);
    if (inet_pton(AF_INET6, text, address) == 1)
        return is_public6(address);
    return false;
}

bool address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_public4(
            (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    if (address->sa_family == AF_INET6)
        return is_public6(
            (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return false;
}
