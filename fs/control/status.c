// SPDX-License-Identifier: MIT
#include "fs/control/internal.h"
#include "fs/state/features.h"
#include "fs/state/handle.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* A consistent count of handles and nodes. */
struct handle_counts {
	uint32_t by_mode[3]; /* of files, by enum io_mode */
	uint32_t directories;
	uint32_t nodes;
	uint32_t nodes_idle;
	uint32_t nodes_hot;
};

static void count_handles(struct state *state, struct handle_counts *counts)
{
	const struct arena *arena = state->arena;
	uint32_t high = atomic_load(&arena->header->handles_high);

	*counts = (struct handle_counts){0};
	pthread_mutex_lock(&state->lock);
	counts->nodes_idle = state->lists[NODE_LIST_IDLE].n;
	counts->nodes = state->n_nodes - counts->nodes_idle;
	counts->nodes_hot = state->lists[NODE_LIST_HOT].n;
	for (uint32_t i = 1; i < high; i++) {
		const struct handle_slot *handle = &arena->handles[i];

		if (atomic_load(&handle->state) != SLOT_LIVE)
			continue;
		if (handle->kind == HANDLE_FILE)
			counts->by_mode[handle->mode]++;
		else if (handle->kind == HANDLE_DIRECTORY)
			counts->directories++;
	}
	pthread_mutex_unlock(&state->lock);
}

static void print_store(struct control_text *text, const struct store_record *store)
{
	struct statvfs usage;

	control_print(text, "{\"path\": ");
	control_print_json_string(text, *store->path ? store->path : ".");
	control_print(text, ", \"medium\": \"%s\"", store->on_disk ? "path" : "memory");
	if (fstatvfs(store->root_fd, &usage) < 0)
		control_fail(text, -errno);
	else
		control_print(text,
			      ", \"bytes_used\": %llu, \"bytes_limit\": %llu, \"files_used\": %llu, "
			      "\"files_limit\": %llu",
			      (unsigned long long)(usage.f_blocks - usage.f_bfree) * usage.f_frsize,
			      (unsigned long long)usage.f_blocks * usage.f_frsize,
			      (unsigned long long)(usage.f_files - usage.f_ffree),
			      (unsigned long long)usage.f_files);
	control_print(text, "}");
}

static void print_stores(struct control_text *text, const struct arena_header *header)
{
	const char *separator = "";

	control_print(text, "  \"stores\": [");
	for (int i = 0; i < ARENA_STORES; i++) {
		if (atomic_load(&header->stores[i].state) != SLOT_LIVE ||
		    header->stores[i].source != SOURCE_STORE)
			continue;
		control_print(text, "%s\n    ", separator);
		print_store(text, &header->stores[i]);
		separator = ",";
	}
	control_print(text, "\n  ]\n");
}

/* Prints all named operations, including those never requested. */
static void print_operations(struct control_text *text, const struct arena_header *header,
			     const struct control_facts *facts)
{
	const char *separator = "";

	control_print(text, "  \"operations\": {");
	for (uint32_t opcode = 0; opcode < ARENA_OPERATIONS; opcode++) {
		const char *name = facts->operation_name(opcode);

		if (!name)
			continue;
		control_print(text, "%s\"%s\": %u", separator, name,
			      atomic_load(&header->operations[opcode]));
		separator = ", ";
	}
	control_print(text, "},\n");
}

static void print_features(struct control_text *text, const struct arena_header *header)
{
	control_print(text, "  \"features\": {");
	for (int i = 0; i < FEATURES; i++)
		control_print(text, "%s\"%s\": %s", i ? ", " : "", feature_info((enum feature)i)->name,
			      feature_has(header, (enum feature)i) ? "true" : "false");
	control_print(text, "},\n");
}

/* The text of an outcome, which its writer may be changing. */
static void print_error(struct control_text *text, const char *key, const struct outcome_record *outcome)
{
	char error[ARENA_ERROR_MAX];

	memcpy(error, outcome->error, sizeof(error));
	error[sizeof(error) - 1] = '\0';
	control_print(text, "  \"%s\": ", key);
	if (*error)
		control_print_json_string(text, error);
	else
		control_print(text, "null");
	control_print(text, ",\n");
}

/*
 * By which a caller of SIGHUP learns how it went: once "reloading" is false, with "reloads" larger than
 * before, "reload_error" is that of the last one. "reloads_requested" grows at the signal, "reloads" at the
 * end.
 */
static void print_outcomes(struct control_text *text, const struct arena_header *header)
{
	const uint32_t reload = atomic_load(&header->reload);

	control_print(text, "  \"reloads_requested\": %u,\n  \"reloads\": %u,\n  \"reloading\": %s,\n",
		      arena_reloads_requested(reload), atomic_load(&header->reloads.n),
		      arena_reload_is_pending(reload) ? "true" : "false");
	print_error(text, "reload_error", &header->reloads);
	control_print(text, "  \"upgrades\": %u,\n  \"upgrades_refused\": %u,\n", header->upgrades,
		      atomic_load(&header->refusals.n));
	print_error(text, "upgrade_error", &header->refusals);
}

/* A limit of the configuration, 0 = none; the slots are one, too. */
static uint32_t limit_of(uint32_t limit, uint32_t slots)
{
	return limit && limit < slots ? limit : slots;
}

static double seconds_since(uint64_t nanoseconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)nanoseconds / 1e9;
}

void control_print_status(struct control_text *text, struct state *state, const struct control_facts *facts)
{
	const struct arena_header *header = state->arena->header;
	struct handle_counts counts;

	count_handles(state, &counts);
	control_print(text, "{\n  \"version\": \"%s\",\n  \"instance\": ", SEGFS_VERSION);
	control_print_json_string(text, facts->instance);
	control_print(text, ",\n  \"mount_point\": ");
	control_print_json_string(text, facts->mount_point);
	control_print(text, ",\n  \"uptime\": %.3f,\n", seconds_since(header->started_at));
	control_print(text, "  \"supervisor_pid\": %d,\n  \"worker_pid\": %d,\n  \"workers_started\": %u,\n",
		      header->supervisor_pid, atomic_load(&header->worker_pid),
		      atomic_load(&header->workers_started));
	print_outcomes(text, header);
	control_print(
		text,
		"  \"privileged\": %s,\n  \"passthrough\": %s,\n  \"locks\": \"%s\",\n  \"syncs\": %s,\n",
		header->privileged ? "true" : "false", facts->passthrough ? "true" : "false",
		header->keeps_locks ? "segfs" : "kernel", header->syncs_nothing ? "false" : "true");
	print_features(text, header);
	control_print(text, "  \"requests\": %llu,\n", (unsigned long long)atomic_load(&header->requests));
	print_operations(text, header, facts);
	control_print(text, "  \"limits\": {\"nodes\": %u, \"handles\": %u},\n",
		      limit_of(atomic_load(&header->limit_nodes), header->max_nodes),
		      limit_of(atomic_load(&header->limit_handles), header->max_handles));
	control_print(text, "  \"nodes\": %u,\n  \"nodes_idle\": %u,\n  \"nodes_hot\": %u,\n", counts.nodes,
		      counts.nodes_idle, counts.nodes_hot);
	control_print(
		text,
		"  \"handles\": {\"direct\": %u, \"mediated\": %u, \"relayed\": %u, \"directories\": %u},\n",
		counts.by_mode[IO_DIRECT], counts.by_mode[IO_MEDIATED], counts.by_mode[IO_RELAYED],
		counts.directories);
	print_stores(text, header);
	control_print(text, "}\n");
}
