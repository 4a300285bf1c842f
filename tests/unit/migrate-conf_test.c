/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migrate-conf_test.c - disks are found in every kind of configuration, and
 * said anew as the table of conversions has it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "migrate/conf.h"
#include "tests/lib/test.h"

static struct conf_vm read_as(enum conf_kind kind, const char *text)
{
	struct conf_vm vm;

	conf_read(&vm, kind, "/etc/xen/x", text, strlen(text));
	return vm;
}

/* The text with one disk converted; NULL when it is left alone. */
static char *rewritten(const struct conf_vm *vm, size_t n, const char *text,
		       const struct conf_goal *goal)
{
	const struct conf_disk *disk = &vm->disks[n];
	struct err err = { 0 };
	char *new = NULL;
	char *all;
	int rc = conf_convert(&new, vm, disk, goal, &err);

	assert_true(rc >= 0);
	if (!rc)
		return NULL;
	assert_true(asprintf(&all, "%.*s%s%s", (int)disk->off, text, new,
			     text + disk->off + disk->len) > 0);
	free(new);
	return all;
}

/* One line of the table: "" is left alone, "!word" refused for that. */
struct line {
	const char *old, *native, *script;
};

static const struct line table[] = {
	{ "tap:aio:/x.img,xvda,w",
	  "backendtype=tap,format=raw,vdev=xvda,access=w,target=/x.img",
	  "format=raw,vdev=xvda,access=w,script=block-xenio,"
	  "target=aio:/x.img" },
	{ "tap:tapdisk:aio:/x.img,xvda,r",
	  "backendtype=tap,format=raw,vdev=xvda,access=r,target=/x.img",
	  "format=raw,vdev=xvda,access=r,script=block-xenio,"
	  "target=aio:/x.img" },
	{ "tap2:aio:/x.img,sda1,w",
	  "backendtype=tap,format=raw,vdev=sda1,access=w,target=/x.img",
	  "format=raw,vdev=sda1,access=w,script=block-xenio,"
	  "target=aio:/x.img" },
	{ "file:/x.img,xvda,w", "", "" },
	{ "phy:/dev/vg/lv,xvda,w", "", "" },
	{ "/x.img,raw,xvda,rw", "", "" },
	{ "tap2:vhd:/a.vhd,xvda,w",
	  "backendtype=tap,format=vhd,vdev=xvda,access=w,target=/a.vhd",
	  "format=raw,vdev=xvda,access=w,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "tap:vhd:/a.vhd,xvda,w",
	  "backendtype=tap,format=vhd,vdev=xvda,access=w,target=/a.vhd",
	  "format=raw,vdev=xvda,access=w,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "tap:tapdisk:vhd:/a.vhd,xvda,w",
	  "backendtype=tap,format=vhd,vdev=xvda,access=w,target=/a.vhd",
	  "format=raw,vdev=xvda,access=w,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "vhd:/a.vhd,xvda,w",
	  "backendtype=tap,format=vhd,vdev=xvda,access=w,target=/a.vhd",
	  "format=raw,vdev=xvda,access=w,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "/a.vhd,vhd,xvda",
	  "backendtype=tap,format=vhd,vdev=xvda,access=rw,target=/a.vhd",
	  "format=raw,vdev=xvda,access=rw,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "format=vhd, vdev=xvda, access=ro, discard, target=/a, b.vhd",
	  "!blank", "!blank" },
	{ "format=vhd,vdev=xvda,access=ro,discard,target=/a,b.vhd",
	  "backendtype=tap,format=vhd,vdev=xvda,access=ro,discard,"
	  "target=/a,b.vhd",
	  "format=raw,vdev=xvda,access=ro,discard,script=block-xenio,"
	  "target=vhd:/a,b.vhd" },
	{ "backendtype=tap,format=vhd,vdev=xvda,access=rw,target=/a.vhd", "",
	  "format=raw,vdev=xvda,access=rw,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "backendtype=tap,format=raw,vdev=xvda,target=/x.img", "",
	  "format=raw,vdev=xvda,access=rw,script=block-xenio,"
	  "target=aio:/x.img" },
	{ "script=block-tap,vdev=xvda,target=vhd:/a.vhd", "", "" },
	{ "backendtype=qdisk,format=vhd,vdev=xvda,target=/a.vhd", "", "" },
	{ "tap:qcow:/a.qcow,xvda,w", "!--qcow-script", "!--qcow-script" },
	{ "tap2:qcow2:/a.qcow2,xvda,w", "!--qcow-script", "!--qcow-script" },
	{ "/a.qcow2,qcow2,xvda", "", "" },
	{ "tap:ram:512,xvda,w", "!ram", "!ram" },
	{ "tap2:remus:h:1:/a,xvda,w", "!remus", "!remus" },
	{ "tap:sync:/a,xvda,w", "!sync", "!sync" },
	{ "tap:vmdk:/a,xvda,w", "!vmdk", "!vmdk" },
	{ "tap:aio:/x.img,xvda,w!", "!--shared", "!--shared" },
	{ "tap:aio:/x.iso,hdc:cdrom,r", "", "" },
	{ "tap:aio:/x:y,xvda,w", "!colon", "!colon" },
	{ "tap:aio:x.img,xvda,w", "!begin", "!begin" },
	{ "tap:aio:/x,xvda,w,storage", "!another domain", "!another domain" },
	{ "backendtype=tap,vdev=xvda,colo,target=/x", "", "!replicate" },
	{ "tap:weird:/x,xvda,w", "!prefix", "!prefix" },
	{ "/x,xvda,w", "!format", "!format" },
	{ "tap:aio:/x", "!no device", "!no device" },
	{ "vdev=xvda,format=raw", "!no target", "!no target" },
	{ "tap:aio:/x,xvda,q", "!mode", "!mode" },
	{ "tap:aio:/x,xvda,w,a,b", "!too many", "!too many" },
	{ "tap:aio:/x,xvda,w,what=x", "!unknown", "!unknown" },
	{ "vdev=xvda,vdev=xvdb,target=/x", "!twice", "!twice" },
	/* A place is told by what was said before, by name or not. */
	{ "format=vhd,/a.vhd,xvda,r",
	  "backendtype=tap,format=vhd,vdev=xvda,access=r,target=/a.vhd",
	  "format=raw,vdev=xvda,access=r,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "vdev=xvda,/a.vhd,vhd,r",
	  "backendtype=tap,format=vhd,vdev=xvda,access=r,target=/a.vhd",
	  "format=raw,vdev=xvda,access=r,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "tap:aio:/x,xvda,w,",
	  "backendtype=tap,format=raw,vdev=xvda,access=w,target=/x",
	  "format=raw,vdev=xvda,access=w,script=block-xenio,target=aio:/x" },
	{ "tap:aio:/x,access=r,xvda,w", "!twice", "!twice" },
	{ ",hdc:cdrom,r", "", "" },
	{ "phy:,hdc:cdrom,r", "", "" },
	/* One of both would be a wrong guess at somebody's data. */
	{ "tap:vhd:/a.vhd,xvda,w,format=raw", "!format raw", "!format raw" },
	{ "tap:aio:/x,xvda,w,format=vhd", "!prefix says raw", "!raw" },
	{ "phy:vhd:/a.vhd,xvda,w",
	  "backendtype=tap,format=vhd,vdev=xvda,access=w,target=/a.vhd",
	  "format=raw,vdev=xvda,access=w,script=block-xenio,"
	  "target=vhd:/a.vhd" },
	{ "tap:iscsi:/iqn,xvda,w", "", "" },
	{ "backendtype=tap,vdev=xvda,target=/a,", "",
	  "format=raw,vdev=xvda,access=rw,script=block-xenio,target=aio:/a" },
	{ "backendtype=tap,vdev=xvda,target=/a ", "", "!blank" },
	{ "backendtype=tap,vdev=xvda,specification=virtio,target=/a", "",
	  "!virtio" },
	{ "backendtype=tap,script=/etc/xen/scripts/block-tap,vdev=xvda,"
	  "target=/a",
	  "",
	  "format=raw,vdev=xvda,access=rw,script=block-xenio,target=aio:/a" },
};

static void converts(const char *old, const char *want,
		     const struct conf_goal *goal)
{
	char text[512];
	struct err err = { 0 };
	struct conf_vm vm;
	char *new = NULL;
	int rc;

	(void)snprintf(text, sizeof(text), "disk = [ '%s' ]\n", old);
	vm = read_as(CONF_XL, text);
	assert_null(vm.problem);
	assert_int_equal(vm.count, 1);
	rc = conf_convert(&new, &vm, &vm.disks[0], goal, &err);
	if (*want == '!') {
		assert_int_equal(rc, -EINVAL);
		if (!strstr(err.msg, want + 1))
			fail_msg("%s: %s", old, err.msg);
	} else if (!*want) {
		if (rc)
			fail_msg("%s: %s", old, err.msg);
	} else {
		assert_int_equal(rc, 1);
		assert_string_equal(new, want);
	}
	free(new);
	conf_free(&vm);
}

static void every_old_form_is_said_anew(void **state)
{
	const struct conf_goal native = { .native = true };
	const struct conf_goal script = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		converts(table[i].old, table[i].native, &native);
		converts(table[i].old, table[i].script, &script);
	}
}

/* What is new is the end of it: a second plan finds nothing to do. */
static void what_was_converted_is_left_alone(void **state)
{
	const struct conf_goal native = { .native = true };
	const struct conf_goal script = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (*table[i].native && *table[i].native != '!')
			converts(table[i].native, "", &native);
		if (*table[i].script && *table[i].script != '!')
			converts(table[i].script, "", &script);
	}
}

static void what_must_be_allowed_is_done_when_it_is(void **state)
{
	struct conf_goal goal = { .native = true,
				  .include_file = true,
				  .shared = true,
				  .qcow_script = true };

	(void)state;
	converts("file:/x,xvda,w",
		 "backendtype=tap,format=raw,vdev=xvda,access=w,target=/x",
		 &goal);
	converts("tap:aio:/x,xvda,w!",
		 "backendtype=tap,format=raw,vdev=xvda,access=rw,target=/x",
		 &goal);
	converts("tap2:qcow:/x,xvda,w",
		 "format=raw,vdev=xvda,access=w,script=block-xenio,"
		 "target=qcow:/x",
		 &goal);
}

static void a_raw_disk_of_an_hvm_guest_has_the_script(void **state)
{
	const struct conf_goal goal = { .native = true };
	const char text[] = "builder='hvm'\n"
			    "disk=['tap:aio:/x,ioemu:hda,w',"
			    "'tap:vhd:/y,hdb,w']";
	struct conf_vm vm = read_as(CONF_XM, text);
	char *new;

	(void)state;
	assert_true(vm.hvm);
	new = rewritten(&vm, 0, text, &goal);
	assert_non_null(strstr(new, "'backendtype=tap,format=raw,vdev=hda,"
				    "access=w,script=block-tap,target=/x'"));
	free(new);
	new = rewritten(&vm, 1, text, &goal);
	assert_null(strstr(new, "block-tap"));
	free(new);
	conf_free(&vm);
}

static void all_else_in_a_file_stays_as_it_was(void **state)
{
	const struct conf_goal goal = { .native = true };
	const char text[] = "# tap:aio:/no,xvda,w\r\n"
			    "name = \"a b\"; memory = 0x100\n"
			    "vif = [ 'mac=00:16:3e:00:00:01', ]\n\n"
			    "disk\t= [  # disks\n"
			    "\t'phy:/dev/vg/x,xvda,w' , # first\n"
			    "  \"tap:vhd:/y.vhd,xvdb,w\",\n"
			    "\t] # end\n"
			    "on_crash = 'restart'";
	const char want[] = "# tap:aio:/no,xvda,w\r\n"
			    "name = \"a b\"; memory = 0x100\n"
			    "vif = [ 'mac=00:16:3e:00:00:01', ]\n\n"
			    "disk\t= [  # disks\n"
			    "\t'phy:/dev/vg/x,xvda,w' , # first\n"
			    "  \"backendtype=tap,format=vhd,vdev=xvdb,"
			    "access=w,target=/y.vhd\",\n"
			    "\t] # end\n"
			    "on_crash = 'restart'";
	struct conf_vm vm = read_as(CONF_XM, text);
	char *new;

	(void)state;
	assert_null(vm.problem);
	assert_string_equal(vm.name, "a b");
	assert_int_equal(vm.count, 2);
	assert_int_equal(vm.disks[0].line, 6);
	assert_int_equal(vm.disks[1].line, 7);
	assert_null(rewritten(&vm, 0, text, &goal));
	new = rewritten(&vm, 1, text, &goal);
	assert_string_equal(new, want);
	free(new);
	conf_free(&vm);
}

static void code_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *problem;
	} files[] = {
		{ "a=1\nimport os\ndisk=['phy:/dev/x,xvda,w']", "line 2: " },
		{ "disk = [ 'phy:%s,xvda,w' % x ]", "line 1: " },
		{ "x=1\n\ndisk = [ 'phy:' + x ]\n", "line 3: " },
		{ "arch = os.uname()[4]\n", "line 1: " },
		{ "memory = 2 * 128\n", "line 1: " },
		{ "disk = [ 'a' 'b' ]", "line 1: " },
		{ "disk = [ 'a,\n ]", "line 1: " },
		{ "disk = [ 'a'", "line 1: " },
		{ "disk = 'phy:/dev/x,xvda,w'", "line 1: disk is no list" },
		{ "disk = [ ]\ndisk = [ ]", "line 2: disk is set a second" },
		{ "def f():\n  pass\n", "line 1: " },
		{ "((((((((((((", "line 1: " },
		{ "x = ((((((((((((", "line 1: " },
		{ "name == 'x'\n", "line 1: " },
		/* Literals of python's that xl has no words for. */
		{ "a=1\nx=('a',)\n", "line 2: a list in round brackets" },
		{ "a=1\nx=True\n", "line 2: True, which xl does not" },
		{ "a=1\nx=-1\n", "line 2: a number of this kind" },
		{ "x=1.5\n", "line 1: a number of this kind" },
		{ "x='''a'''\n", "line 1: a string in three quotes" },
		{ "X=1\n", "line 1: a name of this kind" },
		{ "_x=1\n", "line 1: a name of this kind" },
		{ "a=1\r\n", "line 1: a carriage return" },
		{ "a=1\nb=1 # end", "line 2: a comment without the end" },
		{ "\ndisk=[['phy:/x,xvda,w']]\n", "line 2: a list in the" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct conf_vm vm = read_as(CONF_XM, files[i].text);

		if (!vm.problem)
			fail_msg("%s: no problem", files[i].text);
		assert_memory_equal(vm.problem, files[i].problem,
				    strlen(files[i].problem));
		conf_free(&vm);
	}
}

static void more_disks_are_added_to_a_list(void **state)
{
	struct conf_vm vm = read_as(CONF_XL, "disk = ['/x,raw,xvda']\n"
					     "disk += ['/y,raw,xvdb']\n");

	(void)state;
	assert_null(vm.problem);
	assert_int_equal(vm.count, 2);
	assert_string_equal(vm.disks[1].vdev, "xvdb");
	conf_free(&vm);
}

static void escapes_in_a_disk_are_a_problem(void **state)
{
	struct conf_vm vm = read_as(CONF_XL, "name='a\\'b'\n"
					     "disk=['/x\\x41,raw,xvda']\n");

	(void)state;
	assert_null(vm.problem);
	assert_non_null(vm.disks[0].problem);
	conf_free(&vm);
}

static void a_comment_pins_a_file(void **state)
{
	struct conf_vm vm = read_as(CONF_XL, "disk=[ #blktap-migrate: keep\n]");

	(void)state;
	assert_true(vm.keep);
	conf_free(&vm);
	vm = read_as(CONF_XL, "name='# blktap-migrate: keep'\n");
	assert_false(vm.keep);
	conf_free(&vm);
}

static const char xml[] =
	"<?xml version='1.0'?>\n"
	"<!-- <disk><driver name='tap2'/></disk> -->\n"
	"<domain type='xen'>\n"
	"  <name>vm&amp;1</name>\n"
	"  <os><type>linux</type></os>\n"
	"  <devices>\n"
	"    <disk type='file' device='disk'>\n"
	"      <driver type=\"vhd\"\n"
	"              name = \"tap2\" />\n"
	"      <source file='/a&amp;&#x2d;b.vhd'/>\n"
	"      <target dev='xvda' bus='xen'/>\n"
	"    </disk>\n"
	"    <disk type='file' device='disk'>\n"
	"      <driver name='tap2' type='qcow2'/>\n"
	"      <target dev='xvdb'/>\n"
	"    </disk>\n"
	"    <disk type='file' device='cdrom'><target dev='hdc'/></disk>\n"
	"  </devices>\n"
	"</domain>\n";

static void xml_is_edited_in_one_attribute(void **state)
{
	const struct conf_goal native = { .native = true };
	const struct conf_goal script = { 0 };
	struct conf_vm vm = read_as(CONF_LIBVIRT, xml);
	struct err err = { 0 };
	char *new;

	(void)state;
	assert_null(vm.problem);
	assert_string_equal(vm.name, "vm&1");
	assert_int_equal(vm.count, 3);
	assert_int_equal(vm.disks[0].line, 8);
	assert_string_equal(vm.disks[0].target, "/a&-b.vhd");
	assert_string_equal(vm.disks[0].type, "vhd");
	new = rewritten(&vm, 0, xml, &native);
	assert_int_equal(strlen(new), strlen(xml) - 1);
	assert_non_null(strstr(new, "name = \"tap\" />"));
	assert_non_null(strstr(new, "<disk><driver name='tap2'/></disk>"));
	free(new);
	assert_null(rewritten(&vm, 1, xml, &native));
	assert_null(rewritten(&vm, 2, xml, &native));
	assert_int_equal(conf_convert(&new, &vm, &vm.disks[0], &script, &err),
			 -EINVAL);
	conf_free(&vm);
}

/* The driver is what this says; "" is left alone, "!word" refused for it. */
static void xml_becomes(const char *disk, const char *want)
{
	const struct conf_goal native = { .native = true };
	struct err err = { 0 };
	struct conf_vm vm;
	char *new = NULL;
	char *text;
	int rc;

	assert_true(asprintf(&text,
			     "<domain xmlns:q='http://q'><q:x/><devices>"
			     "<disk>%s<target dev='xvda'/></disk>"
			     "</devices></domain>",
			     disk) > 0);
	vm = read_as(CONF_LIBVIRT, text);
	assert_null(vm.problem);
	assert_int_equal(vm.count, 1);
	rc = conf_convert(&new, &vm, &vm.disks[0], &native, &err);
	if (*want == '!' && (rc >= 0 || !strstr(err.msg, want + 1)))
		fail_msg("%s: %d %s", disk, rc, err.msg);
	else if (*want != '!' && rc != (*want ? 1 : 0))
		fail_msg("%s: %d %s", disk, rc, err.msg);
	else if (rc == 1)
		assert_string_equal(new, want);
	free(new);
	conf_free(&vm);
	free(text);
}

static void xml_of_other_shapes(void **state)
{
	static const char *const disks[][2] = {
		{ "<source file='/a'/><driver q:name='tap2' x='a>b'\n"
		  "\tname = 'tap2'></driver>",
		  "<driver q:name='tap2' x='a>b'\n\tname = 'tap'>" },
		{ "<source file='/a'/><driver name='tap2' type='aio'/>",
		  "<driver name='tap' type='aio'/>" },
		{ "<q:driver name='tap2'/><source file='/a'/>", "" },
		{ "<!-- <driver name='tap2'/> --><source file='/a'/>", "" },
		{ "<driver q:name='tap2'/><source file='/a'/>", "" },
		{ "<driver name='tap2'/><source file='/a'/><shareable/>",
		  "!several" },
		{ "<driver name='tap2'/><source protocol='nbd'/>", "!no file" },
		{ "<driver name='tap2'/><source file='/a:b'/>", "!colon" },
		{ "<driver name='tap2'/><source file='/a'/>"
		  "<backenddomain name='x'/>",
		  "!another domain" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		xml_becomes(disks[i][0], disks[i][1]);
}

/* A file that is not ours to read. */
static const char bad_entity[] =
	"<!DOCTYPE d [<!ENTITY a SYSTEM '/etc/passwd'>]>\n"
	"<domain><name>&a;</name></domain>";

static void broken_xml_is_a_problem(void **state)
{
	static const char *const texts[] = {
		"", "no", "<domain>", "<domain><devices></domain>", bad_entity,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct conf_vm vm = read_as(CONF_LIBVIRT, texts[i]);

		if (!vm.problem)
			fail_msg("%s: no problem", texts[i]);
		conf_free(&vm);
	}
}

static const char sxp[] =
	"(domain\n (name old)\n (uuid 1-2)\n (memory 256)\n (vcpus 2)\n"
	" (image (linux (kernel /boot/v) (args 'root=/dev/xvda1 ro')))\n"
	" (device (vif (mac 00:16:3e:00:00:02) (bridge xenbr0)))\n"
	" (device (tap2 (uname tap2:vhd:/a.vhd) (dev xvda:disk) (mode w)))\n"
	" (device (vbd (uname phy:/dev/x) (dev xvdb:disk) (mode r)))\n"
	" (device (vkbd (backend 0)))\n)\n";

static void a_managed_domain_is_exported(void **state)
{
	const struct conf_goal goal = { .native = true };
	struct conf_vm vm = read_as(CONF_SXP, sxp);
	struct conf_vm again;
	struct err err;
	char *out;

	(void)state;
	assert_null(vm.problem);
	assert_int_equal(vm.count, 2);
	assert_int_equal(vm.disks[0].line, 8);
	assert_int_equal(conf_export(&out, &vm, sxp, strlen(sxp), &goal, &err),
			 0);
	assert_string_equal(
		out, "# exported from /etc/xen/x by blktap-migrate\n"
		     "name = \"old\"\nuuid = \"1-2\"\nmemory = 256\nvcpus = 2\n"
		     "kernel = \"/boot/v\"\nextra = \"root=/dev/xvda1 ro\"\n"
		     "vif = [\n\t'mac=00:16:3e:00:00:02,bridge=xenbr0',\n]\n"
		     "disk = [\n"
		     "\t'backendtype=tap,format=vhd,vdev=xvda,access=w,"
		     "target=/a.vhd',\n"
		     "\t'phy:/dev/x,xvdb:disk,r',\n]\n"
		     "# not exported: device vkbd\n");
	again = read_as(CONF_XL, out);
	assert_null(again.problem);
	assert_int_equal(again.count, 2);
	conf_free(&again);
	free(out);
	conf_free(&vm);
}

/* What an xl configuration has no words for is not exported without them. */
static void a_disk_without_words_is_not_exported(void **state)
{
	static const char *const disks[][2] = {
		{ "(uname phy:/dev/x) (mode w) (backend stor)", "domain" },
		{ "(uname tap:aio:/x) (mode w) (backend stor)", "domain" },
		{ "(uname phy:/dev/x) (mode w!)", "several" },
		{ "(uname \"tap:aio:/it's\") (mode w)", "a quote" },
	};
	const struct conf_goal goal = { .native = true };
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		struct err err = { 0 };
		struct conf_vm vm;
		char *out;

		(void)snprintf(text, sizeof(text),
			       "(domain (name a) (device (vbd (dev xvda:disk) "
			       "%s)))",
			       disks[i][0]);
		vm = read_as(CONF_SXP, text);
		assert_int_equal(
			conf_export(&out, &vm, text, strlen(text), &goal, &err),
			-EINVAL);
		if (!strstr(err.msg, disks[i][1]))
			fail_msg("%s: %s", text, err.msg);
		conf_free(&vm);
	}
}

static void broken_expressions_are_a_problem(void **state)
{
	static const char *const texts[] = { "",           "x",
					     "(domain",    "(domain ')",
					     "(domain) x", "(vm)" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct conf_vm vm = read_as(CONF_SXP, texts[i]);

		if (!vm.problem)
			fail_msg("%s: no problem", texts[i]);
		conf_free(&vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_old_form_is_said_anew),
		cmocka_unit_test(what_was_converted_is_left_alone),
		cmocka_unit_test(what_must_be_allowed_is_done_when_it_is),
		cmocka_unit_test(a_raw_disk_of_an_hvm_guest_has_the_script),
		cmocka_unit_test(all_else_in_a_file_stays_as_it_was),
		cmocka_unit_test(code_is_told_with_its_line),
		cmocka_unit_test(more_disks_are_added_to_a_list),
		cmocka_unit_test(escapes_in_a_disk_are_a_problem),
		cmocka_unit_test(a_comment_pins_a_file),
		cmocka_unit_test(xml_is_edited_in_one_attribute),
		cmocka_unit_test(xml_of_other_shapes),
		cmocka_unit_test(broken_xml_is_a_problem),
		cmocka_unit_test(a_managed_domain_is_exported),
		cmocka_unit_test(a_disk_without_words_is_not_exported),
		cmocka_unit_test(broken_expressions_are_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
