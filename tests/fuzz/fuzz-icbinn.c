/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-icbinn.c - ICBINN messages from the other end.
 *
 * The first byte tells a reply, to the client, from a call.  A call goes to
 * the server through a socket, whose folder is one without anything.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "vhd/icbinn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reply(uint8_t *buf, size_t size)
{
	struct vhd_xdr x = { .buf = buf, .size = size };
	size_t len;

	if (size < 4 || vhd_icbinn_get_reply(&x, bytes_be32(buf)))
		return;
	(void)vhd_xdr_get32(&x); /* what a PREAD's caller takes */
	(void)vhd_xdr_get_bytes(&x, VHD_ICBINN_DATA, &len);
}

static void call(const uint8_t *buf, size_t size)
{
	int root = open("/proc/self/fdinfo", O_PATH | O_DIRECTORY);
	uint8_t mark[4];
	int fd[2];

	if (root < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		return;
	bytes_put_be32(mark, 0x80000000u | (uint32_t)size);
	if (write(fd[0], mark, 4) == 4 &&
	    write(fd[0], buf, size) == (ssize_t)size &&
	    !shutdown(fd[0], SHUT_WR))
		(void)vhd_icbinn_serve(fd[1], root, VHD_ICBINN_DATA);
	(void)close(fd[0]); /* nobody reads the answer */
	(void)close(fd[1]);
	(void)close(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buf[65536];

	if (!size || size > sizeof(buf))
		return 0;
	memcpy(buf, data + 1, size - 1);
	if (data[0] & 1)
		reply(buf, size - 1);
	else
		call(buf, size - 1);
	return 0;
}
