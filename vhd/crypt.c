/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crypt.c - AES-XTS through OpenSSL's EVP calls. */
#include "vhd/crypt.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"

#define SECTOR 512u

struct vhd_crypt {
	EVP_CIPHER_CTX *enc; /* NULL: may not encrypt */
	EVP_CIPHER_CTX *dec;
};

/* The library keeps the expanded key and wipes it with the context. */
static EVP_CIPHER_CTX *new_ctx(const uint8_t *key, size_t len, int encrypt)
{
	const EVP_CIPHER *cipher =
		len == 64 ? EVP_aes_256_xts() : EVP_aes_128_xts();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx &&
	    EVP_CipherInit_ex(ctx, cipher, NULL, key, NULL, encrypt) == 1) {
		EVP_CIPHER_CTX_set_padding(ctx, 0);
		return ctx;
	}
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

int vhd_crypt_new(struct vhd_crypt **out, const uint8_t *key, size_t len,
		  struct err *err)
{
	struct vhd_crypt *c;

	if (len != 32 && len != 64)
		return err_set(err, -EINVAL,
			       "key of %zu bytes, not of 32 or 64", len);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, -ENOMEM, "cipher");
	c->dec = new_ctx(key, len, 0);
	if (memcmp(key, key + len / 2, len / 2))
		c->enc = new_ctx(key, len, 1);
	if (!c->dec || (!c->enc && memcmp(key, key + len / 2, len / 2))) {
		vhd_crypt_free(c);
		return err_set(err, -EIO, "the cipher library has no AES-XTS");
	}
	*out = c;
	return 0;
}

void vhd_crypt_free(struct vhd_crypt *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->enc);
	EVP_CIPHER_CTX_free(c->dec);
	free(c);
}

bool vhd_crypt_may_encrypt(const struct vhd_crypt *c)
{
	return c->enc;
}

static int run(EVP_CIPHER_CTX *ctx, uint64_t sector, uint8_t *to,
	       const uint8_t *from, size_t len)
{
	if (!ctx || len % SECTOR || sector > UINT32_MAX ||
	    len / SECTOR > (uint64_t)UINT32_MAX + 1 - sector)
		return -EIO;
	for (; len; len -= SECTOR, to += SECTOR, from += SECTOR) {
		uint8_t tweak[16] = { 0 };
		int n;

		bytes_put_le32(tweak, (uint32_t)sector++);
		if (EVP_CipherInit_ex(ctx, NULL, NULL, NULL, tweak, -1) != 1 ||
		    EVP_CipherUpdate(ctx, to, &n, from, SECTOR) != 1 ||
		    n != (int)SECTOR)
			return -EIO;
	}
	return 0;
}

int vhd_crypt_encrypt(struct vhd_crypt *c, uint64_t sector, void *to,
		      const void *from, size_t len)
{
	return run(c->enc, sector, to, from, len);
}

int vhd_crypt_decrypt(struct vhd_crypt *c, uint64_t sector, void *to,
		      const void *from, size_t len)
{
	return run(c->dec, sector, to, from, len);
}
