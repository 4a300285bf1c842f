/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hash.c - SHA-256 of bytes in memory, as hexadecimal digits. */
#include "migrate/hash.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

void hash_hex(char out[HASH_ROOM], const void *data, size_t len)
{
	unsigned char sum[32];

	/* It can only fail for lack of memory. */
	if (EVP_Digest(data, len, sum, NULL, EVP_sha256(), NULL) != 1)
		abort();
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", sum[i]); /* it fits */
}
