# SPDX-License-Identifier: GPL-2.0-only
"""The project's tooling: the modules behind scripts/kmemleak-tree and
scripts/kmemleak-dev. Nothing of it goes into a kernel tree."""
