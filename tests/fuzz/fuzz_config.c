// SPDX-License-Identifier: MIT
/*
 * Arbitrary bytes as a configuration: an error line of the documented form, or a configuration whose text
 * form is parsed to the same text.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fs/config/parse.h"
#include "lib/base/textfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void check_error(int status, const char *error)
{
	size_t length = strlen(error);

	check(status == -EINVAL);
	check(strncmp(error, "fuzz.ini:", 9) == 0);
	check(error[9] >= '1' && error[9] <= '9');
	check(strstr(error, ": ") && strstr(error, "; "));
	check(utf8_valid_length(error, length) == length);
	for (size_t i = 0; i < length; i++)
		check((unsigned char)error[i] >= 0x20 && error[i] != 0x7f);
	check(length < CONFIG_ERROR_MAX - 1); /* not truncated */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	struct config again;
	char error[CONFIG_ERROR_MAX] = "";
	char *text;
	char *text_again;
	int status = config_parse((const char *)data, size, "fuzz.ini", &config, error);

	if (status) {
		check_error(status, error);
		return 0;
	}
	text = config_format(&config);
	check(text != NULL);
	check(config_parse(text, strlen(text), "fuzz.ini", &again, error) == 0);
	text_again = config_format(&again);
	check(text_again && strcmp(text, text_again) == 0);
	check(config.n_directories == again.n_directories && config.n_segments == again.n_segments);
	for (size_t i = 0; i < config.n_segments; i++)
		check(strcmp(config.segments[i].name, again.segments[i].name) == 0);
	free(text);
	free(text_again);
	config_free(&config);
	config_free(&again);
	return 0;
}
