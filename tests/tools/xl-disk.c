/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xl-disk.c - what the real xl's parser makes of disks.
 *
 * The parser is in a library, which needs no hypervisor.  Each line of the
 * input is an entry of disk=, or with -f a file's entries are taken; of each
 * one line is printed, or "refused".
 */
#include <libxl.h>
#include <libxlutil.h>
#include <stdio.h>
#include <string.h>

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

static void show(XLU_Config *config, const char *entry)
{
	libxl_device_disk disk;

	libxl_device_disk_init(&disk);
	if (xlu_disk_parse(config, 1, &entry, &disk) != 0)
		(void)printf("refused\n");
	else
		(void)printf("%s %s %s %s %s %s %s\n",
			     libxl_disk_backend_to_string(disk.backend),
			     libxl_disk_format_to_string(disk.format),
			     or_dash(disk.vdev), disk.readwrite ? "rw" : "ro",
			     or_dash(disk.script),
			     or_dash(disk.backend_domname),
			     or_dash(disk.pdev_path));
	libxl_device_disk_dispose(&disk);
}

static int show_file(XLU_Config *config, const char *path)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "re");
	XLU_ConfigList *list;
	const char *entry;
	int count = 0;
	size_t len;

	if (!f)
		return 2;
	len = fread(text, 1, sizeof(text), f);
	(void)fclose(f); /* only read */
	if (xlu_cfg_readdata(config, text, (int)len) != 0 ||
	    xlu_cfg_get_list(config, "disk", &list, &count, 0) != 0)
		return 1;
	for (int i = 0; (entry = xlu_cfg_get_listitem(list, i)); i++)
		show(config, entry);
	return 0;
}

int main(int argc, char **argv)
{
	XLU_Config *config = xlu_cfg_init(stderr, "disk");
	char line[4096];

	if (!config)
		return 2;
	if (argc == 3 && !strcmp(argv[1], "-f"))
		return show_file(config, argv[2]);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		show(config, line);
	}
	return 0;
}
