/* SPDX-License-Identifier: MIT */
/* Completion of command lines, for the shells: 'segctl --complete WORD...'. */
#ifndef SEGFS_TOOL_COMPLETE_H
#define SEGFS_TOOL_COMPLETE_H

struct tool;

/*
 * Prints what the last of the words after "segctl" can be, a line each: the word, and, after a tab, what it
 * is. A word that ends in a slash is a directory. The line "\tfiles" asks for names of files instead. Never
 * prints an error. Returns a STATUS_*.
 */
int complete(struct tool *tool, int argc, char **argv);

#endif
