# make [MODE=release|debug|asan|fuzz]   the program: build/MODE/rukou
# make engine                           the engine alone: libengine.a and build/MODE/write, no library but libc, libm, pthread
# make test-unit [ONLY=engine]          C tests of tests/unit/MODULE/*.c, one program a file
# make soak                             a million simulated orders, a thousand kill -9 on disk (10 minutes on two cores)
# make eval                             the development tasks with the real model, checked by their end (docs/eval.md; half an hour)
# make eval-full [SLICE=repeat-1]       the other measured runs, or one of them (tests/tasks/slice says which there are)
# make bench-engine [ROW=decode] [KERNELS=avx2]   the engine beside its peers (bench/peers builds them): rows of bench/RESULTS.md
# make fuzz [SECONDS=60] [ONLY=gguf]    libFuzzer (clang) on fuzz/*.c, each for so long
# make lint                             include arrows, SQL places, static analysis, spelling
# Objects and dependencies are per module: src/MODULE/**.c -> build/MODE/libMODULE.a

MODE ?= release
B := build/$(MODE)
CC := gcc
VERSION := 0.1.0

# Lowest first. A library may use only those to its left (make lint checks the includes).
MODULES := base json engine store net http chat mcp trade shop search site media agent eval server cli
PKGS := libmicrohttpd libcurl jansson sqlite3 openssl libxml-2.0

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
        -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough -Wnull-dereference
CPPFLAGS += -D_GNU_SOURCE -Isrc -I$(B)/gen -DRK_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKGS))
CFLAGS_release := -O3 -g -fstack-protector-strong -D_FORTIFY_SOURCE=3 -fPIE
CFLAGS_debug := -O0 -g3 -fPIE
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -fPIE
CFLAGS_fuzz := $(CFLAGS_asan) -fsanitize=fuzzer-no-link -w
CFLAGS += -std=c17 $(WARN) $(CFLAGS_$(MODE)) $(if $(WERROR),-Werror)
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
LDFLAGS_debug := -pie
LDFLAGS_asan := -pie -fsanitize=address,undefined
LDFLAGS_fuzz := $(LDFLAGS_asan)
LDFLAGS += $(LDFLAGS_$(MODE))
LDLIBS += $(shell pkg-config --libs $(PKGS)) -lpthread -lm -ldl

srcs = $(sort $(wildcard src/$(1)/*.c src/$(1)/*/*.c))
objs = $(patsubst src/%.c,$(B)/obj/%.o,$(call srcs,$(1)))
PRESENT := $(foreach m,$(MODULES),$(if $(call srcs,$(m)),$(m)))
LIBS := $(foreach m,$(PRESENT),$(B)/lib$(m).a)
LINK := -Wl,--start-group $(filter-out %/libcli.a,$(LIBS)) -Wl,--end-group

.PHONY: all libs engine tests tools test-unit soak lint clean conformance-ucp fuzz fuzz-run fuzz-replay eval eval-full bench-engine
all: $(if $(filter cli,$(PRESENT)),$(B)/rukou)
libs: $(LIBS)
engine: $(B)/write
$(B)/write: docs/examples/write.c $(B)/libengine.a $(B)/libbase.a
	$(CC) -D_GNU_SOURCE -Isrc $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm -lpthread

# One instruction set per kernel file; chosen at run time.
$(B)/obj/engine/kernels/avx2.o: CFLAGS += -mavx2 -mfma -mf16c
$(B)/obj/engine/kernels/avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c
# They read no foreign bytes, and clang instruments them for minutes.
$(B)/obj/engine/kernels/%.o: CFLAGS_fuzz := -O1 -fPIE -w
# No fused or reordered arithmetic behind our back: reductions have a fixed order.
$(B)/obj/engine/%.o: CFLAGS += -ffp-contract=off

# Character classes of the tokenizer, from Python's Unicode database.
$(B)/gen/unicode_tables.h: src/engine/unicode.py
	@mkdir -p $(@D)
	python3 $< >$@.tmp && mv $@.tmp $@
$(B)/obj/engine/tokenizer.o: $(B)/gen/unicode_tables.h

$(B)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# The page: bundled by esbuild, embedded as C arrays.
WEB := $(shell find web -type f) package-lock.json
$(B)/gen/web_assets.h: $(WEB)
	@mkdir -p $(@D)
	web/build.sh $@
$(B)/obj/server/assets.o: $(B)/gen/web_assets.h

define lib_rule
$(B)/lib$(1).a: $(call objs,$(1))
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach m,$(PRESENT),$(eval $(call lib_rule,$(m))))

$(B)/rukou: $(LIBS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ -Wl,--whole-archive $(B)/libcli.a -Wl,--no-whole-archive $(LINK) $(LDLIBS)

# ---- tests: tests/unit/MODULE/NAME.c -> build/MODE/test/MODULE/NAME (cmocka)
TESTS := $(patsubst tests/unit/%.c,$(B)/test/%,$(sort $(wildcard tests/unit/$(or $(ONLY),*)/*.c)))
$(B)/test/%: tests/unit/%.c $(filter-out %/libcli.a,$(LIBS))
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) -Wno-unused-parameter $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LINK) -lcmocka $(LDLIBS)
# The simulation signs for real in every twentieth batch only.
$(B)/test/trade/sim: LDFLAGS += -Wl,--wrap=rk_sign_es256,--wrap=rk_verify_es256
# ---- helpers of the Python tests: tests/tools/NAME.c -> build/MODE/tools/NAME
TOOLS := $(patsubst tests/tools/%.c,$(B)/tools/%,$(sort $(wildcard tests/tools/*.c)))
$(B)/tools/%: tests/tools/%.c $(filter-out %/libcli.a,$(LIBS))
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(LINK) $(LDLIBS)
tools: $(TOOLS)
tests: $(TESTS) $(TOOLS)
test-unit: $(TESTS)
	@fail=0; for t in $(TESTS); do echo "# $$t"; $$t || fail=1; done; exit $$fail

# The long form of three tests of trade: a million simulated orders, a thousand real kill -9 on disk, ten thousand changed orders (docs/trade.md).
soak: $(B)/test/trade/sim $(B)/test/trade/crash $(B)/test/trade/change_sim
	SIM_ORDERS=1000000 $(B)/test/trade/sim
	CRASH_ORDERS=2500 CRASH_DIR=/tmp $(B)/test/trade/crash
	CHANGE_SIM=10000 $(B)/test/trade/change_sim

# ---- fuzz: fuzz/NAME.c has LLVMFuzzerTestOneInput; replay of the corpus fuzz/corpus/NAME/ needs no libFuzzer
FUZZ_NAMES := $(if $(filter fuzz%,$(MAKECMDGOALS)),$(ONLY))
FUZZ := $(patsubst fuzz/%.c,$(B)/fuzz/%,$(filter-out fuzz/replay.c,$(sort $(wildcard fuzz/$(or $(FUZZ_NAMES),*).c))))
FUZZ_MAIN := $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer,fuzz/replay.c)
SECONDS ?= 60
$(B)/fuzz/%: fuzz/%.c fuzz/replay.c $(filter-out %/libcli.a,$(LIBS))
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(FUZZ_MAIN) $(LINK) $(LDLIBS)
fuzz:
	+@$(MAKE) --no-print-directory MODE=fuzz CC=clang fuzz-run
fuzz-run: $(FUZZ)
	@fail=0; for t in $(FUZZ); do tests/tools/fuzz.sh $$t $(SECONDS) || fail=1; done; exit $$fail
fuzz-replay: $(FUZZ)
	@fail=0; for t in $(FUZZ); do echo "# $$t"; \
	  if $$t fuzz/corpus/$$(basename $$t)/*; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; fail=1; fi; done; exit $$fail

lint:
	tests/lint.sh

# The merchant by the suite of others, both versions of UCP, over http and TLS; the report is kept in docs/. ./check has its packages.
conformance-ucp: all
	tests/conformance/run.sh agent
	tests/conformance/run.sh --report docs/conformance-ucp.md

eval: all
	tests/tasks/slice dev
eval-full: all
	@for s in $(or $(SLICE),$(filter-out dev,$(shell tests/tasks/slice))); do echo "# $$s"; tests/tasks/slice $$s || exit 1; done

bench-engine: all
	bench/run $(if $(ROW),--row $(ROW)) $(if $(KERNELS),--kernels $(KERNELS))

clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
