# SPDX-License-Identifier: GPL-2.0-only
#
# Entry points only; `make help` lists them. Set-up is scripts/setup.sh, the
# work is done by scripts/kmemleak-dev and scripts/kmemleak-tree.

O ?= build
export O KDIR TREE BASE JOBS ACCEL FLAVOR CMD FILES APPEND LIMIT ROUNDS QUICK FULL

DEV := scripts/kmemleak-dev
LAY := scripts/kmemleak-tree
TIERS := host tools kunit uml guest debug trees

.PHONY: help run test test-arch $(TIERS:%=test-%) shell guest apply remove patch lint bench clean

help:
	@echo 'make run           boot a kernel, leak on purpose, show the report'
	@echo 'make test          all tests: $(TIERS)'
	@echo '                   (FULL=1: the long forms, some 50 minutes)'
	@echo 'make test-TIER     the tests of one tier'
	@echo 'make test-arch ARCH=A  on another machine; without ARCH it lists them'
	@echo 'make shell         the same guest with a prompt'
	@echo "make guest CMD='…' one command in the guest"
	@echo 'make apply KDIR=T  lay the subsystem over the kernel tree T'
	@echo '                   (UPDATE=1: over an older version of itself)'
	@echo 'make remove KDIR=T the tree T as it was'
	@echo 'make patch         the same as patches for git am'
	@echo 'make lint          checkpatch, sparse, W=1, kernel-doc, shellcheck'
	@echo 'make bench         what it costs, against the stock detector'
	@echo '                   (QUICK=1: one round; ROUNDS=N)'
	@echo 'make clean         remove the build folder'
	@echo
	@echo 'O=DIR     build folder (build)        JOBS=N     jobs (all CPUs)'
	@echo 'KDIR=T    build from the tree T, which is copied and not touched'
	@echo 'TREE=7.3  build from that tree of Debian: 7.3, 6.12 or 6.1'
	@echo 'BASE=TAR  tarball of the base tree    LIMIT=SEC  when a guest hangs'
	@echo 'ACCEL=kvm instead of tcg              FLAVOR=debug for shell, guest'
	@echo "APPEND='…' kernel parameters and FILES='…' into /root, for guest"

run:
	@scripts/setup.sh run
	@$(DEV) run

test:
	@scripts/setup.sh test
	@$(DEV) test $(TIERS)

$(TIERS:%=test-%):
	@scripts/setup.sh test
	@$(DEV) test $(@:test-%=%)

# Which packages a kind takes is in a table for Python.
test-arch:
	@scripts/setup.sh tree
	@packages=$$($(DEV) packages $(ARCH)) && scripts/setup.sh arch $$packages
	@$(DEV) test-arch $(ARCH)

shell guest:
	@scripts/setup.sh run
	@$(DEV) $@

patch:
	@scripts/setup.sh run
	@$(DEV) patch

lint:
	@scripts/setup.sh lint
	@$(DEV) lint

bench:
	@scripts/setup.sh run
	@$(DEV) bench

apply remove:
	@test -n '$(KDIR)' || { echo 'make $@ needs KDIR=<kernel tree>'; exit 2; }
	@scripts/setup.sh tree
	@$(LAY) $@ $(if $(filter apply,$@),$(if $(UPDATE),--update)) '$(KDIR)'

clean:
	rm -rf '$(O)'
