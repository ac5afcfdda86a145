#include "pki/dn.h"

#include "base/limits.h"
#include "base/str.h"
#include "support/testing.h"

/* "oid=value" of each attribute in the order of the certificate, with "+" in front of what joins. */
static void write_dn(const struct dn *dn, struct buf *to)
{
    for (size_t i = 0; i < dn->len; i++)
        buf_addf(to, "%s%s=%s",
                 dn->items[i].joins ? "+"
                 : i                ? ","
                                    : "",
                 dn->items[i].oid, dn->items[i].value);
}

TEST(names_come_in_the_order_of_the_certificate)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"CN=a", "2.5.4.3=a"},
        {"CN=a,OU=b,OU=c,O=d", "2.5.4.10=d,2.5.4.11=c,2.5.4.11=b,2.5.4.3=a"},
        {"cn=a,Ou=b,serialNumber=1", "2.5.4.5=1,2.5.4.11=b,2.5.4.3=a"},
        {"UID=jim,DC=example,DC=com,STREET=x,L=y,ST=z,C=CH",
         "2.5.4.6=CH,2.5.4.8=z,2.5.4.7=y,2.5.4.9=x,0.9.2342.19200300.100.1.25=com,"
         "0.9.2342.19200300.100.1.25=example,0.9.2342.19200300.100.1.1=jim"},
        {"1.2.3.4=a,2.5.4.3=b", "2.5.4.3=b,1.2.3.4=a"},
        {"CN=a+OU=b+C=c,O=d+L=e", "2.5.4.10=d+2.5.4.7=e,2.5.4.3=a+2.5.4.11=b+2.5.4.6=c"},
        {"CN=a;O=b", "2.5.4.10=b,2.5.4.3=a"},
        {"  CN  =  a b  ,  O=c", "2.5.4.10=c,2.5.4.3=a b"},
        {"CN=\\ a\\ ,O=\\20b \\20", "2.5.4.10= b  ,2.5.4.3= a "},
        {"CN=a\\\\  ", "2.5.4.3=a\\"},
        {"CN=a\\,b\\+c\\;d\\\"e\\<f\\>g\\=h\\#i\\\\j", "2.5.4.3=a,b+c;d\"e<f>g=h#i\\j"},
        {"CN=a=b=", "2.5.4.3=a=b="},
        {"CN=a#b", "2.5.4.3=a#b"},
        {"CN= #a", "2.5.4.3=#a"}, /* as go-ldap has it */
        {"CN=,O=a", "2.5.4.10=a,2.5.4.3="},
        {"CN=Gr\\C3\\b6\\C3\\9Fe,O=Gr\xc3\xb6\xc3\x9f"
         "e",
         "2.5.4.10=Gr\xc3\xb6\xc3\x9f"
         "e,2.5.4.3=Gr\xc3\xb6\xc3\x9f"
         "e"},
        {"CN=#0C0161", "2.5.4.3=a"},
        {"CN=#13026162 +O=#16810163", "2.5.4.3=ab+2.5.4.10=c"},
        {"O=#0c820001C,CN=a", NULL},
        {"O=#0c82000163,CN=#1a00", "2.5.4.3=,2.5.4.10=c"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(dn_deinit) struct dn dn = {};
        cleanup(buf_deinit) struct buf text = BUF(LIMIT_DN_TEXT);
        struct err err = {};

        CASE(rows[i].text);
        if (!rows[i].wanted) {
            ASSERT_ERR(ERR_INVALID, dn_parse(rows[i].text, &dn, &err));
            continue;
        }
        ASSERT_OK(dn_parse(rows[i].text, &dn, &err));
        write_dn(&dn, &text);
        ASSERT_STREQ(buf_str(&text), rows[i].wanted);
    }
}

TEST(what_is_no_name_is_refused_with_its_place)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "at byte 1"},
        {"   ", "at byte 4"},
        {"a", "at byte 1 there is 'a' where TYPE=value must be"},
        {"CN=a,", "at byte 6"},
        {"CN=a,,O=b", "at byte 6"},
        {"CN=a, b,O=c", "at byte 7 there is 'b'"},
        {"CN=a+", "at byte 6"},
        {"=a", "'' at byte 1 is no type"},
        {"CN=a,UNKNOWN=blah", "'UNKNOWN' at byte 6 is no type that is known"},
        {"UNKNOWN=blah", "its value begins with 'blah'"},
        {"E=a", "'E' at byte 1"},
        {"OID.1.2.3=a", "'OID.1.2.3' at byte 1"},
        {"1=a", "'1' at byte 1"},
        {"1.40.3=a", "'1.40.3' at byte 1"},
        {"3.1=a", "'3.1' at byte 1"},
        {"1.2147483648=a", "'1.2147483648' at byte 1"},
        {"C\\4E=a", "'C\\4E' at byte 1"},
        {"CN=\"a\"", "'\"' at byte 4 must be written as '\\\"'"},
        {"CN=a<b", "'<' at byte 5"},
        {"CN=a>b", "'>' at byte 5"},
        {"CN=a\\", "before byte 6"},
        {"CN=a\\n", "before byte 6"},
        {"CN=a\\0", "before byte 6"},
        {"CN=a\\00", "before byte 6"},
        {"CN=a\\0g", "before byte 6"},
        {"CN=\\ff", "the value at byte 4 has a NUL byte or is not UTF-8"},
        {"CN=\xff", "the value at byte 4 has a NUL byte or is not UTF-8"},
        {"CN=#", "the value at byte 4 is not the BER form"},
        {"CN=#0", "is not the BER form"},
        {"CN=#0c", "is not the BER form"},
        {"CN=#0c0261", "is not the BER form"},      /* too short */
        {"CN=#0c016161", "is not the BER form"},    /* something behind it */
        {"CN=#0201ff", "is not the BER form"},      /* an INTEGER */
        {"CN=#1e020061", "is not the BER form"},    /* a BMPString */
        {"CN=#0c800000", "is not the BER form"},    /* no length */
        {"CN=#0c830000016", "is not the BER form"}, /* a length of three bytes */
        {"CN=#0c0100", "has a NUL byte or is not UTF-8"},
        {"CN=#0c0161x", "is not the BER form"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dn dn = {};
        struct err err = {};

        CASE(rows[i].text);
        ASSERT_ERR(ERR_INVALID, dn_parse(rows[i].text, &dn, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
        ASSERT_NULL(dn.items);
    }
}

TEST(a_text_is_bounded)
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_DN_TEXT + 8);
    cleanup(dn_deinit) struct dn dn = {};
    struct err err = {};

    while (text.len + 4 <= LIMIT_DN_TEXT)
        buf_add_str(&text, "C=a,");
    buf_truncate(&text, text.len - 1);
    ASSERT_OK(dn_parse(buf_str(&text), &dn, &err));
    ASSERT_EQ(dn.len, LIMIT_DN_TEXT / 4);
    buf_add_str(&text, "aa");
    ASSERT_ERR(ERR_TOO_LARGE, dn_parse(buf_str(&text), &dn, &err));
}

TEST(the_last_common_name_counts)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"O=a", NULL},
        {"CN=a,O=b", "a"},
        {"CN=a,CN=b", "a"},
        {"2.5.4.3=a", "a"},
        {"CN=", ""},
        /* in one RDN: the longer one, the one that is no UTF8String, the greater one */
        {"CN=b+CN=a", "b"},
        {"CN=a+CN=b", "b"},
        {"CN=aa+CN=b", "aa"},
        {"CN=a.+CN=b*", "a."},
        {"CN=b*+CN=a*", "b*"},
        {"CN=ü+CN=zz+CN=y", "zz"},
        {"CN=a+CN=", "a"},
        {"CN=a,CN=c+CN=b", "a"},
        {"CN=c+O=o+CN=b,CN=zz", "c"},
        {"O=o+CN=c,CN=b+CN=d", "c"},
        {"O=a+O=b,O=z+CN=b+CN=a+O=c,CN=zz+CN=zzz", "b"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(dn_deinit) struct dn dn = {};
        struct err err = {};

        CASE(rows[i].text);
        ASSERT_OK(dn_parse(rows[i].text, &dn, &err));
        ASSERT_STREQ(dn_common_name(&dn), rows[i].wanted);
    }
}

RUN_TESTS(cmocka_unit_test(names_come_in_the_order_of_the_certificate),
          cmocka_unit_test(what_is_no_name_is_refused_with_its_place),
          cmocka_unit_test(a_text_is_bounded), cmocka_unit_test(the_last_common_name_counts));
