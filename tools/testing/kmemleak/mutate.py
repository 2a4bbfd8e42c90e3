#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Breaks the core on purpose, one line at a time, and runs the host tests on
each broken copy. A mutation that no test notices is a hole in the tests. The
core itself does not change. A mutation whose text is no longer in the core is an
error, so that the list keeps up with the code.

usage: mutate.py --core DIR --tests DIR --out DIR --ksrc DIR [SUBSTRING]
"""
import argparse
import os
import shutil
import subprocess
import sys

VARIANT = "gcc64"

# file, text (each place where it occurs is replaced), its replacement, what the broken code
# does
MUTATIONS = [
    ("index.c", "if (last_of(start, size) < obj->start)",
     "if (last_of(start, size) <= obj->start)", "the first byte of an object counts as outside"),
    ("index.c", "else if (start > last_of(obj->start, obj->size))",
     "else if (start >= last_of(obj->start, obj->size))",
     "the last byte of an object counts as outside"),
    ("index.c", "if (before && start - before->start < before->size)",
     "if (before && start - before->start < before->size - 1)",
     "a new block may begin at the last byte of the object before it"),
    ("index.c", "if (behind && behind->start - start < obj->size)",
     "if (behind && behind->start - start < obj->size - 1)",
     "a new block may end at the first byte of the object behind it"),
    ("index.c", "if (kmemleak_index_is_covered(idx, shard) && find_wide_overlap(idx, obj, clash))",
     "if (0 && find_wide_overlap(idx, obj, clash))",
     "a narrow block inside a wide one is accepted"),
    ("index.c", "if (obj || !kmemleak_index_is_covered(idx, shard))", "if (1)",
     "look-ups do not find wide objects"),
    ("index.c", "if (likely(obj) || !kmemleak_index_is_covered(idx, shard))", "if (1)",
     "look-ups by start do not find wide objects"),
    ("index.c", "uncover_regions(idx, first, region - 1);",
     "uncover_regions(idx, first, region);", "after a clash, one region too many is uncovered"),
    ("percpu.c", "area->end - area->start + span)", "area->end - area->start)",
     "only copies of a group's first CPU are found"),
    ("percpu.c", "for (;; cpu--) {", "for (;; cpu = 0) {",
     "CPUs between the last and the first candidate are skipped"),
    ("percpu.c", "group->offset[0] - area->start)", "group->offset[0] - area->end)",
     "the search for a CPU ends at a CPU before the right one"),
    ("percpu.c", "for (; left; left--,", "for (left = 1; left; left--,",
     "only one of several overlapping areas is visited"),
    ("percpu.c", "filling->gap = double_gap(filling->gap);", "c->nr_areas--;",
     "an area is forgotten if there is no room"),
    ("percpu.c", "if (c->nr_groups == ARRAY_SIZE(c->group))\n\t\t\t\treturn false;",
     "if (c->nr_groups == ARRAY_SIZE(c->group))\n\t\t\t\treturn true;",
     "groups are forgotten if there is no room"),
    ("index_walk.c", "cursor->next = obj->start + 1;", "cursor->next = obj->start;",
     "a walk visits an object twice"),
    ("index.c", "if (kmemleak_colour(obj).min_count && !(obj->flags & KMEMLEAK_IGNORE) &&", "if (0 &&",
     "the bounds stay empty"),
    ("pool_fast.h", "if (unlikely(!cache || cache->nr_free >= 2 * KMEMLEAK_POOL_BATCH)) {",
     "if (unlikely(!cache)) {", "the list of a CPU grows without limit"),
    ("pool_fast.h", "WRITE_ONCE(cache->in_use, cache->in_use - 1);", "",
     "freed entries still count as in use"),
    ("pool_fast.h", "WRITE_ONCE(obj->flags, 0);", "", "a free entry keeps its flags"),
    ("pool.c", "if (pool->asked || ", "if (", "the pool asks for maintenance again and again"),
    ("pool.c", "pool->asked = false;\n\traw_spin_unlock_irqrestore(&pool->lock, irq);\n\twhile",
     "raw_spin_unlock_irqrestore(&pool->lock, irq);\n\twhile",
     "the pool asks for maintenance only once"),
    ("pool.c", "WRITE_ONCE(t->pool.top_up, BATCH);", ";",
     "after a failure, each hook tries again to add a page"),
    ("pool.c", "nr_free += !page->closed;", "nr_free++;",
     "free entries of a closed page count twice"),
    ("pool.c", "moving += ENTRIES_PER_PAGE - page->nr_free;", "moving++;",
     "more entries must move than the other pages have room for"),
    ("pool.c", "got = nr < TRIM_PAGES ? compact_pages(t, pages, all, move) : 0;", "got = 0;",
     "sparse pages are never emptied"),
    ("pool.c", "list_del(&page->all);", "", "a released page stays in the list of pages"),
    ("index.c", "WRITE_ONCE(to->flags, to->flags | KMEMLEAK_LIVE);", "",
     "a moved object is not live"),
    ("index.c", "if (shard->last == obj)\n\t\tshard->last = to;", "",
     "the object linked last is looked for in its old entry"),
    ("entry_move.c", "kmemleak_object_set_unrequested(to, kmemleak_object_unrequested(obj));", "",
     "a moved object loses its unrequested bytes"),
    ("attr.c", "WRITE_ONCE(spare->flags, KMEMLEAK_ATTR);", "",
     "attributes are not recognized, so they do not move"),
    ("leak_set.c", "kmemleak_index_find_start(t, space, leak->ref.start, at)",
     "kmemleak_index_relock(t, leak->ref, at)",
     "a leak is looked up in its entry, which may be released"),
    ("attr.c", "if (e->start + (e->size - 1) < from)", "if (e->start < from)",
     "an area that begins before the search address is skipped"),
    ("comm.c", "read_first_word(table, slot) == first_word(word) &&", "",
     "names are equal if their second halves are"),
    ("comm.c", "if (now != DEAD && now != next_age(age))", "if (now != DEAD)",
     "a hook that sees the previous age overwrites the new age"),
    ("comm.c", "mark_used_locked(table, id, age);", "",
     "a call does not renew the age of its name"),
    ("comm.c", "if (!id && !vacant) {", "if (0) {",
     "the lock is taken although the table is full"),
    ("comm.c", "if (age_of(table, slot) != DEAD) {", "if (1) {",
     "names in dead slots are found, and vacant slots are not"),
    ("comm.c", "while (!ret && kmemleak_index_walk(", "while (0 && kmemleak_index_walk(",
     "names that objects have are removed"),
    ("comm.c", "return nr ? t->comm_tables[pid & (nr - 1)] : NULL;", "return nr ? t->comm_tables[0] : NULL;",
     "all pids use the same table"),
    ("opaque.c", "\tif (i)\n\t\tremove_entry_locked(o, i);\n\tfits", "\tfits",
     "a block that becomes opaque twice has two entries"),
    ("opaque.c", "(entry->link & (BIT(SPACE_BITS) - 1)) == space &&", "",
     "a cut also hits opaque blocks of other spaces"),
    ("opaque.c", "WRITE_ONCE(o->missed, o->missed + 1);", "",
     "a block that does not fit into the opaque table is not counted"),
    ("opaque.c", "if (last < block_last && !add_entry_locked(", "if (0 && !add_entry_locked(",
     "memory behind a hole is no longer opaque"),
    ("opaque.c", "\tif (found)\n\t\tkmemleak_request_pass(t);", "",
     "a mark can end although a cut has just made a new entry"),
    ("opaque.c", "smp_store_release(&o->added, o->added + 1);", "",
     "a mark does not read entries that are added while it runs"),
    ("opaque.c", "|| surely_absent(o, space, start)", "",
     "the free of an unknown block takes the lock"),
    ("block.c", "if (unlikely(flags & KMEMLEAK_OVERLAPPED))\n\t\tkmemleak_opaque_cut(t, space, start, size);\n\treturn",
     "return", "freed memory stays opaque if an opaque block overlapped it"),
    ("block.c", "if (old->flags & KMEMLEAK_OVERLAPPED)", "if (0)",
     "the block that replaces an overlapped one does not count as overlapped"),
    ("mark_pass.c", "if (mark->phase != KMEMLEAK_MARK_DONE)", "if (0)",
     "objects are judged before the mark has run"),
    ("mark_pass.c", "if (added != READ_ONCE(t->opaque.added))", "if (0)",
     "a block that becomes opaque during a mark is not scanned"),
    ("mark_pass.c", "if (!(m->opt->roots & BIT(KMEMLEAK_ROOT_OPAQUE)))", "if (0)",
     "opaque blocks are roots although that root is off"),
    ("mark.c", "addr + block->size, KMEMLEAK_READ_OPAQUE", "addr + block->size, KMEMLEAK_READ_ROOT",
     "opaque memory is read even if the kernel does not own it"),
    ("judge.c", "if (!ret && READ_ONCE(j->t->opaque.missed))", "if (0)",
     "leaks are reported although the opaque table missed blocks"),
    ("block.c", "if (!size) {", "if (0) {", "size 0 is accepted"),
    ("block.c", "kmemleak_opaque_cut(t, space, start, size);\n\twhile", "while",
     "a freed range stays opaque"),
    ("block.c", "if (kmemleak_block_get(t, space, addr, copy))\n\t\treturn true;", "",
     "a block that begins before the freed range stays tracked"),
    ("block.c", "min(last, block.start + (block.size - 1))", "block.start + (block.size - 1)",
     "memory behind the freed range is removed, too"),
    ("block.c", "unsigned long from = max(start, block.start);", "unsigned long from = start;",
     "a block that begins inside the freed range stays tracked"),
    ("block.c", "make_root(t, space, clash.start);", "", "an overlapped block can be reported"),
    ("block.c", "colour.count = colour.min_count;", "", "newborn blocks are white"),
    ("mark.c", "KMEMLEAK_COUNT_MAX : new.min_count", "KMEMLEAK_COUNT_MAX + 1 : new.min_count",
     "the count of references overflows"),
    ("mark.c", "if (flags & KMEMLEAK_IGNORE)\n\t\treturn true;", "",
     "references reach ignored blocks"),
    ("mark.c", "return colour.epoch == m->epoch && colour.scanned", "return colour.scanned",
     "an object that an earlier mark scanned counts as scanned"),
    ("mark.c", "&& !(flags & KMEMLEAK_ALIAS)", "",
     "surplus references to a scanned object do not count for its alias"),
    ("mark.c", "more = end - obj->start < obj->size;", "more = false;",
     "only the first piece of a block is scanned"),
    ("mark.c", "preempt_disable();\n\tplain =", "plain =",
     "the marker can be preempted between the check and the read"),
    ("mark.c", "m->words + nr, addr", "m->words, addr",
     "the second part of a page overwrites words of the first"),
    ("mark.c", "\tmark_filtered_words(m, nr);\n\tmark_step(m);\n\treturn", "\tmark_step(m);\n\treturn",
     "filtered words are not followed"),
    ("index_lockless.c", "&& !read_seqcount_retry(&d->shard->seq, d->seq)", "",
     "a look-up counts as stable although the tree changed meanwhile"),
    ("index_lockless.h", "seen->stable = !(seq & 1) &&", "seen->stable =",
     "an entry's check counts as stable while the tree is being changed"),
    ("mark.c", "kmemleak_colour(obj).count > kmemleak_colour(obj).min_count",
     "kmemleak_colour(obj).count >= kmemleak_colour(obj).min_count",
     "the last reference that is needed counts as surplus"),
    ("mark_pass.c", "kmemleak_colour_set(obj, epoch, 0);", "",
     "objects keep their epoch when epochs wrap"),
    ("mark_pass.c", "err ? U8_MAX : t->epoch + 1", "t->epoch + 1",
     "a walk that resets epochs counts as complete although it ended early"),
    ("mark_pass.c", "while (!err && kmemleak_index_walk(", "while (kmemleak_index_walk(",
     "the walk that resets epochs cannot end early"),
    ("mark_pass.c", "kmemleak_mark_pause(m);\n\t}\n\tkmemleak_worklist_finish(m);",
     "mark_step(m);\n\t}\n\tkmemleak_worklist_finish(m);",
     "passes that find nothing do not pause"),
    ("mark.c", "m->steps += nr / WORDS_PER_STEP;", "m->steps += 0;",
     "words that are references do not count as work"),
    ("mark.c", "m->pieces++;", "", "pieces of work are not counted"),
    ("mark_pass.c", "kmemleak_colour_set(obj, count, 0);", "return;",
     "a continued mark counts references twice"),
    ("mark_pass.c", "m->mark->scan_again = true;", "", "a continued mark scans no object again"),
    ("judge.c", "i % 2 ?", "0 ?", "no mark continues the one before"),
    ("word_filter.h", "kmemleak_untag(READ_ONCE(*src))", "READ_ONCE(*src)",
     "pointers with a tag are no references"),
    ("word_filter.h", "READ_ONCE(src[6]) | ", "", "one pointer among small numbers is skipped"),
    ("mark_pass.c", "mark->to_judge_complete = false;\n\t\t\treturn;", "return;",
     "objects that did not fit into the list are not judged"),
    ("judge.c", "suspect->live_count = colour.count;", ";",
     "references from live memory are forgotten"),
    ("judge.c", "if (!j->leaks->nr_new)", "if (1)", "leaks that were reported count as new again"),
    ("judge.c", "bool all = j->suspects.nr <= limit;", "bool all = true;",
     "the limit of a leak set is ignored"),
    ("leak_group.c", "if (kmemleak_mark_reached(m, &bytes) == reached)", "if (0)",
     "leaks are followed even if none leads to another"),
    ("leak_group.c", "if (kmemleak_mark_reached(m, &bytes) == reached)", "if (1)",
     "all leaks are roots, even those that others lead to"),
    ("mark.c", "if (obj == m->self)\n\t\treturn;", "",
     "a reference from a block to itself counts"),
    ("mark.c", "if (err && !cmpxchg(&m->mark->err, 0, err) && ops->wake)", "if (0)",
     "nothing can end a mark early"),
    ("rules.c", "!rule_is_on(opt, KMEMLEAK_RULE_TRANSIENT) || ", "",
     "TRANSIENT cannot be turned off"),
    ("rules.c", "!(mark_flags & KMEMLEAK_MARK_FIRST) || !(obj->flags & KMEMLEAK_TRANSIENT_USED)",
     "!(obj->flags & KMEMLEAK_TRANSIENT_USED)", "a transient annotation ends with the first mark"),
    ("rules.c", "(u32)(t->ops->now() - obj->born)", "(u64)t->ops->now() - obj->born",
     "ages do not wrap with jiffies"),
    ("rules.c", "(u32)(t->ops->now() - obj->born) < opt->min_age",
     "(s32)(t->ops->now() - obj->born) < (s32)min_t(unsigned long, opt->min_age, S32_MAX)",
     "a block older than half the range of jiffies is young"),
    ("judge.c", "\t\treturn true;\n\tclear_suspicion_locked(obj);", "\t\treturn true;",
     "an object that was reached keeps its count of scans"),
    ("judge.c", "if (obj && !white)\n\t\t\tclear_suspicion_locked(obj);", "",
     "an object that a later mark reached keeps its count of scans"),
    ("judge.c", "in_vain = drop_reached_suspects(j) ? 0 : in_vain + 1;",
     "in_vain = 5 * !drop_reached_suspects(j);",
     "marks that clear no suspect never add up, so no rescan confirms"),
    ("rules.c", "opt->confirm != KMEMLEAK_CONFIRM_OFF;", "true;",
     "suspects are confirmed although confirmation is off"),
    ("judge.c", "!(obj->flags & KMEMLEAK_CONFIRMED) &&\n", "\n",
     "known leaks cause another stop"),
    ("judge.c", "(obj->flags & KMEMLEAK_CONFIRMED) &&\n\t\tkmemleak_rules_white_often_enough(j->opt, scans_white(obj));",
     "(obj->flags & KMEMLEAK_CONFIRMED);",
     "a suspect that cannot be reported yet causes a stop"),
    ("judge.c", "obj->flags &= ~KMEMLEAK_CONFIRMED;", "",
     "an object that was reached stays confirmed"),
    ("judge.c", "j->confirmed = in_vain == RESCANS_IN_VAIN;", "j->confirmed = true;",
     "suspects do not wait although the last marks still cleared some"),
    ("judge.c", "return obj->flags & KMEMLEAK_CONFIRMED;", "return j->confirmed;",
     "confirmed leaks wait together with the other suspects"),
    ("block.c", "kmemleak_object_set_unrequested(obj, 0);", "",
     "a block that was cut keeps its unrequested bytes"),
    ("block.c", "if (obj_last - last <= kmemleak_object_max_unrequested(obj))",
     "if (obj_last - last <= kmemleak_object_unrequested(obj))",
     "a rest of unrequested bytes stays tracked"),
    ("object.h", "(bytes - KMEMLEAK_UNREQUESTED_EXACT) * KMEMLEAK_UNREQUESTED_UNIT",
     "bytes - KMEMLEAK_UNREQUESTED_EXACT",
     "large numbers of unrequested bytes are not multiplied by the unit"),
    ("judge.c", "j->leaks->nr_new++;", "", "no leak counts as new"),
    ("judge.c", "sum->cpu++;", "sum->cpu = 1000;",
     "the checksum covers only the first CPU's copy"),
    ("leak_set.c", "return age_a > age_b;", "return age_a < age_b;",
     "the youngest leaks come first"),
    ("leak_set.c", "is_older(sort, list->next, first->next)", "!is_older(sort, first->next, list->next)",
     "equal suspects do not keep their order"),
    ("leak_set.c", "i < level || ", "", "a long run is moved again and again"),
    ("leak_set.c", "is_older(sort, list->prev, first->next)", "0",
     "a list that belongs in front is moved one by one"),
    ("leak_set.c", "is_older(sort, list->prev, first->next)",
     "is_older(sort, list->next, first->next)",
     "a list belongs in front if only its first suspect does"),
    ("leak_set.c", "sort->err = sort->t->ops->pause(sort->t);", "sort->t->ops->pause(sort->t);",
     "a sort cannot end early"),
    ("leak_set.c", "t->ops->pause(t);\n\t}\n\tkmemleak_leak_set_init(leaks);",
     ";\n\t}\n\tkmemleak_leak_set_init(leaks);", "a set is freed without a pause"),
    ("judge.c", "suspect->root ? &roots : &others;", "&others;",
     "roots of lost structures do not come first"),
    ("judge.c", "others = limit - roots;", "others = limit;",
     "roots do not count against the limit of a leak set"),
    ("judge.c", "j->leaks->nr_left_out++;", ";", "leaks that are left out are not counted"),
    ("judge.c", "ret = ret ?: record_leaks(j);", "if (!ret)\n\t\trecord_leaks(j);",
     "an incomplete set is published"),
    ("rules.c", "scans >= wanted + (wanted > 1)", "scans >= wanted",
     "the scan that finds an object first counts, too"),
    ("judge.c", "if (count_steps(j, 1))\n\t\t\tbreak;\n\t\tobj = kmemleak_index_relock",
     "obj = kmemleak_index_relock", "suspects are judged without a pause"),
    ("leak_group.c", "leak->live_count);\n\t\tif (kmemleak_mark_poll(m))", "leak->live_count);\n\t\tif (0)",
     "leaks are made white without a pause"),
    ("leak_set.c", "if (obj && (obj->born != leak->born || obj->stamp != leak->stamp)) {",
     "if (0) {", "a younger block at the same address is taken for the leak"),
    ("leak_set.c", "kmemleak_colour_set(obj, min_count, 0);", "",
     "acknowledged leaks are reported again"),
    ("command.c", "if (value > syntax->max)", "if (0)", "any scan period is accepted"),
    ("command.c", "if (len == word_len || takes_number(&commands[i]))", "if (1)",
     "a longer word counts as the command that it begins with"),
]


def run_tests(args, core, log):
    """Builds and runs the tests. Returns None if all passed, else what failed."""
    binary = os.path.join(args.out, VARIANT, "kmemleak-host")
    make = ["make", "-s", "-C", args.tests, f"O={args.out}", f"CORE={core}",
            f"KSRC={args.ksrc}", "WERROR=", binary]
    done = subprocess.run(make, stdout=log, stderr=log, check=False)
    if done.returncode:
        return "the compiler"
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    with subprocess.Popen([binary, "--seed=1"], stdout=subprocess.PIPE, stderr=log,
                          env=env, text=True) as proc:
        for line in proc.stdout:
            if line.startswith("not ok"):
                proc.terminate()
                return line.split()[3]
        if proc.wait():
            return "the exit status"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("core", "tests", "out", "ksrc"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("only", nargs="?", default="")
    args = parser.parse_args()
    core = os.path.join(args.out, "core")
    os.makedirs(args.out, exist_ok=True)
    shutil.rmtree(core, ignore_errors=True)
    # With new times: else make would keep the object files of a broken copy.
    shutil.copytree(args.core, core, copy_function=shutil.copyfile)

    missed = 0
    with open(os.path.join(args.out, "log"), "w", encoding="utf-8") as log:
        noticed = run_tests(args, core, log)
        if noticed:
            print(f"not ok - unchanged: {noticed}")
            return 1
        for name, old, new, meaning in MUTATIONS:
            if args.only not in name + " " + meaning:
                continue
            path = os.path.join(core, name)
            with open(path, encoding="utf-8") as src:
                text = src.read()
            if text.count(old) < 1:
                print(f"not ok - {name}: {meaning}: no such text: {old}")
                missed += 1
                continue
            with open(path, "w", encoding="utf-8") as dst:
                dst.write(text.replace(old, new))
            noticed = run_tests(args, core, log)
            with open(path, "w", encoding="utf-8") as dst:
                dst.write(text)
            print(f"{'ok' if noticed else 'not ok'} - {name}: {meaning}: "
                  f"{noticed or 'no test noticed'}", flush=True)
            missed += not noticed
    print(f"{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
