// SPDX-License-Identifier: MIT
#include "lib/tool/internal.h"

#include <stddef.h>

const struct command *const commands[] = {
	/* what there is */
	&ls_command,
	&stat_command,
	&attached_command,
	&locks_command,
	&top_command,
	/* what to do with it */
	&new_command,
	&set_command,
	&get_command,
	&resize_command,
	&rm_command,
	&gc_command,
	&save_command,
	&load_command,
	&map_command,
	&dump_command,
	/* locks and objects */
	&lock_command,
	&wait_command,
	&post_command,
	&ring_command,
	&reset_command,
	&value_command,
	/* the daemon */
	&status_command,
	&reload_command,
	&upgrade_command,
	&check_command,
	&purge_command,
	&doctor_command,
	NULL,
};
