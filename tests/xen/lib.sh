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
declare -A ttys=()
# Nothing ever comes from it: waiting there costs no process.
exec {never}<> <(:)

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
		nap "${poll:-0.1}"
	done
}
nap() { read -r -t "$1" -u "$never" || :; }

# --- guests ---------------------------------------------------------------

# The guest's parts are copied once: Xen's tools read them several times.
guest_files() {
	local dir=/tmp/guest
	[ -e $dir/small ] && return
	mkdir -p $dir/tree
	cp $base/vmlinux $dir/vmlinux
	install -m 755 /rig/t/guest-init $dir/tree/init
	(cd $dir/tree && find . | cpio --quiet -o -H newc) >$dir/init.cpio
	cat $base/guest.cpio $base/fio.cpio $dir/init.cpio >$dir/initrd
	cat $base/guest.cpio $dir/init.cpio >$dir/small
}

# guest_config NAME TYPE DISK...: also $initrd ("small" is without fio),
# $memory, $vcpus, $extra (its kernel's command line), $config (more lines);
# guest: $boot, the seconds until its shell is there.
guest_config() {
	local name=$1 type=$2 disk list=
	shift 2
	for disk; do
		list="$list'$disk', "
	done
	cat <<-EOF
		name="$name"
		type="$type"
		memory=${memory:-192}
		vcpus=${vcpus:-1}
		kernel="/tmp/guest/vmlinux"
		ramdisk="/tmp/guest/${initrd:-initrd}"
		extra="console=hvc0 quiet $(cat /rig/share/kernel) rdinit=/init ${extra-}"
		on_poweroff="destroy"
		on_reboot="restart"
		on_crash="destroy"
		disk=[ $list ]
		${config-}
	EOF
}

# tap FORMAT VDEV FILE [ACCESS]: a disk line.
tap() {
	echo "backendtype=tap,format=$1,vdev=$2,access=${4-rw},target=$3"
}

# starts NAME: how often the guest has come up.
starts() { grep -c '^>>0 0 \.' "$consoles/guest-$1.log"; }
guest_ready() { [ "$(starts "$1")" -ge "${2:-1}" ]; }

guest() {
	guest_files
	rm -f "$consoles/guest-$1.log"
	kill -HUP "$(cat /run/xenconsoled.pid)"
	guest_config "$@" >"$tmp/$1.cfg"
	xl create "$tmp/$1.cfg" || return
	unset "ttys[$1]"
	console "$1"
	poll=0.3 until_ "${boot:-60}" guest_ready "$1" || { tail -n 5 "$consoles/guest-$1.log"; false; }
}

# console NAME: sets $tty; a guest that was started anew has another.
console() {
	tty=${ttys[$1]-}
	[ -z "$tty" ] || [ ! -c "$tty" ] || return 0
	tty=$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty") &&
		ttys[$1]=$tty
}

# answered NAME ID LINE: looks from that line on; sets $text and $status.
answered() {
	local lines line
	mapfile -t -s "$3" lines <"$consoles/guest-$1.log"
	text='' status=
	for line in "${lines[@]}"; do
		case $line in
		"<<$2") text='' ;;
		">>$2 "*" .") status=${line#* } status=${status% .}; return ;;
		*) text+=$line$'\n' ;;
		esac
	done
	return 1
}

# The answer is looked for by a number that is used once.
in_guest() {
	local id=$BASHPID.$RANDOM tty text status lines
	console "$1" || return
	mapfile -t lines <"$consoles/guest-$1.log"
	echo "$id ${2//\\$'\n'/}" >"$tty"
	# Looking for the answer takes time that a measurement counts.
	[ -z "${poll-}" ] || nap "$poll"
	until_ "${patience:-60}" answered "$1" "$id" "${#lines[@]}" ||
		{ echo "no answer from $1 to: $2"; return 1; }
	while [[ $text == *$'\n' ]]; do text=${text%$'\n'}; done
	[ -z "$text" ] || echo "$text"
	return "$status"
}

gone() { ! xl domid "$1" >/dev/null 2>&1; }
destroy() { xl destroy "$1" && until_ 20 gone "$1"; }

# --- disks ------------------------------------------------------------------

# The sum of nothing is no sum: two failures are not equal.
some() {
	local sum
	read -r sum _
	case $sum in
	"" | e3b0c44298fc1c149afb*) echo "nothing-$BASHPID" ;;
	*) echo "$sum" ;;
	esac
}
sum() { sha256sum "$@" | some; }
sum_in() { in_guest "$1" "sha256sum $2" | some; }

# fio_in NAME DEVICE [OPTION]...: write it all at random, and verify.
fio_in() {
	local name=$1 device=$2
	shift 2
	patience=120 in_guest "$name" "fio --name=v --filename=$device --bs=4k \
--rw=randwrite --iodepth=32 --ioengine=libaio --direct=1 \
--verify=crc32c --size=8m $*"
}

# busy NAME DEVICE [OPTION]: write it and verify it, again and again, until "quiet".
busy() {
	fio="fio --name=b --filename=$2 --rw=randwrite --bs=16k --iodepth=32"
	fio="$fio --ioengine=libaio --direct=1 --size=8m --verify=crc32c ${3-}"
	in_guest "$1" "rm -f /tmp/quiet /tmp/bad /tmp/over; echo >/tmp/rounds; \
{ while [ ! -e /tmp/quiet ]; do $fio >/tmp/fio.log 2>&1 || break; \
echo round >>/tmp/rounds; done; [ -e /tmp/quiet ] || touch /tmp/bad; \
touch /tmp/over; } &"
}

# worked NAME [ROUNDS]: so many rounds are done since busy began.
worked() { [ "$(in_guest "$1" 'grep -c round /tmp/rounds')" -ge "${2:-1}" ]; }
quiet() {
	in_guest "$1" 'touch /tmp/quiet; while [ ! -e /tmp/over ]; do sleep 1; \
done; cat /tmp/fio.log; [ ! -e /tmp/bad ]'
}

# serve TYPE:FILE: a tapdisk without Xen; sets $address, for NBD clients.
serve() {
	local pid minor
	tap-ctl create -t xenio -a "$1" >/dev/null || return
	read -r pid minor _ < <(tap-ctl list -t "${1%%:*}" -f "${1#*:}" |
		sed 's/pid=//; s/minor=//')
	served="-p $pid -m $minor"
	address="nbd+unix:///?socket=/run/blktap-control/nbd$pid.$minor"
}
# shellcheck disable=SC2086
unserve() { tap-ctl destroy $served; }

# fill TYPE:FILE RAW: copy a raw file into an image, through our tapdisk.
fill() { serve "$1" && nbdcopy "$2" "$address" && unserve; }
# image_sum TYPE:FILE: of what our tapdisk reads.
image_sum() {
	serve "$1" && nbdcopy "$address" - | sum && unserve
}

random() { dd if=/dev/urandom of="$1" bs=1M count="$2" 2>/dev/null; }

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
	lsmod | grep -o '^blktap'
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
