/* SPDX-License-Identifier: MIT */
/*
 * The arena: shared memory that holds all state which must survive a worker.
 *
 * It is one memfd, mapped by the supervisor before the first worker and inherited by every worker: a header
 * and arrays of node, handle and lock slots. Slots are fixed-size records. Their state word is written last
 * when a record is created and first when it is freed, so that a kill between any two instructions leaves a
 * record either valid or free, never half-written. The file is sparse; arena_commit_*() reserve memory before
 * it is touched, so that a shortage is an errno and not a SIGBUS.
 *
 * Knows nothing of FUSE. Pointers into the arena stay valid for the life of the process.
 */
#ifndef SEGFS_STATE_ARENA_H
#define SEGFS_STATE_ARENA_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_MAGIC      0x6172656e61736567u /* "gesanera" in memory */
#define ARENA_LAYOUT     13u                 /* incremented with every change of a struct below */
#define ARENA_SOURCES    4                   /* kinds of sources */
#define ARENA_STORES     128  /* stores per mount: the default store and those of [directory] sections */
#define ARENA_BASE_FDS   64   /* descriptors open in the supervisor before the first worker */
#define ARENA_CACHED_FDS 1024 /* cached descriptors of nodes */
#define ARENA_CLOSING    64   /* passthrough ids being closed at a time; at least one per thread */
#define ARENA_JOURNAL    128  /* requests in flight, including those of dead workers */
#define ARENA_THREADS    16   /* threads of a worker that execute requests, at most */
#define ARENA_STACKS     24   /* threads whose stacks can be recorded */
#define ARENA_FRAMES     24   /* frames per stack */
#define ARENA_PATH_MAX   4096
#define ARENA_NAME_MAX   256
#define ARENA_OPERATIONS 64  /* opcodes counted; more than exist */
#define ARENA_INIT_MAX   256 /* bytes of the kernel's INIT request */
#define ARENA_ERROR_MAX  512 /* bytes of the text of an error, including the final 0 */
#define ARENA_STORE_PATH 512 /* bytes of a store's path below the mount, including the final 0 */

enum slot_state {
	SLOT_FREE = 0,
	SLOT_LIVE = 1,
	SLOT_HIDDEN = 2, /* of a store: complete, but not attached to a directory yet */
};

enum lock_slot_state {
	LOCK_SLOT_FREE = 0,
	LOCK_SLOT_HELD = 1,
	LOCK_SLOT_WAITING = 2, /* a request waits for the lock */
};

/* Progress of the connection's INIT. */
enum init_state {
	INIT_NONE = 0,    /* not received yet */
	INIT_SAVED = 1,   /* saved in the header; the reply may or may not have been sent */
	INIT_REPLIED = 2, /* the kernel has the reply */
};

/* A store: the origin of the nodes of one part of the tree. */
struct store_record {
	_Atomic uint32_t state;      /* enum slot_state */
	uint32_t source;             /* enum source_kind */
	int32_t mount_id;            /* of name_to_handle_at(2): tells the store of a file; -1 = no files */
	int32_t root_fd;             /* the root of the store, O_RDONLY|O_DIRECTORY; mount descriptor for
					open_by_handle_at(2) */
	int32_t ipc_fd;              /* sysv: the IPC namespace; -1 = the daemon's own, or another source */
	uint32_t no_handles;         /* no usable file handles: nodes hold descriptors */
	uint32_t on_disk;            /* operations may block on a device */
	char path[ARENA_STORE_PATH]; /* below the mount; "" for the default store */
};

/* Whether the store can have files. */
static inline bool store_exists(const struct store_record *store)
{
	uint32_t state = atomic_load(&store->state);

	return state == SLOT_LIVE || state == SLOT_HIDDEN;
}

/* A cached O_PATH descriptor of a node. */
struct cached_fd_record {
	_Atomic uint64_t id; /* node id, 0 = free; written last */
	_Atomic int32_t fd;
	uint32_t unused;
};

/* 128 bytes: two cache lines. */
struct node_slot {
	_Atomic uint32_t state;      /* enum slot_state; set last, cleared first */
	_Atomic uint32_t generation; /* incremented with each use of the slot; upper half of the node id */
	_Atomic uint64_t lookups;    /* lookup count; may be too high after a death, never too low */
	uint64_t inode;              /* inode number of the backing file */
	_Atomic int32_t backing_id;  /* passthrough id in the connection, 0 = none; one per node (fact K3) */
	_Atomic int32_t fd;          /* the node's own O_PATH descriptor, -1 = none */
	uint16_t store;              /* index of its store_record */
	uint8_t type;                /* S_IFMT bits of the mode, shifted right by 12 */
	uint8_t handle_bytes;        /* length of `handle` */
	int32_t handle_type; /* from name_to_handle_at(2); NODE_HANDLE_INODE: `handle` is the inode number */
	_Atomic uint32_t flags;  /* enum node_flags */
	_Atomic uint32_t policy; /* summary of its policy: enum node_policy */
	int32_t creator;         /* tid of its creator in the daemon's PID namespace; 0 = unknown */
	/*
	 * tells it from later threads: low half of its identity, see procfs.h. If reading that may block:
	 * creation time of the file, CLOCK_BOOTTIME in tenths of a second
	 */
	uint32_t creator_mark;
	_Atomic uint64_t closed_at; /* CLOCK_BOOTTIME of the last close, nanoseconds; 0 = unknown */
	uint8_t handle[64];         /* file handle of the backing file */
};

_Static_assert(sizeof(struct node_slot) == 128, "a node slot is two cache lines");

/* One open of a node, 64 bytes. */
struct handle_slot {
	_Atomic uint32_t state;      /* enum slot_state */
	_Atomic uint32_t generation; /* incremented with each use; upper half of the handle number */
	uint64_t node;               /* node id */
	uint64_t unique;             /* id of the request that opened it */
	uint64_t opened_at;          /* CLOCK_REALTIME, nanoseconds */
	uint32_t open_flags;         /* flags of open(2) as the kernel sent them */
	_Atomic int32_t fd;          /* descriptor of the open file, -1 = none */
	int32_t pid;  /* process that opened it, in the daemon's PID namespace; 0 = not visible there */
	uint8_t mode; /* enum io_mode */
	uint8_t kind; /* enum handle_kind */
	uint16_t unused;
	uint32_t uid; /* user that opened it */
	uint32_t unused2[3];
};

_Static_assert(sizeof(struct handle_slot) == 64, "a handle slot is one cache line");

/* A lock held or waited for, 80 bytes. */
struct lock_slot {
	_Atomic uint32_t state; /* enum lock_slot_state */
	int32_t pid;            /* requesting process, in the daemon's PID namespace; 0 = not visible there */
	uint64_t node;          /* node id */
	uint64_t owner;         /* lock owner of the kernel */
	uint64_t handle;        /* number of the handle through which it was set */
	uint64_t unique;        /* id of the request */
	_Atomic uint64_t start; /* first byte */
	_Atomic uint64_t end;   /* last byte */
	uint64_t turn;          /* order of arrival */
	uint64_t since;         /* CLOCK_REALTIME, nanoseconds */
	uint8_t kind;           /* enum lock_kind */
	uint8_t type;           /* enum lock_type */
	uint8_t holder;         /* enum lock_holder */
	bool access;            /* waits for I/O, not for a lock */
};

enum journal_slot_state {
	JOURNAL_FREE = 0,
	JOURNAL_BEGUN = 1, /* in flight */
	JOURNAL_DONE = 2,  /* executed, and `reply` is its reply; the kernel may or may not have it */
};

#define JOURNAL_REPLY_MAX 160 /* bytes: the reply to CREATE */

/* A request in flight, 256 bytes. */
struct journal_slot {
	_Atomic uint32_t state;    /* enum journal_slot_state; set last, cleared first */
	_Atomic uint32_t worker;   /* number of the worker that last executed it */
	uint64_t unique;           /* id of the request */
	uint64_t node;             /* id of its node */
	_Atomic uint64_t begun_at; /* CLOCK_MONOTONIC, nanoseconds */
	uint64_t since;            /* time of the first execution: CLOCK_REALTIME_COARSE, nanoseconds */
	uint32_t opcode;
	int32_t pid; /* requesting process */
	uint32_t uid;
	uint32_t crashes;          /* deaths of workers over it by a fault or hang */
	uint32_t kills;            /* ... by SIGKILL from outside */
	_Atomic uint8_t unbounded; /* may legitimately take any time */
	_Atomic uint8_t blamed;    /* a fault occurred in its own thread */
	_Atomic uint8_t noted;     /* the note below is complete */
	uint64_t inode[2];         /* see struct journal_note */
	uint64_t node_of_name;
	uint32_t flags;
	_Atomic int32_t fd;                           /* -1 = none */
	uint32_t reply_length;                        /* bytes of `reply` */
	_Alignas(8) uint8_t reply[JOURNAL_REPLY_MAX]; /* starts with a FUSE reply header */
};

_Static_assert(sizeof(struct journal_slot) <= 264, "a journal slot is small");

/* A part of a stored message, 128 bytes; see message.h. State, id and length are those of its first block. */
struct message_block {
	_Atomic uint32_t state; /* enum slot_state; set last, cleared first */
	uint32_t next;          /* block with the next part, 0 = end */
	uint64_t unique;        /* id of the request */
	uint32_t length;        /* bytes of the message */
	uint8_t bytes[108];
};

_Static_assert(sizeof(struct message_block) == 128, "a message block is two cache lines");

/* The stack of a thread. */
struct stack_record {
	_Atomic int32_t thread;        /* tid; 0 = no record; written last */
	uint32_t n;                    /* frames, innermost first */
	uint64_t frames[ARENA_FRAMES]; /* addresses */
};

/* How the last worker ended. */
enum arena_death {
	ARENA_DEATH_NONE = 0,    /* none ended, or it was stopped on purpose */
	ARENA_DEATH_OUTSIDE = 1, /* SIGKILL */
	ARENA_DEATH_FAULT = 2,   /* another signal, a failure, or a hang */
};

/*
 * How the requests of an administrator have ended. The count grows when the text is complete. A reader bounds
 * the text by its size: the writer may die, or write the next one.
 */
struct outcome_record {
	_Atomic uint32_t n;          /* how many have ended */
	char error[ARENA_ERROR_MAX]; /* why the last one failed; "" = it did not */
};

struct arena_header {
	uint64_t magic;
	uint32_t layout;    /* ARENA_LAYOUT */
	uint32_t max_nodes; /* number of slots */
	uint32_t max_handles;
	uint32_t max_locks;
	uint32_t privileged;         /* the supervisor may mount and hand backing files to the kernel */
	uint32_t keeps_locks;        /* the kernel sends locks to segfs; otherwise it keeps them itself */
	uint32_t syncs_nothing;      /* all media are memory, and the kernel learns to send no FSYNC */
	uint32_t features;           /* what the kernel has: bits 1 << enum feature */
	_Atomic uint32_t nodes_high; /* slots from here on were never used */
	_Atomic uint32_t handles_high;
	_Atomic uint32_t locks_high;
	_Atomic uint64_t nodes_committed; /* bytes of node slots with memory reserved */
	_Atomic uint64_t handles_committed;
	_Atomic uint64_t locks_committed;
	int32_t messages_fd;          /* memory of messages, see message.h; -1 = none yet */
	uint32_t max_blocks;          /* its blocks */
	_Atomic uint32_t blocks_high; /* blocks from here on were never used */
	_Atomic uint64_t blocks_committed;

	/* for another version of the program that takes over */
	char mount_point[ARENA_PATH_MAX];
	char config_file[ARENA_PATH_MAX]; /* "" = none */
	char instance[ARENA_NAME_MAX];
	int32_t lock_fd;   /* lock of the instance */
	uint32_t upgrades; /* number of upgrades so far */

	int32_t fuse_fd;              /* /dev/fuse */
	_Atomic uint32_t init_state;  /* enum init_state */
	uint32_t init_length;         /* bytes of init_request */
	_Atomic int32_t backing_last; /* the last passthrough id recorded; the kernel counts upwards */
	_Atomic int32_t backing_closing[ARENA_CLOSING]; /* ids being closed, which no node refers to */
	uint8_t init_request[ARENA_INIT_MAX];

	int32_t supervisor_pid;
	_Atomic int32_t worker_pid;
	uint32_t supervisor_filter;     /* system-call filter in force in the supervisor, 0 = none yet */
	_Atomic int32_t forbidden_call; /* system call for which the worker dies by SIGSYS; -1 = none */
	_Atomic uint32_t workers_started;
	_Atomic uint32_t workers_serving; /* equals workers_started once the current worker is in its loop */
	_Atomic uint32_t death;           /* enum arena_death */
	_Atomic uint32_t n_stacks;        /* stacks recorded */
	_Atomic uint32_t limit_nodes;     /* limits in force; 0 = as many as there are slots */
	_Atomic uint32_t limit_handles;
	_Atomic uint32_t limit_locks;
	_Atomic uint32_t limit_hot; /* nodes that are not open and keep their passthrough id; 0 = none */
	/* share of each limit, except nodes, for one user other than root; 0 = all */
	_Atomic uint32_t user_percent;
	_Atomic uint64_t limit_parked; /* bytes of deferred reads and writes; 0 = unlimited */
	_Atomic uint64_t hang_limit;   /* ns without progress while requests wait; 0 = unlimited */
	uint64_t started_at;           /* CLOCK_REALTIME, nanoseconds */
	uint64_t device;               /* st_dev of files in the mount; 0 = unknown */
	_Atomic uint32_t shown;        /* builtin sources in the root: bits 1 << enum source_kind */
	_Atomic uint32_t searched;     /* the stores were searched for segments with a limited lifetime */
	_Atomic uint64_t requests;     /* requests read from the kernel, by all workers */
	_Atomic uint32_t operations[ARENA_OPERATIONS]; /* requests executed, by opcode; each replay counts */

	_Atomic int32_t config_fd;      /* memfd of the configuration in force */
	_Atomic uint32_t reload;        /* reread the configuration, see ARENA_RELOAD_TRIES_MASK */
	struct outcome_record reloads;  /* readings of the configuration */
	struct outcome_record refusals; /* upgrades that were refused */
	int32_t ready_fd;               /* pipe to the launcher; -1 once it was notified */
	uint32_t n_base_fds;
	int32_t base_fds[ARENA_BASE_FDS]; /* not in any slot; kept open by recovery */

	struct journal_slot journal[ARENA_JOURNAL];
	struct stack_record stacks[ARENA_STACKS];
	struct store_record stores[ARENA_STORES];
	struct cached_fd_record cached_fds[ARENA_CACHED_FDS];
};

struct arena {
	int fd;      /* the memfd */
	size_t size; /* bytes mapped */
	struct arena_header *header;
	struct node_slot *nodes; /* header->max_nodes slots; [0] is unused */
	struct handle_slot *handles;
	struct lock_slot *locks;
};

/*
 * Creates and maps an arena.
 * max_nodes, max_handles, max_locks: numbers of slots, each at least 16.
 * Returns 0; -ENOMEM, -EMFILE or -ENFILE of memfd_create(2), mmap(2); -EINVAL for a number out of range.
 */
int arena_create(struct arena *arena, uint32_t max_nodes, uint32_t max_handles, uint32_t max_locks);

/*
 * Maps an arena created by another program. fd: becomes arena->fd on success.
 * Returns 0; -EPROTO if its layout is of another version; -EINVAL if it is no arena; the negative errno of
 * mmap(2).
 */
int arena_open(struct arena *arena, int fd);

/* Sets the pointers to the slots of an arena mapped at arena->header. */
void arena_locate(struct arena *arena);

/*
 * Validates the header and the store records, which a worker may have corrupted before it died: sizes and
 * counts are within the mapping. Slots are validated when they are indexed. Returns 0, or -EUCLEAN.
 */
int arena_check(const struct arena *arena);

/*
 * header->reload: the upper bits number the latest wanted reload; the low byte is the attempts left, plus
 * one; 0 = none pending.
 */
#define ARENA_RELOAD_TRIES_MASK 0xffu

/* Whether a reload is wanted or in progress. reload: of the header. */
static inline bool arena_reload_is_pending(uint32_t reload)
{
	return (reload & ARENA_RELOAD_TRIES_MASK) != 0;
}

/* How many reloads were requested. */
static inline uint32_t arena_reloads_requested(uint32_t reload)
{
	return reload / (ARENA_RELOAD_TRIES_MASK + 1);
}

/* Records how a request has ended. error: why it failed, cut off if it is long; NULL = it did not. */
void arena_record_outcome(struct outcome_record *outcome, const char *error);

/* Unmaps and closes the arena. */
void arena_destroy(struct arena *arena);

/*
 * For files of slots like the arena's. arena_size_for(): bytes of `max` slots, in whole steps of reservation.
 * arena_reserve(): reserves memory for `length` bytes from `offset`. arena_commit(): does so for slot `high`
 * of those that begin at `offset`; *committed: the bytes of them that have memory. Return 0; -ENOMEM or
 * -ENOSPC without memory; -ENFILE if `high` is `max`.
 */
size_t arena_size_for(uint32_t max, size_t slot_size);
int arena_reserve(int fd, size_t offset, size_t length);
int arena_commit(int fd, size_t offset, size_t slot_size, uint32_t high, uint32_t max,
		 _Atomic uint64_t *committed);

/*
 * Reserves memory for the slot after the highest one in use.
 * Returns 0; -ENOMEM or -ENOSPC without memory; -ENFILE if all slots are in use.
 */
int arena_commit_node(struct arena *arena);
int arena_commit_handle(struct arena *arena);
int arena_commit_lock(struct arena *arena);

#endif
