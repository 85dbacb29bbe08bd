/* SPDX-License-Identifier: MIT */
/* Asks the user on standard error, and reads the answer from standard input. */
#ifndef SEGFS_TOOL_PROMPT_H
#define SEGFS_TOOL_PROMPT_H

#include <stdbool.h>

/* Whether the user says yes; no answer is no. question: printable, without the choices. */
bool prompt_confirmed(const char *question);

#endif
