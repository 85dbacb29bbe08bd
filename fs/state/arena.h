/* SPDX-License-Identifier: MIT */
/*
 * The arena: shared memory in which a worker keeps every fact that must survive it.
 *
 * One memfd, mapped by the supervisor before the first worker and inherited by every worker: a header, an array of
 * node slots, an array of handle slots. Slots are fixed-size records with a state word that is written last when a
 * record comes into being and first when it goes, so that a kill between any two instructions leaves a record
 * that is there or not there, never half of one. The file is sparse; arena_commit() reserves memory before it is
 * touched, so that a full machine is an error code and not a SIGBUS.
 *
 * Knows nothing of FUSE. All pointers into the arena stay valid for the life of the process.
 */
#ifndef SEGFS_STATE_ARENA_H
#define SEGFS_STATE_ARENA_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_MAGIC 0x6172656e61736567u /* "gesanera" in memory: tells an arena from any other file */
#define ARENA_LAYOUT 7u                 /* changes with every change of a struct below */
#define ARENA_SOURCES 4                 /* kinds that a store can be of */
#define ARENA_STORES 128                /* stores of one mount: the default one and [directory] ones */
#define ARENA_BASE_FDS 64               /* descriptors that the supervisor had before the first worker */
#define ARENA_KEPT 1024                 /* nodes whose descriptors are kept open */
#define ARENA_CLOSING 64                /* passthrough ids being closed at one time, at least one per thread */
#define ARENA_RESTING 1024              /* passthrough ids kept for nodes that are not open */
#define ARENA_JOURNAL 128               /* requests that are being carried out, and those that a worker died over */
#define ARENA_THREADS 16                /* threads of a worker that carry out requests, at most */
#define ARENA_STACKS 24                 /* threads whose stacks can be told */
#define ARENA_FRAMES 24                 /* of one stack */
#define ARENA_PATH_MAX 4096
#define ARENA_NAME_MAX 256
#define ARENA_OPERATIONS 64             /* opcodes that are counted: more than there are */
#define ARENA_INIT_MAX 256              /* bytes of the kernel's INIT request */
#define ARENA_STORE_PATH 512            /* bytes of a store's path below the mount, with the final 0 */

enum slot_state {
	SLOT_FREE = 0,
	SLOT_LIVE = 1,
	SLOT_HIDDEN = 2, /* of a store: complete, and not attached to a directory yet */
};

enum lock_slot_state {
	LOCK_SLOT_FREE = 0,
	LOCK_SLOT_HELD = 1,
	LOCK_SLOT_WAITING = 2, /* a request that waits for it */
};

/* How far the INIT of the connection has come. */
enum init_state {
	INIT_NONE = 0,     /* not seen yet */
	INIT_SAVED = 1,    /* copied to the header; whether the kernel has the answer is not known */
	INIT_ANSWERED = 2, /* the answer was taken */
};

/* Where the nodes of one part of the tree come from. */
struct store_record {
	_Atomic uint32_t state; /* enum slot_state */
	uint32_t source;        /* enum source_kind */
	int32_t mount_id;       /* as name_to_handle_at(2) tells it: which store a file is on; -1 = no file is */
	int32_t root_fd;        /* the root of the store, O_RDONLY|O_DIRECTORY; open_by_handle_at(2) starts here */
	int32_t ipc_fd;         /* sysv: the IPC namespace; -1 = the daemon's own, and elsewhere */
	uint32_t no_handles;    /* the medium has no file handles or may not open them: descriptors are kept */
	uint32_t on_disk;       /* operations may wait for a device */
	char path[ARENA_STORE_PATH]; /* below the mount; "" for the default store */
};

/* Whether files can be on it. */
static inline bool store_is_there(const struct store_record *store)
{
	uint32_t state = atomic_load(&store->state);

	return state == SLOT_LIVE || state == SLOT_HIDDEN;
}

/* A node whose O_PATH descriptor is kept. */
struct kept_record {
	_Atomic uint64_t id; /* node id, 0 = free; written last */
	_Atomic int32_t fd;
	uint32_t unused;
};

/* 128 bytes: two cache lines. */
struct node_slot {
	_Atomic uint32_t state;      /* enum slot_state; last in, first out */
	_Atomic uint32_t generation; /* which use of this slot it is; upper half of the node id */
	_Atomic uint64_t lookups;    /* references that the kernel holds; may err upwards, never downwards */
	uint64_t inode;              /* inode number of the backing file */
	_Atomic int32_t backing_id;  /* passthrough id in the connection, 0 = none (one per node: fact K3) */
	_Atomic int32_t fd;          /* kept O_PATH descriptor, -1 = none */
	uint16_t store;              /* index of its store_record */
	uint8_t type;                /* S_IFMT bits of the mode, shifted right by 12 */
	uint8_t handle_bytes;        /* length of `handle` */
	int32_t handle_type;         /* as name_to_handle_at(2) gave it; NODE_HANDLE_INODE: `handle` is the inode number */
	_Atomic uint32_t flags;      /* enum node_flags */
	_Atomic uint32_t policy;     /* what is known of its policy: enum node_policy */
	int32_t creator;             /* thread that made it, in the daemon's pid namespace; 0 = not known */
	uint32_t creator_mark;       /* tells it from later threads: low half of its identity, see procfs.h; where that may have to be
					waited for, when the file was made: CLOCK_BOOTTIME, tenths of a second */
	_Atomic uint64_t closed_at;  /* CLOCK_BOOTTIME, nanoseconds: when its last handle went; 0 = not known */
	uint8_t handle[64];          /* file handle of the backing file */
};

_Static_assert(sizeof(struct node_slot) == 128, "a node slot is two cache lines");

/* One open of a node, 64 bytes. */
struct handle_slot {
	_Atomic uint32_t state;      /* enum slot_state */
	_Atomic uint32_t generation; /* which use of this slot it is; upper half of the handle number */
	uint64_t node;               /* node id */
	uint64_t unique;             /* id of the request that opened it, without the resend bit */
	uint64_t opened_at;          /* CLOCK_REALTIME, nanoseconds */
	uint32_t open_flags;         /* flags of open(2) as the kernel sent them */
	_Atomic int32_t fd;          /* descriptor held, -1 = none */
	int32_t pid;                 /* process that opened it, in the daemon's pid namespace; 0 = not visible there */
	uint8_t mode;                /* enum io_mode */
	uint8_t kind;                /* enum handle_kind */
	uint16_t unused;
	uint32_t uid;                /* user that opened it */
	uint32_t unused2[3];
};

_Static_assert(sizeof(struct handle_slot) == 64, "a handle slot is one cache line");

/* A lock that is held, or waited for, 80 bytes. */
struct lock_slot {
	_Atomic uint32_t state;      /* enum lock_slot_state */
	int32_t pid;                 /* process that asked, in the daemon's pid namespace; 0 = not visible there */
	uint64_t node;               /* node id */
	uint64_t owner;              /* as the kernel names it */
	uint64_t handle;             /* number of the handle through which it was set */
	uint64_t unique;             /* id of the request, without the resend bit */
	_Atomic uint64_t start;      /* first byte */
	_Atomic uint64_t end;        /* last byte */
	uint64_t turn;               /* order of arrival */
	uint64_t since;              /* CLOCK_REALTIME, nanoseconds */
	uint8_t kind;                /* enum lock_kind */
	uint8_t type;                /* enum lock_type */
	uint8_t holder;              /* enum lock_holder */
	bool access;                 /* waits to read or write, and will hold nothing */
};

enum journal_slot_state {
	JOURNAL_FREE = 0,
	JOURNAL_BEGUN = 1, /* it is being carried out */
	JOURNAL_DONE = 2,  /* it is done, and `answer` says so; whether the kernel has that is not known */
};

#define JOURNAL_ANSWER_MAX 160 /* bytes: the answer to CREATE */

/* A request that is being carried out, 256 bytes. */
struct journal_slot {
	_Atomic uint32_t state;    /* enum journal_slot_state; last in, first out */
	_Atomic uint32_t worker;   /* number of the one that has carried it out last */
	uint64_t unique;           /* id of the request, without the resend bit */
	uint64_t node;             /* id of the node that it is about */
	_Atomic uint64_t begun_at; /* CLOCK_MONOTONIC, nanoseconds */
	uint64_t since;            /* when it was begun first: CLOCK_REALTIME as of the last tick, nanoseconds */
	uint32_t opcode;
	int32_t pid;               /* who made it */
	uint32_t uid;
	uint32_t crashes;          /* workers that died over it by themselves */
	uint32_t kills;            /* ... from outside */
	_Atomic uint8_t lasting;   /* it may take any time */
	_Atomic uint8_t blamed;    /* a fault was in its own thread */
	_Atomic uint8_t noted;     /* what follows is whole */
	uint64_t inode[2];         /* see struct journal_note */
	uint64_t node_of_name;
	uint32_t flags;
	_Atomic int32_t fd;        /* -1 = none */
	uint32_t answer_length;    /* bytes of `answer` */
	_Alignas(8) uint8_t answer[JOURNAL_ANSWER_MAX]; /* begins with a header of the protocol */
};

_Static_assert(sizeof(struct journal_slot) <= 264, "a journal slot is small");

/* Where a thread was. */
struct stack_record {
	_Atomic int32_t thread; /* its id; 0 = nothing was told; written last */
	uint32_t n;             /* frames, the innermost first */
	uint64_t frames[ARENA_FRAMES]; /* addresses */
};

/* How the last worker ended. */
enum arena_death {
	ARENA_DEATH_NONE = 0,    /* there was none, or it was asked for */
	ARENA_DEATH_OUTSIDE = 1, /* SIGKILL */
	ARENA_DEATH_FAULT = 2,   /* another signal, a failure, or a hang */
};

struct arena_header {
	uint64_t magic;
	uint32_t layout;      /* ARENA_LAYOUT */
	uint32_t max_nodes;   /* slots there can be */
	uint32_t max_handles;
	uint32_t max_locks;
	uint32_t privileged;  /* the supervisor may mount and hand backing files to the kernel */
	_Atomic uint32_t nodes_high;   /* slots from here on were never used */
	_Atomic uint32_t handles_high;
	_Atomic uint32_t locks_high;
	_Atomic uint64_t nodes_committed;   /* bytes of node slots that have memory */
	_Atomic uint64_t handles_committed;
	_Atomic uint64_t locks_committed;

	/* what a program needs that takes over from this one */
	char mount_point[ARENA_PATH_MAX];
	char config_file[ARENA_PATH_MAX]; /* "" = there is none */
	char instance[ARENA_NAME_MAX];
	int32_t lock_fd;      /* the instance's lock */
	uint32_t upgrades;    /* how often the program was replaced by another one */

	int32_t fuse_fd;      /* the connection */
	_Atomic uint32_t init_state; /* enum init_state */
	uint32_t init_length; /* bytes of init_request */
	_Atomic int32_t backing_last; /* the passthrough id that was recorded last; the kernel counts upwards */
	_Atomic int32_t backing_closing[ARENA_CLOSING]; /* ids that no node names any more and that are being closed */
	uint8_t init_request[ARENA_INIT_MAX];

	int32_t supervisor_pid;
	_Atomic int32_t worker_pid;
	uint32_t supervisor_filter; /* the filter of system calls that the supervisor is under, 0 = none yet */
	_Atomic int32_t forbidden_call; /* number of the system call for which the worker ends by SIGSYS; -1 = none */
	_Atomic uint32_t workers_started;
	_Atomic uint32_t workers_serving; /* equals workers_started once the present worker reached its loop */
	_Atomic uint32_t death; /* enum arena_death */
	_Atomic uint32_t n_stacks; /* how many were told */
	_Atomic uint32_t limit_nodes; /* bounds that are in force; 0 = as many as there are slots */
	_Atomic uint32_t limit_handles;
	_Atomic uint32_t limit_locks;
	_Atomic uint32_t user_percent; /* of each bound but that of nodes, for one user other than root; 0 = all */
	_Atomic uint64_t limit_parked; /* bytes of requests that wait to read or write; 0 = no bound */
	_Atomic uint64_t hang_limit; /* nanoseconds for which requests may wait for a worker that does not go on; 0 = for ever */
	uint64_t started_at;  /* CLOCK_REALTIME, nanoseconds */
	uint64_t device;      /* st_dev of what is in the mount; 0 = not known */
	_Atomic uint32_t shown; /* builtin sources in the root: bits 1 << enum source_kind */
	_Atomic uint32_t searched; /* the stores were searched for segments whose life is limited */
	_Atomic uint64_t requests; /* requests taken from the kernel, by all workers */
	_Atomic uint32_t operations[ARENA_OPERATIONS]; /* those that were carried out, by opcode; one that is repeated counts again */

	_Atomic int32_t config_fd; /* memfd with the configuration in force */
	_Atomic uint32_t reload; /* whether the configuration is to be read again, see program_want_reload() */
	int32_t ready_fd;     /* write end that tells the launcher; -1 once told */
	uint32_t n_base_fds;
	int32_t base_fds[ARENA_BASE_FDS]; /* descriptors that no slot names and that are not closed at recovery */

	struct journal_slot journal[ARENA_JOURNAL];
	struct stack_record stacks[ARENA_STACKS];
	struct store_record stores[ARENA_STORES];
	struct kept_record kept[ARENA_KEPT];
};

struct arena {
	int fd;                     /* the memfd */
	size_t size;                /* bytes mapped */
	struct arena_header *header;
	struct node_slot *nodes;    /* header->max_nodes of them; [0] is never used */
	struct handle_slot *handles;
	struct lock_slot *locks;
};

/*
 * Makes an arena and maps it.
 * max_nodes, max_handles, max_locks: slots, each at least 16.
 * Returns 0; -ENOMEM, -EMFILE or -ENFILE of memfd_create(2), mmap(2); -EINVAL for limits out of range.
 */
int arena_create(struct arena *arena, uint32_t max_nodes, uint32_t max_handles, uint32_t max_locks);

/*
 * Maps the arena behind a descriptor, as another program has made it. fd: becomes arena->fd on success.
 * Returns 0; -EPROTO where its layout is not that of this program; -EINVAL for what is no arena; the errno of mmap(2).
 */
int arena_open(struct arena *arena, int fd);

/* Finds the slots in an arena whose memory is mapped at arena->header. */
void arena_locate(struct arena *arena);

/*
 * Says whether the header and the stores' records make sense: a worker that died may have gone mad before. Sizes and counts are
 * within what is mapped. Slots are looked at where they are indexed. Returns 0, or -EUCLEAN.
 */
int arena_check(const struct arena *arena);

/* Unmaps and closes; the memory goes when no process maps it. */
void arena_destroy(struct arena *arena);

/*
 * Sees to it that the slot after the highest node, handle or lock slot in use has memory.
 * Returns 0; -ENOMEM or -ENOSPC where the machine has none; -ENFILE where all slots are in use.
 */
int arena_commit_node(struct arena *arena);
int arena_commit_handle(struct arena *arena);
int arena_commit_lock(struct arena *arena);

#endif
