#include "unit/controller/certificate_facts.h"

/* --- checks 1-8 of behaviour.md 2 --- */

static void set_annotation(struct sample *s, const char *key, const char *value)
{
    struct array_pair *pairs = &s->secret.object.metadata.annotations;

    for (size_t i = 0; i < pairs->len; i++) {
        if (streq(pairs->items[i].key, key))
            pairs->items[i].value = value;
    }
}

SPOIL(no_data, (s->secret.has_data = false, s->secret.keys.len = 0));
SPOIL(half_the_data, s->secret.has_data = false);
SPOIL(bad_key, s->secret.key_ok = false);
SPOIL(bad_cert, s->secret.cert_ok = false);
SPOIL(bad_pair, s->secret.cert_key_hash[0] ^= 1);
SPOIL(other_issuer_kind, s->crt.spec.issuer_ref.kind = "ClusterIssuer");
SPOIL(other_issuer_group, s->crt.spec.issuer_ref.group = "example.com");
SPOIL(default_kind_said, s->crt.spec.issuer_ref.kind = "Issuer");
SPOIL(default_group_said, s->crt.spec.issuer_ref.group = "cert-manager.io");
SPOIL(no_annotations, s->secret.object.metadata.annotations.len = 0);
SPOIL(other_certificate, set_annotation(s, ANNOTATION_CERTIFICATE_NAME, "api"));
SPOIL(other_algorithm, s->private_key.algorithm = CERTIFICATE_KEY_RSA);
SPOIL(other_size, s->private_key.size = 384);
SPOIL(bad_request, s->current.csr_ok = false);
SPOIL(key_of_another_request, s->current.key_hash[0] ^= 1);
SPOIL(common_name, s->crt.spec.common_name = "www.example.com");
SPOIL(is_ca, s->crt.spec.is_ca = true);

static void is_ca_with_other_usages(struct sample *s)
{
    static int cert_sign = USAGE_CERT_SIGN;

    s->crt.spec.is_ca = true;
    s->crt.spec.usages = (struct array_int){&cert_sign, 1};
}

SPOIL(no_request, s->facts.request_count = 0);

static void no_request_other_names(struct sample *s)
{
    s->facts.request_count = 0;
    other_names(s);
}

static void no_request_other_ips(struct sample *s)
{
    s->facts.request_count = 0;
    s->crt.spec.ip_addresses = (struct array_string){s->names, 1};
}

static void no_request_other_uris(struct sample *s)
{
    s->facts.request_count = 0;
    s->crt.spec.uris = (struct array_string){s->names, 1};
}

static void no_request_other_emails(struct sample *s)
{
    s->facts.request_count = 0;
    s->crt.spec.email_addresses = (struct array_string){s->names, 1};
}

static void no_request_common_name_chosen_by_the_ca(struct sample *s)
{
    s->facts.request_count = 0;
    s->secret.leaf_common_name = "www.example.com";
}

/* With a request for that subject, which says more than the single fields could ask for. */
static void literal_subject(struct sample *s)
{
    s->crt.spec.literal_subject = "CN=www.example.com,DC=example";
    csr_hashes_of_spec(&s->crt.spec, s->current.csr_hashes);
    s->current.csr_hashes[CSR_COMMON_NAME] = 1;
    s->current.csr_hashes[CSR_ORGANIZATIONS] = 1;
}

static void other_literal_subject(struct sample *s)
{
    literal_subject(s);
    s->crt.spec.literal_subject = "DC=example,CN=www.example.com";
}

static void literal_subject_removed(struct sample *s)
{
    literal_subject(s);
    s->crt.spec.literal_subject = "";
}

static struct certificate_other_name other_name = {"1.2.3", "a"};

static void other_name_added(struct sample *s)
{
    s->crt.spec.other_names.items = &other_name;
    s->crt.spec.other_names.len = 1;
}

static void other_name_removed(struct sample *s)
{
    other_name_added(s);
    csr_hashes_of_spec(&s->crt.spec, s->current.csr_hashes);
    s->crt.spec.other_names.len = 0;
}

static void bounds_added(struct sample *s)
{
    static struct name_constraints bounds;

    s->crt.spec.name_constraints = &bounds;
}

static void no_request_literal_subject(struct sample *s)
{
    s->facts.request_count = 0;
    s->crt.spec.literal_subject = "CN=ca.example.com,O=a";
    s->secret.leaf_common_name = "ca.example.com";
}

static void no_request_other_literal_subject(struct sample *s)
{
    no_request_literal_subject(s);
    s->secret.leaf_common_name = "other.example.com";
}

static void duration_set_on_both(struct sample *s)
{
    s->crt.spec.duration = (struct opt_duration){true, HOURS(100) * 1000000};
    s->current.request.spec.duration = (struct opt_duration){true, HOURS(200) * 1000000};
}

static void duration_added(struct sample *s)
{
    s->crt.spec.duration = (struct opt_duration){true, HOURS(100) * 1000000};
}

static void several_at_once(struct sample *s)
{
    s->secret.key_ok = false;
    s->crt.spec.issuer_ref.name = "other";
}

TEST(the_first_check_that_objects_to_the_secret_decides)
{
    static const struct {
        const char *name;
        void (*spoil)(struct sample *s);
        const char *reason; /* NULL: the Secret is right */
        const char *message;
    } rows[] = {
        {"as it should be", as_it_is, NULL, NULL},
        {"1 no Secret", no_secret, "DoesNotExist", "Secret does not exist"},
        {"2 empty", no_data, "MissingData", "does not contain any data"},
        {"2 half", half_the_data, "MissingData", "lacks tls.key or tls.crt"},
        {"3 key", bad_key, "InvalidKeyPair", "tls.key is no private key"},
        {"3 certificate", bad_cert, "InvalidCertificate", "tls.crt is no certificate"},
        {"3 pair", bad_pair, "InvalidKeyPair", "does not belong"},
        {"3 goes before 4", several_at_once, "InvalidKeyPair", "tls.key"},
        {"4 issuer", another_issuer, "IncorrectIssuer", "Issuer 'acme'"},
        {"4 kind", other_issuer_kind, "IncorrectIssuer", "Issuer 'acme'"},
        {"4 group", other_issuer_group, "IncorrectIssuer", "Issuer 'acme'"},
        {"4 default kind, said", default_kind_said, NULL, NULL},
        {"4 default group, said", default_group_said, NULL, NULL},
        {"4 nobody annotated it", no_annotations, NULL, NULL},
        {"5 certificate", other_certificate, "IncorrectCertificate", "Certificate 'api'"},
        {"6 algorithm", other_algorithm, "SecretMismatch", "algorithm is RSA, the key is ECDSA"},
        {"6 size", other_size, "SecretMismatch", "size is 384, the key has 256"},
        {"7 unreadable", bad_request, "InvalidCertificateRequest", "no request that can be read"},
        {"7 key", key_of_another_request, "SecretMismatch", "not the one"},
        {"8 names", other_names, "RequestChanged", "[spec.dnsNames]"},
        {"8 common name", common_name, "RequestChanged", "[spec.commonName]"},
        {"8 subject as text", literal_subject, NULL, NULL},
        {"8 another one", other_literal_subject, "RequestChanged", "[spec.literalSubject]"},
        {"8 none any more", literal_subject_removed, "RequestChanged",
         "[spec.commonName, spec.subject.organizations]"},
        {"8 other name", other_name_added, "RequestChanged", "[spec.otherNames]"},
        {"8 other name removed", other_name_removed, NULL, NULL},
        {"8 bounds", bounds_added, NULL, NULL},
        {"8 CA and usages", is_ca_with_other_usages, "RequestChanged", "[spec.isCA, spec.usages]"},
        {"8 CA", is_ca, "RequestChanged", "[spec.isCA]"},
        {"8 duration", duration_set_on_both, "RequestChanged", "[spec.duration]"},
        {"8 duration added", duration_added, NULL, NULL},
        {"2.3 no request", no_request, NULL, NULL},
        {"2.3 names", no_request_other_names, "SecretMismatch", "[spec.dnsNames]"},
        {"2.3 subject as text", no_request_literal_subject, NULL, NULL},
        {"2.3 another one", no_request_other_literal_subject, "SecretMismatch", "[spec.dnsNames]"},
        {"2.3 addresses", no_request_other_ips, "SecretMismatch", "[spec.ipAddresses]"},
        {"2.3 uris", no_request_other_uris, "SecretMismatch", "[spec.uris]"},
        {"2.3 emails", no_request_other_emails, "SecretMismatch", "[spec.emailAddresses]"},
        {"2.3 the CA chose a common name", no_request_common_name_chosen_by_the_ca, NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct violation found;

        CASE(rows[i].name);
        sample_init(&s);
        rows[i].spoil(&s);
        found = secret_violation(&s.facts, s.facts.request_count > 0 ? &s.current : NULL, s.arena);
        ASSERT_STREQ(found.reason, rows[i].reason);
        if (rows[i].message)
            ASSERT_CONTAINS(found.message, rows[i].message);
    }
}

TEST(a_key_must_have_exactly_the_size_that_the_spec_says)
{
    static const struct {
        const char *name;
        int wanted, wanted_size; /* as in the spec; 0: default */
        int algorithm, size;
        bool fits;
    } rows[] = {
        {"default", CERTIFICATE_KEY_DEFAULT, 0, KEY_RSA, 2048, true},
        {"larger than asked", CERTIFICATE_KEY_DEFAULT, 0, KEY_RSA, 4096, false},
        {"RSA 3072", CERTIFICATE_KEY_RSA, 3072, KEY_RSA, 3072, true},
        {"ECDSA default", CERTIFICATE_KEY_ECDSA, 0, KEY_ECDSA, 256, true},
        {"ECDSA 521", CERTIFICATE_KEY_ECDSA, 521, KEY_ECDSA, 384, false},
        {"Ed25519 has one size", CERTIFICATE_KEY_ED25519, 4096, KEY_ED25519, 0, true},
        {"another algorithm", CERTIFICATE_KEY_ED25519, 0, KEY_RSA, 2048, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(arena_free) struct arena *arena = arena_new(0);
        struct certificate_private_key key = {.algorithm = rows[i].wanted,
                                              .size = rows[i].wanted_size};
        struct certificate_spec spec = {.private_key = &key};
        const char *why = NULL;

        CASE(rows[i].name);
        ASSERT_EQ(key_fits_spec(&spec, rows[i].algorithm, rows[i].size, arena, &why), rows[i].fits);
        ASSERT_TRUE((why == NULL) == rows[i].fits);
    }
}

/* --- 2.4: repair --- */

static const struct pair template_label = {"team", "a"};

static void template_added(struct sample *s)
{
    s->template.labels = (struct array_pair){(struct pair *)&template_label, 1};
    s->crt.spec.secret_template = &s->template;
}

static void template_applied(struct sample *s)
{
    template_added(s);
    sample_apply_metadata(s);
}

static void template_removed(struct sample *s)
{
    template_applied(s);
    s->crt.spec.secret_template = NULL;
}

static void template_value_changed(struct sample *s)
{
    static const struct pair other = {"team", "b"};

    template_applied(s);
    s->template.labels.items = (struct pair *)&other;
}

static void template_set_by_hand(struct sample *s)
{
    template_applied(s);
    s->secret.owned_labels.len = 0; /* right, but not ours */
}

static void foreign_label(struct sample *s)
{
    struct array_pair *labels = &s->secret.object.metadata.labels;

    labels->items[labels->len++] = (struct pair){"somebody", "else"};
}

static void names_annotation_changed(struct sample *s)
{
    set_annotation(s, "cert-manager.io/alt-names", "wrong.example.com");
}

static struct certificate_output_format der = {OUTPUT_DER};
static const char *const der_key[] = {"key.der"};

static void format_added(struct sample *s)
{
    s->crt.spec.additional_output_formats.items = &der;
    s->crt.spec.additional_output_formats.len = 1;
}

static void format_there(struct sample *s)
{
    format_added(s);
    s->secret.key_der_fits = true;
    s->secret.owned_data = (struct array_string){(const char **)der_key, 1};
}

static void format_set_by_hand(struct sample *s)
{
    format_there(s);
    s->secret.owned_data.len = 0;
}

static void format_of_another_key(struct sample *s)
{
    format_there(s);
    s->secret.key_der_fits = false;
}

static void format_removed(struct sample *s)
{
    format_there(s);
    s->crt.spec.additional_output_formats.len = 0;
}

static struct owner_reference owner;
static const char *owner_keys[] = {"{\"uid\":\"uid-of-web\"}"};

static void owner_applied(struct sample *s)
{
    owner = (struct owner_reference){"cert-manager.io/v1", "Certificate", "web",
                                     "uid-of-web",         {true, true},  {true, true}};
    s->secret.object.metadata.owner_references.items = &owner;
    s->secret.object.metadata.owner_references.len = 1;
    s->secret.owned_owners = (struct array_string){owner_keys, 1};
}

static void owner_set_by_somebody(struct sample *s)
{
    owner_applied(s);
    s->secret.owned_owners.len = 0;
}

static void owner_renamed(struct sample *s)
{
    owner_applied(s);
    owner.name = "other";
}

static void owner_not_blocking(struct sample *s)
{
    owner_applied(s);
    owner.block_owner_deletion.value = false;
}

TEST(the_secret_is_repaired_when_its_metadata_or_formats_differ_from_the_spec)
{
    static const struct {
        const char *name;
        void (*spoil)(struct sample *s);
        bool owner_ref;
        const char *reason;
    } rows[] = {
        {"as it should be", as_it_is, false, NULL},
        {"no Secret: nothing to repair", no_secret, false, NULL},
        {"no data: not by repair", no_data, false, NULL},
        {"somebody's own label stays", foreign_label, false, NULL},
        {"template added", template_added, false, "SecretTemplateMismatch"},
        {"template applied", template_applied, false, NULL},
        {"template removed", template_removed, false, "SecretTemplateMismatch"},
        {"template value", template_value_changed, false, "SecretTemplateMismatch"},
        {"label set by hand is taken over", template_set_by_hand, false, "*"},
        {"our annotation", names_annotation_changed, false, "SecretManagedMetadataMismatch"},
        {"certificate name is exempt", other_certificate, false, NULL},
        {"format added", format_added, false, "AdditionalOutputFormatsMismatch"},
        {"format there", format_there, false, NULL},
        {"format set by hand", format_set_by_hand, false, "AdditionalOutputFormatsMismatch"},
        {"format of another key", format_of_another_key, false, "AdditionalOutputFormatsMismatch"},
        {"format removed", format_removed, false, "AdditionalOutputFormatsMismatch"},
        {"owner reference wanted", as_it_is, true, "SecretOwnerRefMismatch"},
        {"owner reference applied", owner_applied, true, NULL},
        {"owner reference renamed", owner_renamed, true, "SecretOwnerRefMismatch"},
        {"owner reference lets go", owner_not_blocking, true, "SecretOwnerRefMismatch"},
        {"owner reference of somebody", owner_set_by_somebody, true, "SecretOwnerRefMismatch"},
        {"owner reference not wanted", owner_applied, false, "SecretOwnerRefMismatch"},
        {"that of somebody stays", owner_set_by_somebody, false, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct violation found;

        CASE(rows[i].name);
        sample_init(&s);
        rows[i].spoil(&s);
        found = repair_violation(&s.facts, rows[i].owner_ref, s.arena);
        if (rows[i].reason && streq(rows[i].reason, "*"))
            ASSERT_TRUE(found.reason != NULL);
        else
            ASSERT_STREQ(found.reason, rows[i].reason);
    }
}

RUN_TESTS(
    cmocka_unit_test(the_first_check_that_objects_to_the_secret_decides),
    cmocka_unit_test(a_key_must_have_exactly_the_size_that_the_spec_says),
    cmocka_unit_test(the_secret_is_repaired_when_its_metadata_or_formats_differ_from_the_spec));
