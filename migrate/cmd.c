/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd.c - what the commands of blktap-migrate share. */
#include "migrate/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/json.h"

int cmd_print(struct json *json)
{
	char *text = json_take(json, NULL);
	int rc = 0;

	json_free(json);
	if (!text)
		return -ENOMEM;
	if (puts(text) == EOF)
		rc = -EIO;
	free(text);
	return rc;
}
