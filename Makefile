# SPDX-License-Identifier: MIT
#
# `make help` explains the targets. Sources and tests are found by their place, never listed.

VERSION := 0.1.0
FLAVOUR ?= release
PREFIX ?= /usr/local
DESTDIR ?=
MOUNT ?=
FUZZ_TIME ?= 60
STRESS_TIME ?= 60
JOBS ?=
SEED ?=
CROSS ?=
DEPS ?= build test$(if $(CROSS),, bench lint fuzz)

BUILD := build$(addprefix /,$(CROSS))
ifeq ($(FLAVOUR),release)
OUT := $(BUILD)
else
OUT := $(BUILD)/$(FLAVOUR)
endif
OBJ := $(OUT)/obj

# CROSS is the prefix of a cross compiler's commands; what it builds for another machine runs here in qemu-user
ifneq ($(CROSS),)
CC := $(CROSS)-gcc
AR := $(CROSS)-ar
OBJCOPY := $(CROSS)-objcopy
EMULATOR ?= qemu-$(firstword $(subst -, ,$(CROSS)))
else
EMULATOR :=
OBJCOPY ?= objcopy
endif

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

# What libraries need. Where something is missing, only these targets install it; others say so. What CROSS needs includes
# another architecture for dpkg, so that only `make deps` installs it.
installing := $(if $(CROSS),,$(filter run check check-% asan tsan lint,$(MAKECMDGOALS)))
bootstrap := CROSS=$(CROSS) packaging/bootstrap
ifneq ($(filter-out help clean stop uninstall deps check-cross,$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/bootstrap.mk
endif
$(BUILD)/bootstrap.mk: packaging/bootstrap
	$(Q)$(bootstrap) $(if $(installing),,-n) build
$(BUILD)/bootstrap-%.stamp: packaging/bootstrap
	$(Q)$(bootstrap) $(if $(installing),,-n) $*

# --- flags ---------------------------------------------------------------------------------------------------------

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Werror=implicit-function-declaration -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference -Wcast-qual -Wwrite-strings
warnings += $(if $(or $(filter true,$(CI)),$(filter 1,$(WERROR))),-Werror)

ifeq ($(FLAVOUR),release)
CFLAGS ?= -O2 -g
hardening := -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
machine := $(shell $(CC) -dumpmachine 2>/dev/null)
hardening += $(if $(filter x86_64% i686%,$(machine)),-fcf-protection)
hardening += $(if $(filter aarch64%,$(machine)),-mbranch-protection=standard)
else ifeq ($(FLAVOUR),asan)
CFLAGS ?= -O1 -g
sanitizer := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else ifeq ($(FLAVOUR),tsan)
CFLAGS ?= -O1 -g
sanitizer := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(FLAVOUR),fuzz)
CC := clang
CFLAGS ?= -O1 -g
sanitizer := -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
else
$(error FLAVOUR is release, asan, tsan or fuzz, not $(FLAVOUR))
endif

# _GNU_SOURCE is empty, so that a file may define it as well
preprocessor := -I. -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=317 -DSEGFS_VERSION='"$(VERSION)"' \
	$(FUSE_CFLAGS) $(INIH_CFLAGS) $(CAPNG_CFLAGS) $(SECCOMP_CFLAGS) $(SMARTCOLS_CFLAGS) $(JANSSON_CFLAGS) \
	$(ARCHIVE_CFLAGS) $(XXHASH_CFLAGS)
language := -std=gnu17 -pthread -fPIE -fno-common -fvisibility=hidden
compile = $(CC) $(preprocessor) $(CPPFLAGS) $(language) $(warnings) $(hardening) $(sanitizer) $(CFLAGS)
link = $(CC) -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(sanitizer) $(CFLAGS) $(LDFLAGS)

# --- what is built -------------------------------------------------------------------------------------------------

comma := ,
object = $(patsubst %.c,$(OBJ)/%.o,$(1))
base_sources := $(wildcard lib/base/*.c)
# fs/filter/ is a program of its own, which runs here and writes a part of the program
generator_sources := $(wildcard fs/filter/*.c)
program_sources := $(sort $(filter-out $(generator_sources),$(wildcard fs/*.c fs/*/*.c))) $(base_sources)
# all that knows no FUSE, for unit tests and fuzzers
client_sources := $(wildcard lib/client/*.c)
core_sources := $(sort $(wildcard fs/config/*.c fs/state/*.c fs/source/*.c)) $(base_sources) $(client_sources)
library_sources := $(client_sources) lib/base/mounts.c lib/base/object_format.c
tool_sources := $(sort $(wildcard lib/tool/*.c lib/tool/*/*.c)) $(client_sources) $(base_sources)
support_sources := $(wildcard tests/mount/harness.c tests/lib/*.c)
stress_sources := $(wildcard tests/stress/*.c)

program = $(patsubst %.c,$(OUT)/%,$(1))
unit_tests := $(call program,$(wildcard tests/unit/test_*.c))
mount_tests := $(call program,$(wildcard tests/mount/test_*.c))
crash_tests := $(call program,$(wildcard tests/crash/test_*.c))
shell_tests := $(wildcard tests/shell/*.t)
clients := $(call program,$(wildcard tests/clients/*.c))
stress_program := $(OUT)/tests/stress/stress
bench_sources := $(wildcard tests/bench/*.c)
bench_program := $(OUT)/tests/bench/bench
preloads := $(patsubst tests/preload/%.c,$(OUT)/tests/preload/%.so,$(wildcard tests/preload/*.c))
request_fuzzer := replies.c mutate.c stand.c
fuzzers := $(call program,$(wildcard tests/fuzz/fuzz_*.c))

# what preloaded libraries of tests ask
exported := -Wl,--export-dynamic-symbol=reader_is_self

all: $(OUT)/segfs $(OUT)/segctl $(OUT)/libsegfs.so.0 $(OUT)/libsegfs.a ## build programs and library: build/segfs, build/segctl, build/libsegfs.*

deps: ## install what is missing, as root, for DEPS (build test bench lint fuzz)
	$(Q)$(bootstrap) $(DEPS)

$(OUT)/segfs: $(call object,$(program_sources)) $(OBJ)/filter_programs.o $(OBJ)/program.list $(OBJ)/link.flags
	$(call say,LINK,$@)
	$(Q)$(link) $(exported) -o $@ $(filter %.o,$^) $(FUSE_LIBS) $(INIH_LIBS) $(CAPNG_LIBS)

$(OUT)/segctl: $(call object,$(tool_sources)) $(OBJ)/tool.list $(OBJ)/link.flags
	$(call say,LINK,$@)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(SMARTCOLS_LIBS) $(JANSSON_LIBS) $(ARCHIVE_LIBS) $(XXHASH_LIBS) -lm

$(OBJ)/generate-filters: $(call object,$(generator_sources)) $(OBJ)/generator.list $(OBJ)/link.flags
	$(call say,LINK,$@)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(SECCOMP_LIBS)

# Numbers of system calls, their arguments and libseccomp's rules are those of the machine that the generator is built for,
# so that one for another machine is emulated. libseccomp keeps what it has allocated to itself.
$(OBJ)/filter_programs.c: $(OBJ)/generate-filters
	$(call say,RUN,$<)
	$(Q)ASAN_OPTIONS=detect_leaks=0 $(EMULATOR) $< >$@

$(OBJ)/filter_programs.o: $(OBJ)/filter_programs.c $(OBJ)/compile.flags
	$(call say,CC,$<)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

# for programs: nothing but the C library, and what lib/libsegfs.map lists
library_objects := $(patsubst %.c,$(OBJ)/pic/%.o,$(library_sources))
$(OUT)/libsegfs.so.0: $(library_objects) $(OBJ)/library.list $(OBJ)/link.flags lib/libsegfs.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -pthread -Wl,-soname,$(@F) -Wl,--version-script=lib/libsegfs.map \
		$(if $(sanitizer),,-Wl$(comma)-z$(comma)defs) -Wl,-z,relro,-z,now -Wl,--as-needed $(sanitizer) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^)

# one object, in which names that the shared library hides are local: they cannot clash with those of a program
$(OBJ)/libsegfs.o: $(library_objects) $(OBJ)/library.list
	$(Q)$(CC) -r -nostdlib -o $@ $(filter %.o,$^) && $(OBJCOPY) --localize-hidden $@

$(OUT)/libsegfs.a: $(OBJ)/libsegfs.o
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $<

$(OBJ)/pic/%.o: %.c Makefile $(BUILD)/bootstrap.mk $(OBJ)/compile.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(subst -fPIE,-fPIC,$(compile)) -MMD -MP -c -o $@ $<

$(OBJ)/core.a: $(call object,$(core_sources)) $(OBJ)/core.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(OBJ)/support.a: $(call object,$(support_sources)) $(OBJ)/support.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# a source that came or went changes no time stamp; these files change when the list does
$(OBJ)/%.list: FORCE
	@mkdir -p $(@D) && echo '$($*_sources)' | cmp -s - $@ || echo '$($*_sources)' >$@

# nor do compilers and flags: compile.flags and link.flags change when the commands do
quote = '$(subst ','\'',$(1))'
$(OBJ)/%.flags: FORCE
	@mkdir -p $(@D) && printf '%s\n' $(call quote,$($*)) | cmp -s - $@ || printf '%s\n' $(call quote,$($*)) >$@

$(OUT)/tests/unit/test_filter: $(OBJ)/filter_programs.o
$(OUT)/tests/unit/test_listed: $(call object,fs/control/listed.c fs/control/locks.c fs/control/text.c)
$(unit_tests): $(OUT)/%: $(OBJ)/%.o $(OBJ)/core.a $(OBJ)/link.flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(OBJ)/core.a $(INIH_LIBS) -lcmocka -ldl

# what a test runs on the mount
# of SQLite, only the library itself is there for another machine
sqlite := $(if $(CROSS),-l:libsqlite3.so.0,-lsqlite3)
$(OUT)/tests/mount/test_sqlite: private libraries := $(sqlite)
$(OUT)/tests/mount/test_lmdb: private libraries := -llmdb
$(bench_program): private libraries := $(sqlite) -llmdb
$(mount_tests) $(crash_tests): $(OUT)/%: $(OBJ)/%.o $(OBJ)/support.a $(OBJ)/core.a $(OBJ)/link.flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(OBJ)/support.a $(OBJ)/core.a $(INIH_LIBS) -lcmocka -ldl $(libraries)

$(stress_program): $(call object,$(stress_sources)) $(OBJ)/stress.list $(OBJ)/support.a $(OBJ)/core.a $(OBJ)/link.flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(OBJ)/support.a $(OBJ)/core.a $(INIH_LIBS) -lcmocka -ldl

$(clients): $(OUT)/%: $(OBJ)/%.o $(OBJ)/link.flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) -o $@ $(filter %.o,$^) -lm

# with the shared library, as programs have it
$(bench_program): $(call object,$(bench_sources)) $(OBJ)/bench.list $(OUT)/libsegfs.so.0 $(OBJ)/link.flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) -o $@ $(filter %.o,$^) $(OUT)/libsegfs.so.0 -Wl,-rpath,$(abspath $(OUT)) -lm -ldl $(libraries)

# a peer, which the bench does without if it cannot be built
boost := $(OUT)/tests/bench/boost.so
$(boost): tests/bench/boost.cc tests/bench/library.h
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) -I. -std=c++17 -O2 -fPIC -pthread -shared -o $@ $<

# for LD_PRELOAD of the daemon; without sanitizers, whose library has to come first
$(preloads): $(OUT)/%.so: %.c Makefile $(BUILD)/bootstrap.mk $(OBJ)/compile.flags $(wildcard tests/preload/*.h)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(preprocessor) $(CPPFLAGS) -std=gnu17 -pthread -fPIC -fvisibility=hidden $(warnings) -O2 -g -shared -o $@ $< -ldl

# the requests' fuzzer stands in for the kernel and the machine; tests/fuzz/stand.c says how
$(OUT)/tests/fuzz/fuzz_request: $(call object,$(wildcard fs/fuse/*.c fs/segment/*.c fs/ops/*.c fs/control/*.c) $(addprefix tests/fuzz/,$(request_fuzzer)))
$(OUT)/tests/fuzz/fuzz_request: private libraries := $(FUSE_LIBS) $(addprefix -Wl$(comma)--wrap=,pthread_create \
	passthrough_open passthrough_close procfs_find_views procfs_find_users procfs_fcntl_command lifetime_changed)
$(OUT)/tests/fuzz/fuzz_arena: private libraries := -Wl,--wrap=close
$(fuzzers): $(OUT)/%: $(OBJ)/%.o $(OBJ)/core.a $(OBJ)/link.flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(link) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(OBJ)/core.a $(INIH_LIBS) $(libraries)

$(OBJ)/%.o: %.c Makefile $(BUILD)/bootstrap.mk $(OBJ)/compile.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

-include $(shell test -d $(OBJ) && find $(OBJ) -name '*.d')

# test programs need the test libraries' headers
$(call object,$(wildcard $(addprefix tests/,unit/*.c mount/*.c crash/*.c stress/*.c lib/*.c))): | $(BUILD)/bootstrap-test.stamp

# --- running it ----------------------------------------------------------------------------------------------------

run: all $(OUT)/tests/clients/demo-map ## mount it and show that it works; MOUNT=DIR (default /mnt/seg, ./mnt as an ordinary user)
	$(Q)MOUNT='$(MOUNT)' packaging/demo start

stop: ## unmount what `make run` mounted
	$(Q)MOUNT='$(MOUNT)' packaging/demo stop

# --- checking it ---------------------------------------------------------------------------------------------------

# sanitizers and emulators are slow
run_tests = $(Q)TEST_EMULATOR='$(EMULATOR)' SEGFS=$(abspath $(OUT)/segfs) SEGFS_OUT=$(abspath $(OUT)) $(if $(sanitizer)$(EMULATOR),TEST_TIMEOUT=600) tests/run $(addprefix -j,$(JOBS))
test_programs := $(unit_tests) $(mount_tests) $(crash_tests)

tests: all $(test_programs) $(stress_program) $(clients) $(preloads) $(bench_program) $(BUILD)/bootstrap-test.stamp ## build all test programs
check: tests ## build and run every test, JOBS at a time (the number of cores)
	$(run_tests) $(test_programs) $(shell_tests)
check-unit: $(unit_tests) ## ... those that need neither FUSE nor root
	$(run_tests) $(unit_tests)
check-mount: tests ## ... the C tests on a real mount
	$(run_tests) $(mount_tests)
check-crash: tests ## ... those that kill the worker, at each point, of which `check` takes an eighth
	$(Q)export SEGFS_POINTS=all; $(subst $(Q),,$(run_tests)) $(crash_tests)
check-shell: tests ## ... those written in shell
	$(run_tests) $(shell_tests)

# in qemu-user, whose option -p is the size of pages that programs see
check-cross: ## ... those of check-unit for CROSS (aarch64-linux-gnu), emulated, with pages of 4, 16 and 64 KiB; builds all
	$(Q)set -e; cross=$(or $(CROSS),aarch64-linux-gnu); $(MAKE) --no-print-directory CROSS=$$cross tests; \
		for page in 4096 16384 65536; do \
			$(MAKE) --no-print-directory CROSS=$$cross EMULATOR="qemu-$${cross%%-*} -p $$page" check-unit; \
		done

stress: all $(stress_program) ## do everything while the worker is killed, as root, for STRESS_TIME seconds; SEED=N
	$(Q)export STRESS_TIME='$(STRESS_TIME)' SEED='$(SEED)' TEST_TIMEOUT=$$(($(STRESS_TIME) + 300)); \
		status=0; SEGFS=$(abspath $(OUT)/segfs) SEGFS_OUT=$(abspath $(OUT)) tests/run $(stress_program) || status=1; \
		grep '^# ' $(OUT)/test-logs/stress-stress.log; exit $$status

asan: ## every test with the address and undefined-behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory FLAVOUR=asan check
tsan: ## every test with the thread sanitizer
	$(Q)$(MAKE) --no-print-directory FLAVOUR=tsan check

fuzz: $(BUILD)/bootstrap-fuzz.stamp ## run each fuzzer for FUZZ_TIME seconds
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz fuzz-run
fuzzers: $(fuzzers)
fuzz-run: $(fuzzers)
	$(Q)set -e; for fuzzer in $(notdir $(fuzzers)); do \
		mkdir -p $(OUT)/corpus/$$fuzzer; \
		corpus=; [ ! -d tests/fuzz/corpus/$$fuzzer ] || corpus=tests/fuzz/corpus/$$fuzzer; \
		$(OUT)/tests/fuzz/$$fuzzer -max_total_time=$(FUZZ_TIME) -artifact_prefix=$(OUT)/$$fuzzer- \
			$(OUT)/corpus/$$fuzzer $$corpus; \
	done

# what the kernel sends while these run
recorded := posix_names posix_open posix_io posix_dir posix_attr posix_xattr posix_acl locks lock_waits mandatory ownership policy_attributes policy_directories policy_size policy_switching
fuzz-seeds: tests $(BUILD)/bootstrap-fuzz.stamp ## record requests of some tests as seeds for fuzz_request, as root
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz fuzzers
	$(Q)SEGFS=$(abspath $(OUT)/segfs) SEGFS_OUT=$(abspath $(OUT)) FUZZER=build/fuzz/tests/fuzz/fuzz_request \
		tests/fuzz/record $(addprefix $(OUT)/tests/mount/test_,$(recorded))

bench: all $(bench_program) $(BUILD)/bootstrap-bench.stamp ## compare with tmpfs and other FUSE servers, as root; 25 minutes; build/bench.md, .json, .svg
	$(Q)$(MAKE) --no-print-directory $(boost) || echo "missing: Boost.Interprocess"
	$(Q)SEGFS=$(abspath $(OUT)/segfs) SEGFS_OUT=$(abspath $(OUT)) tests/bench/run

# the kernels of Debian 12 and 13, and what each is to run in 15 minutes
KERNELS ?= debian12 debian13
KERNEL_TESTS ?= $(addprefix $(OUT)/tests/,$(addprefix crash/test_,upgrade waiting kill_mandatory kill_sysv kill_open) $(addprefix mount/test_, \
	hot reload sharing lock_calls mandatory mandatory_nonblock policy_switching posix_open posix_source posix_io process process_life \
	requester sysv sysv_memory hanging reader)) $(addprefix tests/shell/,features.t sources.t unprivileged.t)
check-kernels: tests $(BUILD)/bootstrap-kernels.stamp ## a part of the tests under the kernels of Debian 12 and 13, emulated, as root; at most 15 minutes each
	$(Q)status=0; for kernel in $(KERNELS); do \
		SEGFS_OUT=$(abspath $(OUT)) tests/kernels/run -t 900 $$kernel $(KERNEL_TESTS) || status=1; done; exit $$status

lint: $(BUILD)/bootstrap-test.stamp $(BUILD)/bootstrap-lint.stamp ## static analysis and the rules of the house
	$(Q)PREPROCESSOR="$(subst ",\",$(preprocessor))" LANGUAGE='$(language)' WARNINGS='$(warnings)' packaging/lint

# --- installing it -------------------------------------------------------------------------------------------------

field = $(word $(1),$(subst :, ,$(2)))
install_755 = install -D -m 755 $(1) $(2)
install_644 = install -D -m 644 $(1) $(2)
install_link = ln -sfn $(1) $(2)
# a manual page that is another one
install_so = echo '.so man$(subst .,,$(suffix $(1)))/$(1)' | install -D -m 644 /dev/stdin $(2)
# what pkg-config says
install_pc = printf 'Name: segfs\nDescription: named segments of shared memory\nVersion: %s\nCflags: -I%s\nLibs: -L%s -lsegfs\n' \
	'$(VERSION)' '$(PREFIX)/include' '$(PREFIX)/lib' | install -D -m 644 /dev/stdin $(2)

# pages that describe more than one function: each further name is a page that refers to it
man_aliases := $(foreach name,open close fd size resize get set remove,segfs_$(name):segfs_create) \
	$(foreach name,view_data view_length remap flush unmap,segfs_$(name):segfs_map) segfs_explain:libsegfs \
	$(foreach name,object_open object_close object_kind object_value post set_event reset_event ring wait wait_any wait_all deadline,segfs_$(name):segfs_object_create) \
	$(foreach name,lock_shared unlock abandoned clear_abandoned,segfs_$(name):segfs_lock) \
	$(foreach name,notify barrier_wait,segfs_$(name):segfs_condition_wait)

man1_aliases := $(foreach name,stat attached locks top,segctl-$(name):segctl-ls) \
	$(foreach name,set get resize rm,segctl-$(name):segctl-new) \
	$(foreach name,wait post ring reset value,segctl-$(name):segctl-lock) segctl-dump:segctl-map segctl-load:segctl-save \
	$(foreach name,reload upgrade check purge doctor,segctl-$(name):segctl-status)

# one line per file: mode, or link or text, source, destination below PREFIX; install and uninstall both read it
installed := \
	755:$(OUT)/segfs:bin/segfs \
	755:$(OUT)/segctl:bin/segctl \
	644:lib/segfs.h:include/segfs.h \
	644:lib/segfs.hpp:include/segfs.hpp \
	$(foreach header,$(wildcard lib/segfs/*.hpp),644:$(header):include/segfs/$(notdir $(header))) \
	755:$(OUT)/libsegfs.so.0:lib/libsegfs.so.0 \
	link:libsegfs.so.0:lib/libsegfs.so \
	644:$(OUT)/libsegfs.a:lib/libsegfs.a \
	pc:-:lib/pkgconfig/segfs.pc \
	644:lib/python/segfs.py:lib/python3/dist-packages/segfs.py \
	$(foreach page,$(wildcard packaging/man/*.1),644:$(page):share/man/man1/$(notdir $(page))) \
	$(foreach page,$(wildcard packaging/man/*.3),644:$(page):share/man/man3/$(notdir $(page))) \
	$(foreach alias,$(man1_aliases),so:$(call field,2,$(alias)).1:share/man/man1/$(call field,1,$(alias)).1) \
	$(foreach alias,$(man_aliases),so:$(call field,2,$(alias)).3:share/man/man3/$(call field,1,$(alias)).3) \
	644:packaging/man/segfs.ini.5:share/man/man5/segfs.ini.5 \
	644:packaging/man/segfs.7:share/man/man7/segfs.7 \
	644:packaging/man/segfs.8:share/man/man8/segfs.8 \
	644:packaging/completion/segctl.bash:share/bash-completion/completions/segctl \
	644:packaging/completion/segctl.zsh:share/zsh/site-functions/_segctl \
	644:packaging/completion/segctl.fish:share/fish/vendor_completions.d/segctl.fish \
	644:packaging/segfs.ini.example:share/doc/segfs/segfs.ini.example \
	644:packaging/systemd/segfs@.service:lib/systemd/system/segfs@.service

install: all ## install program and library below PREFIX (/usr/local), in DESTDIR
	$(Q)set -e; $(foreach entry,$(installed),\
		$(call install_$(call field,1,$(entry)),$(call field,2,$(entry)),'$(DESTDIR)$(PREFIX)/$(call field,3,$(entry))');)

uninstall: ## remove what install put there
	$(Q)set -e; $(foreach entry,$(installed),rm -f '$(DESTDIR)$(PREFIX)/$(call field,3,$(entry))';)
	$(Q)rm -f '$(DESTDIR)$(PREFIX)'/lib/python3/dist-packages/__pycache__/segfs.*.pyc
	$(Q)for directory in share/doc/segfs include/segfs; do rmdir "$(DESTDIR)$(PREFIX)/$$directory" 2>/dev/null || true; done

clean: ## remove build/, except for the library that bootstrap built
	$(Q)[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name 'deps*' -exec rm -rf {} +

help: ## this list
	@echo 'usage: make [TARGET] [V=1] [WERROR=1] [FLAVOUR=release|asan|tsan] [CROSS=aarch64-linux-gnu] [CC=...] [CFLAGS=...] [JOBS=N]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  %-12s %s\n' "$$name" "$$text"; done

FORCE:
.PHONY: all deps run stop tests check check-unit check-mount check-crash check-shell check-cross stress asan tsan fuzz fuzzers fuzz-run fuzz-seeds bench check-kernels lint \
	install uninstall clean help FORCE
