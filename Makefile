# SPDX-License-Identifier: GPL-2.0-only
#
# Only the entry points; `make help` lists them. scripts/setup.sh installs packages.
# scripts/kmemleak-dev and scripts/kmemleak-tree do the work.

O ?= build
export O KDIR TREE BASE JOBS ACCEL FLAVOR CMD FILES APPEND LIMIT ROUNDS QUICK FULL

DEV := scripts/kmemleak-dev
LAY := scripts/kmemleak-tree
TIERS := host tools kunit uml guest debug trees

.PHONY: help run test test-arch $(TIERS:%=test-%) shell guest apply remove patch lint bench clean

help:
	@echo 'make run           boot a kernel, leak on purpose, show the report'
	@echo 'make test          all tests: $(TIERS)'
	@echo '                   (FULL=1: the long forms, about 50 minutes)'
	@echo 'make test-TIER     the tests of one tier'
	@echo 'make test-arch ARCH=A  tests on another machine; without ARCH: a list'
	@echo 'make shell         boot the same guest, with a prompt'
	@echo "make guest CMD='…' run one command in the guest"
	@echo 'make apply KDIR=T  apply the subsystem to the kernel tree T'
	@echo '                   (UPDATE=1: replace an older version)'
	@echo 'make remove KDIR=T restore the tree T'
	@echo 'make patch         write the same as patches for git am'
	@echo 'make lint          checkpatch, sparse, W=1, kernel-doc, shellcheck'
	@echo 'make bench         measure the costs, against the stock detector'
	@echo '                   (QUICK=1: one round; ROUNDS=N)'
	@echo 'make clean         remove the build folder'
	@echo
	@echo 'O=DIR     build folder (build)        JOBS=N     jobs (all CPUs)'
	@echo 'KDIR=T    build from a copy of the tree T'
	@echo 'TREE=7.3  build from this tree of Debian: 7.3, 6.12 or 6.1'
	@echo 'BASE=TAR  tarball of the base tree    LIMIT=SEC  time limit of a guest'
	@echo 'ACCEL=kvm instead of tcg              FLAVOR=debug for shell, guest'
	@echo "APPEND='…' kernel parameters, FILES='…' files for /root, for guest"

run:
	@scripts/setup.sh run
	@$(DEV) run

test:
	@scripts/setup.sh test
	@$(DEV) test $(TIERS)

$(TIERS:%=test-%):
	@scripts/setup.sh test
	@$(DEV) test $(@:test-%=%)

# A table in Python lists the packages that a kind needs.
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
