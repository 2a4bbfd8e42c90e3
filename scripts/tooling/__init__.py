# SPDX-License-Identifier: GPL-2.0-only
"""The project's tooling: the modules behind scripts/kmemleak-tree and
scripts/kmemleak-dev. Nothing here lands in a kernel tree."""
