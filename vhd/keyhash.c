/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keyhash.c - which key an image wants: SHA-256 of a nonce and the key. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "vhd/vhd.h"

int vhd_keyhash_make(struct vhd_keyhash *out, const uint8_t nonce[32],
		     const uint8_t *key, size_t len)
{
	struct vhd_keyhash kh = { .set = true };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx != NULL;

	memcpy(kh.nonce, nonce, sizeof(kh.nonce));
	ok = ok && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
	ok = ok && EVP_DigestUpdate(ctx, kh.nonce, sizeof(kh.nonce)) == 1;
	ok = ok && EVP_DigestUpdate(ctx, key, len) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, kh.hash, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -EIO;
	*out = kh;
	return 0;
}

bool vhd_keyhash_match(const struct vhd_keyhash *kh, const uint8_t *key,
		       size_t len)
{
	struct vhd_keyhash mine;

	if (!kh->set || vhd_keyhash_make(&mine, kh->nonce, key, len))
		return false;
	return !CRYPTO_memcmp(mine.hash, kh->hash, sizeof(mine.hash));
}
