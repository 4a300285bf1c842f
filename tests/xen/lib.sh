# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - the words of the tests in domain 0. They are bash, say "set -u",
# source this, and end with "finish".
#
#   ok NAME COMMAND...      a test; the command's output is shown if it fails
#   is NAME GOT WANTED      a test
#   guest NAME TYPE DISK... create a guest (pv, pvh) and wait for its shell
#   in_guest NAME COMMAND   run it there; prints its output, and ends like it
#   until_ SECONDS COMMAND  wait for something, by asking
#   leftovers               prints what is not as it was when the test began
tmp=$(mktemp -d /tmp/t.XXXX)
consoles=/var/log/xen/console
base=/rig/base
count=0

result() {
	count=$((count + 1))
	echo "$1 $count - $2"
}

ok() {
	local name=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		result ok "$name"
	else
		result "not ok" "$name"
		tail -n 12 "$tmp/out" | sed 's/^/  /'
	fi
}

is() {
	if [ "$2" = "$3" ]; then
		result ok "$1"
	else
		result "not ok" "$1"
		printf '  got    "%s"\n  wanted "%s"\n' "$2" "$3"
	fi
}

finish() {
	is "nothing is left" "$(leftovers)" ""
	echo "1..$count"
	rm -rf "$tmp"
}

until_() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# --- guests ---------------------------------------------------------------

# The guest's parts are copied once: Xen's tools read them several times.
guest_files() {
	[ -e /tmp/guest/initrd ] && return
	mkdir -p /tmp/guest/tree
	cp $base/vmlinux /tmp/guest/vmlinux
	install -m 755 /rig/t/guest-init /tmp/guest/tree/init
	{ cat $base/guest.cpio $base/fio.cpio
	  (cd /tmp/guest/tree && find . | cpio --quiet -o -H newc); } \
		>/tmp/guest/initrd
}

# guest_config NAME TYPE DISK...: and what is in $extra, for the command line
# of its kernel, and in $config, for its configuration.
guest_config() {
	local name=$1 type=$2 disk list=
	shift 2
	for disk; do
		list="$list'$disk', "
	done
	cat <<-EOF
		name="$name"
		type="$type"
		memory=400
		vcpus=${vcpus:-1}
		kernel="/tmp/guest/vmlinux"
		ramdisk="/tmp/guest/initrd"
		extra="console=hvc0 quiet rdinit=/init ${extra-}"
		on_poweroff="destroy"
		on_crash="destroy"
		disk=[ $list ]
		${config-}
	EOF
}

guest_ready() { grep -q '^>>0 0' "$consoles/guest-$1.log"; }

guest() {
	guest_files
	rm -f "$consoles/guest-$1.log"
	kill -HUP "$(cat /run/xenconsoled.pid)"
	guest_config "$@" >"$tmp/$1.cfg"
	xl create "$tmp/$1.cfg" && until_ 60 guest_ready "$1"
}

said() { grep -q "^>>$2 " "$consoles/guest-$1.log"; }

# The answer is looked for by a number that is used once.
in_guest() {
	local log="$consoles/guest-$1.log" id=$BASHPID.$RANDOM tty
	tty=$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty") ||
		return
	echo "$id $2" >"$tty"
	until_ "${patience:-60}" said "$1" "$id" ||
		{ echo "no answer from $1 to: $2"; return 1; }
	sed -n "/^<<$id\$/,/^>>$id /p" "$log" | sed '1d;$d'
	return "$(sed -n "s/^>>$id //p" "$log")"
}

gone() { ! xl domid "$1" >/dev/null 2>&1; }
destroy() { xl destroy "$1" && until_ 20 gone "$1"; }

sum() { sha256sum "$@" | cut -d' ' -f1; }

# --- what may not be left -------------------------------------------------

# One line for each thing of ours or of a guest that exists now.
things() {
	local node
	for node in $(xenstore-list /local/domain/0/backend); do
		xenstore-ls -f "/local/domain/0/backend/$node"
	done 2>/dev/null | cut -d' ' -f1 | grep -E '/[0-9]+/[0-9]+$'
	xenstore-list /libxl 2>/dev/null | sed 's,^,/libxl/,'
	find /run/blktap-control /var/run/blktap-control/ /dev/shm -mindepth 1 \
		! -type d 2>/dev/null
	pgrep -l -x tapdisk
	losetup -ln -O NAME,BACK-FILE
	xl list | awk 'NR > 1 { print "domain", $1 }'
	echo "event channels $(lsevtchn 0 | wc -l)"
}

leftovers() {
	# A domain's last pages and channels go a moment after its name.
	until_ 10 same_things || diff "$tmp/things" <(things) | grep '^[<>]'
}
same_things() { [ "$(things)" = "$(cat "$tmp/things")" ]; }
things >"$tmp/things"
