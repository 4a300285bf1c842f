/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layer.h - an open VHD from the inside of its driver.
 *
 * A request becomes an op, unless it can be passed on whole (op.c).  An op
 * goes through its request block by block and makes pieces: requests to the
 * file, or to the parent for what is not here.  When it lacks something (a
 * bitmap that has to be read, a free piece) it stops where it is, waits on a
 * list, and goes on from there.
 *
 * What is on the disk when a write is answered, and in which order it got
 * there, is in tx.c; where new blocks go is in bat.c.
 */
#ifndef DRIVERS_VHD_LAYER_H
#define DRIVERS_VHD_LAYER_H

#include "lib/bytes.h"
#include "tapdisk/driver.h"
#include "vhd/vhd.h"

struct vhd_crypt;

#define BITMAP_BYTES  512u /* of a block of 2 MiB, and of any smaller one */
#define BITMAPS       64   /* in memory at once */
#define BAT_SLOTS     8    /* sectors of the table written at once */
#define BAT_ROOM_MAPS 16
#define LAYER_BOUNCE  (64u << 10)
#define LAYER_TOLD    64 /* pieces a parent can tell of at once */

struct layer;

/* A request that is being taken apart. */
struct op {
	struct list link; /* free, stalled, or waiting for a bitmap */
	struct layer *l;
	struct req *req;
	uint64_t at;      /* so far, pieces were made */
	unsigned pending; /* pieces that are out, and one for whoever makes */
	int err;          /* the first */
};

/* Behind each request that we make. */
struct piece {
	struct layer *l;
	struct req *req;
	struct op *op;
	struct req *whole;  /* passed on whole: there is no op */
	struct bitmap *map; /* its bits are to be set before the answer */
	struct list link;   /* in one of the map's lists */
	uint32_t first;     /* sector of the block */
	uint32_t count;
	bool claimed; /* the first bitmap on the disk says it is there */
	uint64_t skip;
	uint8_t *bounce;
	struct iovec iov;
};

/*
 * A block's bitmap in memory, and the writes that change it. bits is what
 * is on the disk (of a new block: what will be, once it is in the table).
 */
struct bitmap {
	struct layer *l;
	uint32_t block;
	bool used;
	bool loading;
	bool is_new;     /* not in the table on the disk */
	bool prefill;    /* where it goes there are zeroes: all bits at once */
	bool writing;    /* next is on its way */
	bool written;    /* bits is on the disk */
	bool refused;    /* the last write of it failed */
	bool spoilt;     /* new: bits claims data whose write failed */
	bool entering;   /* new: the table is being written */
	unsigned claims; /* pieces in flight that the first bitmap claims */
	unsigned pins;   /* pieces, and writes of it */
	uint64_t bitmap_off;
	uint64_t data_off;
	uint32_t gap; /* new: bytes in front of it that are nobody's */
	struct list hash;
	struct list lru;
	struct list work;
	struct list readers;    /* ops that wait for it to be read */
	struct list flying;     /* pieces whose data is being written */
	struct list pending;    /* data is there, bits are not */
	struct list committing; /* bits are being written */
	struct list landed;     /* bits are there; the table may not be */
	struct list table;      /* in the queue or in a slot of bat.c */
	struct req req;
	struct iovec iov;
	uint8_t *bits;
	uint8_t *page; /* 4 KiB; the last sector of it is next */
	uint8_t *next;
};

/* One sector of the table that is being written. */
struct bat_slot {
	struct layer *l;
	bool busy;
	uint32_t sector;
	struct list maps;
	struct req req;
	struct iovec iov;
	uint8_t *buf;
};

/* A bitmap that is being zeroed before its block is placed. */
struct bat_room_map {
	struct layer *l;
	struct req req;
};

/* Places that are ready, and those that are being made so. */
struct bat_room {
	uint64_t end; /* a block that ends here has its place ready */
	bool busy;
	bool hurry;    /* somebody waits for it, and so will more next time */
	bool no_more;  /* the last attempt failed: only if need be */
	int failed;    /* it did, and somebody waited */
	uint64_t step; /* bytes to get ready at a time */
	unsigned places;
	uint64_t target;
	unsigned pending;
	int err;
	struct req req;
	struct iovec iov; /* zeroes */
	struct bat_room_map maps[BAT_ROOM_MAPS];
};

struct layer_counters {
	uint64_t whole; /* requests passed on as they are */
	uint64_t bitmap_reads;
	uint64_t bitmap_writes;
	uint64_t table_writes;
	uint64_t allocated;
};

/* struct vhd_io over the image below; for open() and close() alone. */
struct meta {
	struct vhd_io io;
	struct image *file;
	const struct image *bottom;
	uint8_t *buf;
};

struct layer {
	struct image *img;
	const struct image *bottom; /* of what lies below: knows the size */
	struct vhd *vhd;
	struct meta meta;
	struct vhd_crypt *crypt; /* NULL: the data is clear */
	bool may_inherit;        /* crypt may be an ancestor's */
	bool inherited;
	bool fixed;
	bool begun; /* the primary footer is killed */
	bool has_parent;
	unsigned shift;   /* of a block's size */
	uint32_t sectors; /* of a block */
	uint32_t blocks;
	uint8_t *full; /* a bit for each block: all of it is here */

	/* op.c */
	struct req_pool *pieces;
	struct op *ops;
	struct list ops_free;
	struct list requests; /* that wait for an op */
	struct list stalled;  /* ops that wait for anything to come free */
	struct deferred resume;
	struct req ask; /* what the parent is asked to tell */
	struct op *asking;
	struct extents told;
	struct extent told_ext[LAYER_TOLD];
	uint8_t *bounces; /* with a key alone */
	struct list bounces_free;

	/* bitmap.c */
	struct bitmap *maps;
	unsigned map_count;
	uint8_t *map_mem;
	struct list lru;
	struct list hash[BITMAPS];

	/* tx.c */
	struct list work; /* bitmaps that something happened to */
	struct deferred kick;

	/* bat.c */
	struct bat_slot slots[BAT_SLOTS];
	uint8_t *slot_mem;
	struct list entering;
	struct deferred enter;
	uint64_t zero_from; /* from here on the file was never written */
	struct bat_room room;

	struct layer_counters count;
};

static inline bool layer_full(const struct layer *l, uint32_t block)
{
	return l->full[block / 8] & (1u << (block % 8));
}

static inline void layer_set_full(struct layer *l, uint32_t block)
{
	l->full[block / 8] |= 1u << (block % 8);
	if (!l->img->readonly)
		vhd_block_set_full(l->vhd, block);
}

/* --- op.c: requests, taken apart ------------------------------------- */

int op_open(struct layer *l);
void op_close(struct layer *l);

void op_submit(struct layer *l, struct req *req);

/* Go on where it stopped. */
void op_run(struct op *op);

/* It lacks something: try again when anything comes free. */
void op_stall(struct op *op);

/* Something came free. */
void op_wake(struct layer *l);

/* Nothing more of it is to be done. */
void op_fail(struct op *op, int err);

/*
 * A piece of len bytes at off of the disk, and at file_off of the file; the
 * caller submits it. NULL: none is free, and the op waits. With a key len
 * is cut, see piece->req->len.
 */
struct piece *op_piece(struct op *op, uint64_t off, uint64_t len,
		       uint64_t file_off);

/* Its data is written or read, and all else too. */
void op_piece_end(struct piece *p, int err);

/* --- bitmap.c: the bitmaps of a few blocks, in memory ---------------- */

int bitmap_open(struct layer *l);
void bitmap_close(struct layer *l);

/* The block's, if it is in memory; it may be loading, or new. */
struct bitmap *bitmap_find(struct layer *l, uint32_t block);

/*
 * The bitmap of a block that is in the table. NULL: it is being read, or
 * there is no room to; the op waits, and will be run again.
 */
struct bitmap *bitmap_get(struct layer *l, uint32_t block, struct op *op);

/* An empty one for a new block; NULL when all are in use. */
struct bitmap *bitmap_new(struct layer *l, uint32_t block);
void bitmap_drop(struct bitmap *b);

/* Bits, most significant first. */
bool bitmap_all(const uint8_t *bits, uint32_t first, uint32_t count);
void bitmap_set(uint8_t *bits, uint32_t first, uint32_t count);

/* How many from first on, at most count, are alike; *set: what they are. */
uint32_t bitmap_run(const uint8_t *bits, uint32_t first, uint32_t count,
		    bool *set);

/* --- tx.c: writes, and the metadata that belongs to them ------------- */

void tx_open(struct layer *l);

/* Write at off, within one block. How far it got; 0: the op waits. */
uint64_t tx_write(struct op *op, uint64_t off, uint64_t len);

/* The table was written, or was not; b->is_new says so too. */
void tx_entered(struct bitmap *b, int err);

/* --- bat.c: where new blocks go, and how they get into the table ----- */

int bat_open(struct layer *l);
void bat_close(struct layer *l);

/* Whether it has a request below that no client waits for. Any thread. */
bool bat_busy(const struct layer *l);

/* A place for a block that has none; NULL: the op waits, or has failed. */
struct bitmap *bat_place(struct op *op, uint32_t block);

/*
 * The block's bitmap and data are written: write its table entry. In the
 * end is_new or entering is false again, and the bitmap is touched.
 */
void bat_enter(struct bitmap *b);

#endif /* DRIVERS_VHD_LAYER_H */
