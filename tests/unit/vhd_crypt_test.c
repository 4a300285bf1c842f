/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd_crypt_test.c - the cipher and the key hash, against known answers. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/parse.h"
#include "vhd/crypt.h"
#include "vhd/vhd.h"

/* 512 zero bytes, as written to disk by the tapdisks in the field. */
static const struct {
	unsigned bytes;
	uint8_t from; /* of the key: from, from + 1, ... */
	uint64_t sector;
	const char *first, *last;
} vectors[] = {
	{ 64, 0, 0, "cd6b103236fbd87dba93e9001e29bc3d",
	  "226790136af4ae079c61a907ba497df2" },
	{ 64, 0, 1, "0c22ed7e2168a8500b30154c2ec00d26",
	  "a1fe130460ec6322bc846036dc6cc47b" },
	{ 64, 0, 256, "77e545039255b3d7bda49927c3a75831",
	  "60f65a250525d6655db44f5174889231" },
	{ 64, 0, 4096, "27d6726c05f6e028bd8b7094d5676878",
	  "50f26f9542659a38a065218d3657607b" },
	{ 64, 0, 8388608, "de6e2265b2297e1013faa55d835cb3a2",
	  "6979e6ede0f276390a596af7aed27677" },
	{ 32, 0x80, 0, "a08170aaefb534dfe5a41637f25c60d0",
	  "95a4969e5870b3f6e7f4dac2a97a9acb" },
	{ 32, 0x80, 4096, "d7ea48b70636158c5f86b0390bfe429d",
	  "f29683bdd3f04c79a98ab25f451495d7" },
	{ 32, 0x80, 8388608, "4c17f71947c72144279cd837e3d65363",
	  "9324717b7fcffec354d948329759ecac" },
};

static void make_key(uint8_t key[64], unsigned len, uint8_t from)
{
	for (unsigned i = 0; i < len; i++)
		key[i] = (uint8_t)(from + i);
}

static void ciphertext_is_that_of_the_field(void **state)
{
	uint8_t key[64], want[16], zero[512] = { 0 }, buf[512];
	struct vhd_crypt *c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		make_key(key, vectors[i].bytes, vectors[i].from);
		assert_int_equal(vhd_crypt_new(&c, key, vectors[i].bytes, NULL),
				 0);
		assert_int_equal(
			vhd_crypt_encrypt(c, vectors[i].sector, buf, zero, 512),
			0);
		assert_int_equal(parse_hex(want, 16, vectors[i].first), 0);
		assert_memory_equal(buf, want, 16);
		assert_int_equal(parse_hex(want, 16, vectors[i].last), 0);
		assert_memory_equal(buf + 496, want, 16);
		assert_int_equal(
			vhd_crypt_decrypt(c, vectors[i].sector, buf, buf, 512),
			0);
		assert_memory_equal(buf, zero, 512);
		vhd_crypt_free(c);
	}
}

static void sectors_are_numbered_on_within_a_call(void **state)
{
	uint8_t key[64], zero[1024] = { 0 }, both[1024], one[512];
	struct vhd_crypt *c;

	(void)state;
	make_key(key, 64, 0);
	assert_int_equal(vhd_crypt_new(&c, key, 64, NULL), 0);
	assert_int_equal(vhd_crypt_encrypt(c, 77, both, zero, 1024), 0);
	assert_int_equal(vhd_crypt_encrypt(c, 78, one, zero, 512), 0);
	assert_memory_equal(both + 512, one, 512);
	vhd_crypt_free(c);
}

static void what_the_tweak_cannot_number_is_refused(void **state)
{
	uint8_t key[64], buf[1024] = { 0 };
	struct vhd_crypt *c;

	(void)state;
	make_key(key, 64, 0);
	assert_int_equal(vhd_crypt_new(&c, key, 64, NULL), 0);
	assert_int_equal(vhd_crypt_encrypt(c, UINT32_MAX, buf, buf, 512), 0);
	assert_int_equal(vhd_crypt_encrypt(c, UINT32_MAX, buf, buf, 1024),
			 -EIO);
	assert_int_equal(vhd_crypt_encrypt(c, 1ull << 32, buf, buf, 512), -EIO);
	assert_int_equal(vhd_crypt_encrypt(c, 0, buf, buf, 100), -EIO);
	vhd_crypt_free(c);
}

static void keys_of_other_lengths_are_refused(void **state)
{
	uint8_t key[128] = { 1 };
	struct vhd_crypt *c;

	(void)state;
	for (size_t len = 0; len <= 128; len++) {
		if (len != 32 && len != 64)
			assert_int_equal(vhd_crypt_new(&c, key, len, NULL),
					 -EINVAL);
	}
}

/* Such keys were possible once; what they wrote is to be read. */
static void a_key_of_equal_halves_only_reads(void **state)
{
	uint8_t key[64], buf[512] = { 0 };
	struct vhd_crypt *c;

	(void)state;
	memset(key, 0x11, sizeof(key));
	assert_int_equal(vhd_crypt_new(&c, key, 64, NULL), 0);
	assert_false(vhd_crypt_may_encrypt(c));
	assert_int_equal(vhd_crypt_encrypt(c, 0, buf, buf, 512), -EIO);
	assert_int_equal(vhd_crypt_decrypt(c, 0, buf, buf, 512), 0);
	vhd_crypt_free(c);
}

static void the_key_hash_is_that_of_the_field(void **state)
{
	struct vhd_keyhash kh;
	uint8_t key[64] = { 0 }, nonce[32] = { 0 }, want[32];

	(void)state;
	assert_int_equal(vhd_keyhash_make(&kh, nonce, key, 32), 0);
	assert_int_equal(parse_hex(want, 32,
				   "f5a5fd42d16a20302798ef6ed309979b43003d2320d"
				   "9f0e8ea9831a92759fb4b"),
			 0);
	assert_memory_equal(kh.hash, want, 32);
	make_key(key, 64, 0);
	make_key(nonce, 32, 0);
	assert_int_equal(vhd_keyhash_make(&kh, nonce, key, 64), 0);
	assert_int_equal(parse_hex(want, 32,
				   "a0acb2b50f1784f5f836fdc284176a0c3cee5302014"
				   "26396f9c351eaadb5d65d"),
			 0);
	assert_memory_equal(kh.hash, want, 32);
	assert_true(vhd_keyhash_match(&kh, key, 64));
	key[63] ^= 1;
	assert_false(vhd_keyhash_match(&kh, key, 64));
	kh.set = false;
	key[63] ^= 1;
	assert_false(vhd_keyhash_match(&kh, key, 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ciphertext_is_that_of_the_field),
		cmocka_unit_test(sectors_are_numbered_on_within_a_call),
		cmocka_unit_test(what_the_tweak_cannot_number_is_refused),
		cmocka_unit_test(keys_of_other_lengths_are_refused),
		cmocka_unit_test(a_key_of_equal_halves_only_reads),
		cmocka_unit_test(the_key_hash_is_that_of_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
