// SPDX-License-Identifier: MIT
#include "lib/tool/map_json.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/text.h"
#include "lib/tool/mapping.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *known(bool is_known, uint64_t bytes)
{
	return is_known ? json_integer((json_int_t)bytes) : json_null();
}

static json_t *amount(int64_t bytes)
{
	return bytes < 0 ? json_null() : json_integer(bytes);
}

/* Units of one state, as ranges. */
static json_t *make_ranges(const struct mapping *mapping)
{
	const struct pages *pages = &mapping->pages;
	json_t *array = json_array();

	for (size_t i = 0; i < pages->n;) {
		const enum pages_state state = pages_state(pages, &pages->units[i], pages->unit);
		const enum pages_state before = mapping_before(mapping, i * pages->unit);
		const uint64_t begin = i * pages->unit;
		uint64_t end;
		json_t *range;

		do
			i++;
		while (i < pages->n && pages_state(pages, &pages->units[i], pages->unit) == state &&
		       mapping_before(mapping, i * pages->unit) == before);
		end = i * pages->unit < pages->size ? i * pages->unit : pages->size;
		range = json_pack("{s:I, s:I, s:s}", "offset", (json_int_t)begin, "length",
				  (json_int_t)(end - begin), "state", pages_word(state));
		if (mapping->diff && mapping->look.states)
			json_object_set_new(range, "before",
					    before == PAGES_STATES ? json_null()
								   : json_string(pages_word(before)));
		json_array_append_new(array, range);
	}
	return array;
}

static json_t *make_views(const struct view_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++) {
		const struct view *view = &list->views[i];

		json_array_append_new(array,
				      json_pack("{s:i, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "process",
						(int)view->process, "command", text_to_json(view->command),
						"access", view->access, "offset", (json_int_t)view->offset,
						"length", (json_int_t)view->length, "resident",
						amount(view->resident), "dirty", amount(view->dirty), "huge",
						amount(view->huge), "swap", amount(view->swap)));
	}
	return array;
}

static json_t *make_unknown(const struct mapping *mapping)
{
	json_t *array = json_array();
	const char *unknown;
	char text[256];

	for (size_t i = 0; (unknown = mapping_unknown(mapping, i, text, sizeof(text))); i++)
		json_array_append_new(array, json_string(unknown));
	return array;
}

static json_t *make_time(const struct look *look)
{
	char text[TEXT_TIME_MAX];

	if (!look->states)
		return json_null();
	text_iso_time(look->time, text);
	return json_string(text);
}

int map_print_json(const struct mapping *mapping)
{
	const struct pages *pages = &mapping->pages;
	json_t *map, *root;
	int result;

	map = json_pack("{s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
			text_to_json(mapping->name), "name_hex", text_hex_to_json(mapping->name), "size",
			(json_int_t)pages->size, "page", (json_int_t)pages->page, "data",
			(json_int_t)pages->all.data, "resident",
			known(pages->knows_resident, pages->all.resident), "huge",
			known(pages->knows_huge, pages->all.huge), "dirty",
			known(pages->knows_dirty, pages->all.dirty), "ranges", make_ranges(mapping), "views",
			make_views(&mapping->views), "unknown", make_unknown(mapping));
	if (mapping->diff)
		json_object_set_new(map, "since", make_time(&mapping->look));
	root = json_pack("{s:o}", "map", map);
	result = root && json_dumpf(root, stdout, JSON_INDENT(3)) == 0 ? 0 : -ENOMEM;
	putchar('\n');
	json_decref(root);
	return result;
}
