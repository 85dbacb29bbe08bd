// SPDX-License-Identifier: MIT
#include "lib/tool/common/text.h"
#include "lib/base/cleanup.h"
#include "lib/base/textfile.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <wchar.h>
#include <wctype.h>

/* What bash gives a meaning. */
#define SHELL_CHARACTERS " \t\n\\'\"`$&|;<>()[]{}*?!#~"

/* Bytes of the printable character at `at`; 0 if there is none. */
static size_t printable(const char *at, mbstate_t *state)
{
	wchar_t character;
	const size_t n = mbrtowc(&character, at, MB_CUR_MAX, state);

	if (n == 0 || n > MB_CUR_MAX || !iswprint((wint_t)character)) {
		*state = (mbstate_t){0};
		return 0;
	}
	/* marks that change the direction of what follows, or have no width, can disguise a name */
	return wcwidth(character) > 0 ? n : 0;
}

static bool is_printable(const char *name)
{
	mbstate_t state = {0};

	for (size_t n; *name; name += n) {
		n = printable(name, &state);
		if (n == 0)
			return false;
	}
	return true;
}

/* Appends one byte as bash reads it in $'...'. */
static char *put_escaped(char *to, unsigned char byte)
{
	static const char special[] = "\a\b\t\n\v\f\r\\'";
	static const char letters[] = "abtnvfr\\'";
	const char *found = byte ? strchr(special, byte) : NULL;

	if (found)
		return to + sprintf(to, "\\%c", letters[found - special]);
	return to + sprintf(to, "\\%03o", byte);
}

char *text_quote(const char *name)
{
	mbstate_t state = {0};
	char *text, *to;

	if (is_printable(name) && !strchr(name, '\'')) {
		const char *mark = *name && !strpbrk(name, SHELL_CHARACTERS) ? "" : "'";

		return asprintf(&text, "%s%s%s", mark, name, mark) < 0 ? NULL : text;
	}
	text = malloc(4 * strlen(name) + sizeof("$''"));
	if (!text)
		return NULL;
	to = stpcpy(text, "$'");
	while (*name) {
		size_t n = *name == '\\' || *name == '\'' ? 0 : printable(name, &state);

		if (n == 0) {
			to = put_escaped(to, (unsigned char)*name++);
			continue;
		}
		to = mempcpy(to, name, n);
		name += n;
	}
	stpcpy(to, "'");
	return text;
}

char *text_utf8(const char *name, bool *is_exact)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t left = strlen(name);
	char *text = malloc(3 * left + 1);
	char *to = text;

	if (!text)
		return NULL;
	*is_exact = true;
	while (left > 0) {
		const size_t valid = utf8_valid_length(name, left);

		to = mempcpy(to, name, valid);
		name += valid;
		left -= valid;
		if (left == 0)
			break;
		to = mempcpy(to, replacement, 3);
		name++;
		left--;
		*is_exact = false;
	}
	*to = '\0';
	return text;
}

char *text_json(const char *name, bool *is_exact)
{
	_cleanup_free_ char *utf8 = text_utf8(name, is_exact);
	json_t *value = utf8 ? json_string(utf8) : NULL;
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	return text;
}

char *text_hex(const char *name)
{
	char *text = malloc(2 * strlen(name) + 1);
	char *to = text;

	if (!text)
		return NULL;
	*to = '\0';
	while (*name)
		to += sprintf(to, "%02x", (unsigned char)*name++);
	return text;
}

json_t *text_to_json(const char *text)
{
	bool is_exact;
	_cleanup_free_ char *valid = text_utf8(text, &is_exact);

	return valid ? json_string(valid) : NULL;
}

json_t *text_hex_to_json(const char *text)
{
	_cleanup_free_ char *hex = NULL;

	if (utf8_valid_length(text, strlen(text)) == strlen(text))
		return json_null();
	hex = text_hex(text);
	return hex ? json_string(hex) : NULL;
}

void text_print_line(const char *text, bool is_terminal)
{
	_cleanup_free_ char *quoted = is_terminal && *text ? text_quote(text) : NULL;

	printf("%s\n", quoted ? quoted : text);
}

void text_size(uint64_t bytes, char text[TEXT_SIZE_MAX])
{
	static const char units[] = "BKMGTPE";
	unsigned int unit = 0;
	uint64_t tenths;

	if (bytes < 1024) {
		snprintf(text, TEXT_SIZE_MAX, "%u%s", (unsigned int)bytes, bytes ? "B" : "");
		return;
	}
	while (bytes >= UINT64_C(1024) * 1024) {
		bytes /= 1024;
		unit++;
	}
	unit++;
	tenths = (bytes * 10 + 512) / 1024;
	if (tenths >= 10240) {
		tenths /= 1024;
		unit++;
	}
	if (tenths % 10 == 0 || tenths >= 1000)
		snprintf(text, TEXT_SIZE_MAX, "%u%c", (unsigned int)(tenths / 10), units[unit]);
	else
		snprintf(text, TEXT_SIZE_MAX, "%u.%u%c", (unsigned int)(tenths / 10),
			 (unsigned int)(tenths % 10), units[unit]);
}

void text_mode(mode_t mode, char text[TEXT_MODE_MAX])
{
	static const char letters[] = "rwxrwxrwx";
	static const struct {
		mode_t bit;
		unsigned int place;
		char with, without; /* x */
	} specials[] = {{S_ISUID, 3, 's', 'S'}, {S_ISGID, 6, 's', 'S'}, {S_ISVTX, 9, 't', 'T'}};

	text[0] = S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISREG(mode) ? '-' : '?';
	for (unsigned int i = 0; i < 9; i++)
		text[i + 1] = (char)(mode & (0400u >> i) ? letters[i] : '-');
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (mode & specials[i].bit)
			text[specials[i].place] =
				text[specials[i].place] == 'x' ? specials[i].with : specials[i].without;
	text[10] = '\0';
}

void text_time(time_t time, time_t now, char text[TEXT_TIME_MAX])
{
	struct tm parts, today;

	localtime_r(&time, &parts);
	localtime_r(&now, &today);
	strftime(text, TEXT_TIME_MAX,
		 parts.tm_yday == today.tm_yday && parts.tm_year == today.tm_year ? "%H:%M"
										  : "%Y-%m-%d %H:%M",
		 &parts);
}

void text_iso_time(time_t time, char text[TEXT_TIME_MAX])
{
	struct tm parts;

	gmtime_r(&time, &parts);
	strftime(text, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

void text_age(int64_t seconds, char text[TEXT_TIME_MAX])
{
	static const struct {
		int64_t seconds, below;
		const char *unit;
	} units[] = {{1, 120, "s"}, {60, 120, "min"}, {3600, 72, "h"}, {86400, INT64_MAX, "d"}};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (seconds / units[i].seconds >= units[i].below)
		i++;
	snprintf(text, TEXT_TIME_MAX, "%lld %s", (long long)(seconds / units[i].seconds), units[i].unit);
}

int text_parse_time(const char *text, time_t *time)
{
	struct tm parts = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

	if (!end)
		return -EINVAL;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (strcmp(end, "Z") != 0)
		return -EINVAL;
	*time = timegm(&parts);
	return 0;
}

static char *number(unsigned int id)
{
	char *text;

	return asprintf(&text, "%u", id) < 0 ? NULL : text;
}

char *text_user(uid_t user)
{
	struct passwd entry, *found = NULL;
	_cleanup_free_ char *buffer = malloc(TEXT_ENTRY_MAX);

	if (buffer && getpwuid_r(user, &entry, buffer, TEXT_ENTRY_MAX, &found) == 0 && found)
		return strdup(found->pw_name);
	return number(user);
}

char *text_group(gid_t group)
{
	struct group entry, *found = NULL;
	_cleanup_free_ char *buffer = malloc(TEXT_ENTRY_MAX);

	if (buffer && getgrgid_r(group, &entry, buffer, TEXT_ENTRY_MAX, &found) == 0 && found)
		return strdup(found->gr_name);
	return number(group);
}

int text_find_user(const char *name, uid_t *user)
{
	struct passwd entry, *found = NULL;
	_cleanup_free_ char *buffer = malloc(TEXT_ENTRY_MAX);

	if (!buffer)
		return -ENOMEM;
	if (getpwnam_r(name, &entry, buffer, TEXT_ENTRY_MAX, &found) != 0 || !found)
		return -ENOENT;
	*user = found->pw_uid;
	return 0;
}

int text_find_group(const char *name, gid_t *group)
{
	struct group entry, *found = NULL;
	_cleanup_free_ char *buffer = malloc(TEXT_ENTRY_MAX);

	if (!buffer)
		return -ENOMEM;
	if (getgrnam_r(name, &entry, buffer, TEXT_ENTRY_MAX, &found) != 0 || !found)
		return -ENOENT;
	*group = found->gr_gid;
	return 0;
}

static const char *know(struct text_known *known, uint32_t id, char *(*find)(uint32_t id))
{
	if (!known->name || known->id != id) {
		free(known->name);
		*known = (struct text_known){.id = id, .name = find(id)};
	}
	return known->name;
}

const char *text_known_user(struct text_known *known, uid_t user)
{
	return know(known, user, text_user);
}

const char *text_known_group(struct text_known *known, gid_t group)
{
	return know(known, group, text_group);
}

void text_forget(struct text_known *known)
{
	free(known->name);
	*known = (struct text_known){0};
}
