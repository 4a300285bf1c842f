/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.S - a boot sector that sends 1 KiB from sector 100 of its disk to the
 * first serial port, and halts.
 */
	.code16
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	movw	$packet, %si
	movb	$0x42, %ah
	int	$0x13
	jc	failed
	movw	$0x8000, %si
	movw	$1024, %cx
next:
	lodsb
	call	send
	loop	next
	jmp	halt
failed:
	movb	$'!', %al
	call	send
halt:
	hlt
	jmp	halt

send:
	movb	%al, %bl
	movw	$0x3fd, %dx
wait:
	inb	%dx, %al
	testb	$0x20, %al
	jz	wait
	movw	$0x3f8, %dx
	movb	%bl, %al
	outb	%al, %dx
	ret

packet:
	.byte	16, 0
	.word	2		/* sectors */
	.word	0x8000, 0	/* to */
	.quad	100		/* from */
	.org	510
	.word	0xaa55
