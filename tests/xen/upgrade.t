# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154  # lib.sh, and what it sets
# upgrade.t - a host set up the old way is upgraded under two running guests,
# one of them reboots, and it is brought back: one has a VHD behind a tapdev
# of the kernel module, as libxl made it up to Xen 4.12, and a tapdisk with the
# control messages of Xen 4.2; the other a file that its line calls tap:aio,
# which this libxl takes for a loop device.
# xen: by name
# limit: 900
set -u
. ./lib.sh
. ./module.sh

# start NAME LINE [REAL-LINE]: with that line in /etc/xen/NAME.cfg; where this
# libxl would not do what an old one did with it, REAL-LINE does.
start() {
	guest_files
	rm -f "$consoles/guest-$1.log"
	kill -HUP "$(cat /run/xenconsoled.pid)"
	guest_config "$1" pv "${3-$2}" >"$tmp/$1.cfg"
	xl create "$tmp/$1.cfg" || return
	guest_config "$1" pv "$2" >"/etc/xen/$1.cfg"
	cp -p "/etc/xen/$1.cfg" "$tmp/$1.old"
	until_ 120 guest_ready "$1"
}
kind() {
	local kind
	for kind in vbd vbd3; do
		! xenstore-exists \
			"/local/domain/0/backend/$kind/$(xl domid "$1")/51712" ||
			echo "$kind"
	done
}
driver() {
	basename "$(readlink "/sys/bus/xen-backend/devices/vbd-$(xl domid "$1")-51712/driver")"
}
hash() { blktap-migrate plan --allow cold,live | sed -n 's/^plan //p'; }
migrate() { blktap-migrate "$@" || return; }
same_files() {
	for name in one two; do
		cmp "$tmp/$name.old" "/etc/xen/$name.cfg" || return
	done
}
# works NAME: it reads and writes.
works() {
	local fio="fio --name=v --filename=/dev/xvda --bs=16k --rw=randwrite"
	in_guest "$1" "$fio --iodepth=8 --ioengine=libaio --direct=1 \
--verify=crc32c --size=1m"
}

mkdir -p /etc/xen /srv
vhd-util create -n /srv/one.vhd -s 16
random /srv/two.img 16
ok "the module is loaded" load_module
dev=$(TAPDISK=/rig/share/old-tapdisk OLD_LINEAGE=xen42 \
	OLD_TAPDISK=/usr/libexec/tapdisk tap-ctl create -t blktap2 \
	-a vhd:/srv/one.vhd)
read -r pid minor _ < <(tap-ctl list | sed 's/pid=//; s/minor=//')
initrd=initrd memory=300
ok "a guest runs from a VHD behind a tapdev" start one \
	"tap2:vhd:/srv/one.vhd,xvda,w" \
	"format=raw,vdev=xvda,access=rw,target=$dev"
xenstore-write "/local/domain/0/backend/vbd/$(xl domid one)/51712/tapdisk-params" \
	vhd:/srv/one.vhd
ok "another from a file" start two "tap:aio:/srv/two.img,xvda,w"
is "blkback serves both" "$(driver one) $(driver two)" "vbd vbd"
ok "the first has work" busy one /dev/xvda

blktap-migrate plan --allow cold,live >"$tmp/plan" 2>&1
sed 's/^/  /' "$tmp/plan"
is "the first one's tapdisk is an old one" \
	"$(blktap-migrate inventory | grep -c xen-4.2)" 1
is "both can move while they run" "$(grep -c '^LIVE ' "$tmp/plan")" 2
before=$(xl list | wc -l)
ok "the plan is applied" migrate apply --plan "$(hash)" --allow cold,live
sed 's/^/  /' "$tmp/out"
is "neither has a driver of the kernel's" "$(driver one)$(driver two)" ""
is "their lines are those of today" \
	"$(grep -ch 'backendtype=tap' /etc/xen/{one,two}.cfg | tr '\n' ' ')" \
	"1 1 "
ok "the first works on" until_ 120 worked one 2
ok "and so does the second" works two
ok "it is as it should be" migrate verify

# The new line is what its next life begins with. xl gives scripts 10 seconds,
# so the other does not write meanwhile.
ok "all that the first wrote is read" quiet one
in_guest two 'reboot -f' >/dev/null &
ok "the second reboots" until_ 180 guest_ready two 2
kill %% 2>/dev/null
is "on a ring of ours" "$(kind two)" vbd3
ok "and works" works two
ok "the first has work again" busy one /dev/xvda

ok "all is taken back" migrate rollback --yes
sed 's/^/  /' "$tmp/out"
is "the first is blkback's again" "$(driver one)" vbd
ok "the files are what they were" same_files
ok "the first works on" until_ 120 worked one 2
ok "all that it wrote is read" quiet one
is "nobody started anew who should not" "$(starts one) $(starts two)" "1 2"
ok "it is as it should be" migrate verify
is "as many guests as before" "$(xl list | wc -l)" "$before"

seen=$(sum_in one /dev/xvda) raw=$(sum_in two /dev/xvda)
ok "the first ends" destroy one
ok "the second ends" destroy two
ok "the old tapdisk ends" tap-ctl destroy -p "$pid" -m "$minor"
is "domain 0 reads what they read" \
	"$(image_sum vhd:/srv/one.vhd) $(sum /srv/two.img)" "$seen $raw"
ok "the module is unloaded" unload_module
rm -f /etc/xen/{one,two}.cfg* /srv/one.vhd /srv/two.img
finish
