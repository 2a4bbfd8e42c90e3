#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Breaks the core on purpose, one line at a time, and runs the host tests on
each broken copy: a mutation that no test notices is a hole in the tests. Works
on a copy of the core; a mutation whose text is no longer there is an error, so
that the list keeps up with the code.

usage: mutate.py --core DIR --tests DIR --out DIR --ksrc DIR [SUBSTRING]
"""
import argparse
import os
import shutil
import subprocess
import sys

VARIANT = "gcc64"

# file, text that occurs once, what it becomes, what that means
MUTATIONS = [
    ("index.c", "if (last_of(start, size) < obj->start)",
     "if (last_of(start, size) <= obj->start)", "the last byte is outside"),
    ("index.c", "else if (start > last_of(obj->start, obj->size))",
     "else if (start >= last_of(obj->start, obj->size))", "the last byte of the other"),
    ("index.c", "if (before && start - before->start < before->size)",
     "if (before && start - before->start < before->size - 1)", "the last byte of the one before"),
    ("index.c", "if (behind && behind->start - start < obj->size)",
     "if (behind && behind->start - start < obj->size - 1)", "the first byte of the one behind"),
    ("index.c", "&& obj->size <= shard->gap_size", "", "anything fits into a gap"),
    ("index.c", "if (covered(idx, shard) && wide_overlap(idx, obj, clash))",
     "if (0 && wide_overlap(idx, obj, clash))", "narrow in wide goes unseen"),
    ("index.c", "if (obj || !covered(idx, shard))", "if (1)", "wide objects are not found"),
    ("index.c", "if (likely(obj) || !covered(idx, shard))", "if (1)",
     "nor is the start of one"),
    ("index.c", "uncover_regions(idx, first, region - 1);",
     "uncover_regions(idx, first, region);", "one cover too few after a clash"),
    ("copies.c", "area->end - area->start + span)", "area->end - area->start)",
     "copies of the first CPU alone"),
    ("copies.c", "for (;; cpu--) {", "for (;; cpu = 0) {", "one CPU of several"),
    ("copies.c", "group->offset[0] - area->start)", "group->offset[0] - area->end)",
     "the CPU before"),
    ("copies.c", "for (; left; left--,", "for (left = 1; left; left--,",
     "one area of several that overlap"),
    ("copies.c", "filling->gap = twice(filling->gap);", "c->nr_areas--;",
     "areas are forgotten where there is no room"),
    ("copies.c", "if (c->nr_groups == ARRAY_SIZE(c->group))\n\t\t\t\treturn false;",
     "if (c->nr_groups == ARRAY_SIZE(c->group))\n\t\t\t\treturn true;",
     "groups are forgotten where there is no room"),
    ("shards.c", "cursor->next = obj->start + 1;", "cursor->next = obj->start;",
     "a walk visits an object twice"),
    ("index.c", "if (kmemleak_colour(obj).min_count && !(obj->flags & KMEMLEAK_IGNORE) &&", "if (0 &&",
     "bounds stay empty"),
    ("pool.h", "if (unlikely(!cache || cache->nr_free >= 2 * KMEMLEAK_POOL_BATCH)) {",
     "if (unlikely(!cache)) {", "caches hoard entries"),
    ("pool.h", "WRITE_ONCE(cache->in_use, cache->in_use - 1);", "",
     "entries given back still count"),
    ("pool.h", "WRITE_ONCE(obj->flags, 0);", "", "a free entry keeps its flags"),
    ("pool.c", "if (pool->asked || ", "if (", "asked again and again"),
    ("pool.c", "pool->asked = false;\n\traw_spin_unlock_irqrestore(&pool->lock, irq);\n\twhile",
     "raw_spin_unlock_irqrestore(&pool->lock, irq);\n\twhile", "asked but once"),
    ("pool.c", "WRITE_ONCE(t->pool.top_up, BATCH);", ";", "each hook tries in vain"),
    ("pool.c", "nr_free += !page->closed;", "nr_free++;", "entries of a closed page count twice"),
    ("pool.c", "moving += ENTRIES_PER_PAGE - page->nr_free;", "moving++;",
     "more is to move than there is room for"),
    ("pool.c", "got = nr < TRIM_PAGES ? compact(t, pages, all) : 0;", "got = 0;",
     "nothing moves together"),
    ("pool.c", "list_del(&page->all);", "", "a page that went is still looked at"),
    ("index.c", "WRITE_ONCE(to->flags, to->flags | KMEMLEAK_LIVE);", "",
     "who has moved is not live"),
    ("index.c", "if (shard->last == obj)\n\t\tshard->last = to;", "",
     "the last one linked is where it was"),
    ("index.c", "if (shard->gap == obj)\n\t\tshard->gap = to;", "",
     "the gap is below where its parent was"),
    ("compact.c", "kmemleak_object_set_slack(to, kmemleak_object_slack(obj));", "",
     "who moves forgets what was asked for"),
    ("extra.c", "WRITE_ONCE(spare->flags, KMEMLEAK_EXTRA);", "", "extras stay where they are"),
    ("leaks.c", "kmemleak_index_find_start(t, space, leak->ref.start, at)",
     "kmemleak_index_relock(t, leak->ref, at)", "a record outlives its entry"),
    ("extra.c", "if (e->start + (e->size - 1) < from)", "if (e->start < from)",
     "the rest of an area is passed over"),
    ("names.c", "slot_first(names, slot) == first_of(word) &&", "", "half a name is enough"),
    ("names.c", "if (now != DEAD && now != age_after(age))", "if (now != DEAD)",
     "who is late takes a new age back"),
    ("names.c", "use_locked(names, id, age);", "", "names grow old while they are used"),
    ("names.c", "if (!id && !vacant) {", "if (0) {", "a full table is locked for nothing"),
    ("names.c", "if (age_of(names, slot) != DEAD) {", "if (1) {", "dead names are found"),
    ("names.c", "while (!ret && kmemleak_index_walk(", "while (0 && kmemleak_index_walk(",
     "names of objects go"),
    ("names.c", "return nr ? t->names[pid & (nr - 1)] : NULL;", "return nr ? t->names[0] : NULL;",
     "one table for all"),
    ("ranges.c", "\tif (i)\n\t\tremove_locked(o, i);\n\tfits", "\tfits",
     "a block that is lost twice has two notes"),
    ("ranges.c", "(note->link & (BIT(SPACE_BITS) - 1)) == space &&", "",
     "a part is of any space"),
    ("ranges.c", "WRITE_ONCE(o->missed, o->missed + 1);", "", "what was not noted is forgotten"),
    ("ranges.c", "if (last < block_last && !add_locked(", "if (0 && !add_locked(",
     "what is behind a hole goes with it"),
    ("ranges.c", "\tif (found)\n\t\tkmemleak_set_due(t);", "",
     "a mark ends though a note has just moved"),
    ("ranges.c", "smp_store_release(&o->added, o->added + 1);", "",
     "a note that came while a mark ran is not read"),
    ("ranges.c", "|| surely_not(o, space, start)", "", "an unknown free takes the lock"),
    ("core.c", "if (unlikely(flags & KMEMLEAK_OVERLAPPED))\n\t\tkmemleak_opaque_cut(t, space, start, size);\n\treturn",
     "return", "what overlapped a freed block stays opaque"),
    ("core.c", "if (old->flags & KMEMLEAK_OVERLAPPED)", "if (0)",
     "a block in place of an overlapped one is not"),
    ("sweep.c", "if (added != READ_ONCE(t->opaque.added))", "if (0)",
     "what is lost during a mark holds nothing"),
    ("mark.c", "addr + block->size, KMEMLEAK_READ_OPAQUE", "addr + block->size, KMEMLEAK_READ_ROOT",
     "opaque memory is read whose-ever it is"),
    ("verdict.c", "if (!ret && READ_ONCE(j->t->opaque.missed))", "if (0)",
     "what was not noted holds nothing"),
    ("core.c", "if (!size) {", "if (0) {", "size 0 is a size"),
    ("core.c", "kmemleak_opaque_cut(t, space, start, size);\n\twhile", "while",
     "a range that is free stays opaque"),
    ("core.c", "if (kmemleak_block_get(t, space, addr, copy))\n\t\treturn true;", "",
     "a block that begins before the range stays"),
    ("core.c", "min(last, block.start + (block.size - 1))", "block.start + (block.size - 1)",
     "what lies behind the range goes"),
    ("core.c", "unsigned long from = max(start, block.start);", "unsigned long from = start;",
     "what begins in the range stays"),
    ("core.c", "keep_as_root(t, space, clash.start);", "", "an overlapped block can be reported"),
    ("core.c", "colour.count = colour.min_count;", "", "newborn blocks are white"),
    ("mark.c", "KMEMLEAK_COUNT_MAX : new.min_count", "KMEMLEAK_COUNT_MAX + 1 : new.min_count",
     "counts come round"),
    ("mark.c", "if (flags & KMEMLEAK_IGNORE)\n\t\treturn true;", "", "ignored blocks are reached"),
    ("mark.c", "return colour.epoch == m->epoch && colour.scanned", "return colour.scanned",
     "what an older mark reached is reached"),
    ("mark.c", "&& !(flags & KMEMLEAK_ALIAS)", "", "surplus references are let go"),
    ("mark.c", "more = end - obj->start < obj->size;", "more = false;", "one piece a block"),
    ("mark.c", "preempt_disable();\n\tplain =", "plain =", "the look and the read are two steps"),
    ("mark.c", "m->words + nr, addr", "m->words, addr", "pieces of a page take each other's place"),
    ("mark.c", "\tmark_picked(m, nr);\n\tmark_step(m);\n\treturn", "\tmark_step(m);\n\treturn",
     "what was picked is not followed"),
    ("index.c", "&& !read_seqcount_retry(&d->shard->seq, d->seq)", "",
     "a glimpse at a tree in change counts"),
    ("index.h", "seen->sure = !(seq & 1) &&", "seen->sure =",
     "nor does a change under way matter"),
    ("mark.c", "kmemleak_colour(obj).count > kmemleak_colour(obj).min_count",
     "kmemleak_colour(obj).count >= kmemleak_colour(obj).min_count",
     "the first reference is surplus"),
    ("sweep.c", "kmemleak_paint(obj, epoch, 0);", "", "old marks shine through"),
    ("sweep.c", "err ? U8_MAX : t->epoch + 1", "t->epoch + 1",
     "half a walk over old marks is enough"),
    ("sweep.c", "while (!err && kmemleak_index_walk(", "while (kmemleak_index_walk(",
     "that walk cannot be ended"),
    ("sweep.c", "kmemleak_mark_pause(m);\n\t}\n\tkmemleak_work_finish(m);",
     "mark_step(m);\n\t}\n\tkmemleak_work_finish(m);", "sweeps that find nothing do not pause"),
    ("mark.c", "m->steps += nr / WORDS_PER_STEP;", "m->steps += 0;",
     "many references take no longer than none"),
    ("mark.c", "m->pieces++;", "", "work does not count"),
    ("sweep.c", "kmemleak_paint(obj, count, 0);", "return;", "references count twice"),
    ("sweep.c", "m->mark->again = true;", "", "a mark that goes on looks at nothing again"),
    ("verdict.c", "i % 2 ?", "0 ?", "each mark begins anew"),
    ("kmemleak.h", "kmemleak_untag(READ_ONCE(*src))", "READ_ONCE(*src)",
     "tagged pointers do not count"),
    ("kmemleak.h", "READ_ONCE(src[6]) | ", "", "a word alone among small ones is passed over"),
    ("sweep.c", "mark->left_all = false;\n\t\t\treturn;", "return;",
     "who finds no room is not looked at"),
    ("verdict.c", "suspect->live_count = colour.count;", ";",
     "references from what is live are forgotten"),
    ("verdict.c", "if (!j->leaks->nr_new)", "if (1)", "reported leaks are new again"),
    ("verdict.c", "bool all = j->suspects.nr <= limit;", "bool all = true;",
     "a set takes all leaks"),
    ("group.c", "if (kmemleak_mark_reached(m, &bytes) == reached)", "if (0)",
     "leaks are followed that lead nowhere"),
    ("group.c", "if (kmemleak_mark_reached(m, &bytes) == reached)", "if (1)",
     "what a leak leads to is a root as well"),
    ("mark.c", "if (obj == m->self)\n\t\treturn;", "", "a block hangs on itself"),
    ("mark.c", "if (err && !cmpxchg(&m->mark->err, 0, err) && ops->wake)", "if (0)",
     "nothing stops a scan"),
    ("verdict.c", "rule_on(opt, KMEMLEAK_RULE_TRANSIENT) &&", "", "a rule that is not asked"),
    ("verdict.c", "!(opt->first && (obj->flags & KMEMLEAK_PASSED))",
     "!(obj->flags & KMEMLEAK_PASSED)", "an annotation ends with the first mark"),
    ("verdict.c", "(u32)(t->ops->now() - obj->born)", "(u64)t->ops->now() - obj->born",
     "ages do not wrap"),
    ("verdict.c", "(u32)(t->ops->now() - obj->born) < opt->min_age",
     "(s32)(t->ops->now() - obj->born) < (s32)min_t(unsigned long, opt->min_age, S32_MAX)",
     "who is older than half of all jiffies is young"),
    ("verdict.c", "\t\treturn true;\n\tclear_locked(obj);", "\t\treturn true;",
     "references do not start the count anew"),
    ("verdict.c", "if (obj && !white)\n\t\t\tclear_locked(obj);", "",
     "nor do those that another mark finds"),
    ("verdict.c", "in_vain = drop_reached(j) ? 0 : in_vain + 1;",
     "in_vain = 3 * !drop_reached(j);", "one mark that clears nobody is enough"),
    ("verdict.c", "j->opt->confirm != KMEMLEAK_CONFIRM_OFF;", "true;",
     "suspects are confirmed though that is off"),
    ("verdict.c", "!(obj->flags & KMEMLEAK_CONFIRMED) && often_enough(", "often_enough(",
     "known leaks stop the machine again"),
    ("verdict.c", "&& often_enough(j, times_white(obj));", ";",
     "the machine is stopped for what cannot be reported yet"),
    ("verdict.c", "obj->flags &= ~KMEMLEAK_CONFIRMED;", "",
     "what was reached meanwhile is still confirmed"),
    ("verdict.c", "j->sure = in_vain == RESCANS_IN_VAIN;", "j->sure = true;",
     "suspects do not wait though marks still clear some"),
    ("verdict.c", "return obj->flags & KMEMLEAK_CONFIRMED;", "return j->sure;",
     "confirmed leaks wait with the others"),
    ("core.c", "kmemleak_object_set_slack(obj, 0);", "", "half a block has all of its slack"),
    ("core.c", "if (obj_last - last <= kmemleak_object_slack_most(obj))",
     "if (obj_last - last <= kmemleak_object_slack(obj))",
     "what nobody asked for is left of a block"),
    ("kmemleak.h", "(slack - KMEMLEAK_SLACK_EXACT) * KMEMLEAK_SLACK_UNIT",
     "slack - KMEMLEAK_SLACK_EXACT", "slack of large blocks is wrong"),
    ("verdict.c", "j->leaks->nr_new++;", "", "nothing is ever new"),
    ("verdict.c", "sum->cpu++;", "sum->cpu = 1000;", "one copy is looked at"),
    ("leaks.c", "return age_a > age_b;", "return age_a < age_b;", "youngest first"),
    ("leaks.c", "is_older(sort, list->next, first->next)", "!is_older(sort, first->next, list->next)",
     "the sort is not stable"),
    ("leaks.c", "i < level || ", "", "a long run is moved again and again"),
    ("leaks.c", "is_older(sort, list->prev, first->next)", "0",
     "what lies in front is moved one by one"),
    ("leaks.c", "is_older(sort, list->prev, first->next)",
     "is_older(sort, list->next, first->next)", "a list lies in front if its first does"),
    ("leaks.c", "sort->err = sort->t->ops->pause(sort->t);", "sort->t->ops->pause(sort->t);",
     "a sort cannot be ended"),
    ("leaks.c", "t->ops->pause(t);\n\t}\n\tkmemleak_leaks_init(leaks);",
     ";\n\t}\n\tkmemleak_leaks_init(leaks);", "all memory goes back at once"),
    ("verdict.c", "suspect->root ? &roots : &others;", "&others;",
     "roots of lost structures do not go first"),
    ("verdict.c", "others = limit - roots;", "others = limit;", "a set has no limit"),
    ("verdict.c", "j->leaks->nr_left_out++;", ";", "what is left out is not counted"),
    ("verdict.c", "ret = ret ?: write_all_down(j);", "if (!ret)\n\t\twrite_all_down(j);",
     "a set that was cut short is published"),
    ("verdict.c", "times >= wanted + (wanted > 1)", "times >= wanted",
     "the scan that finds it first counts"),
    ("verdict.c", "if (step(j, 1))\n\t\t\tbreak;\n\t\tobj = kmemleak_index_relock",
     "obj = kmemleak_index_relock", "suspects are judged without a pause"),
    ("group.c", "leak->live_count);\n\t\tmark_step(m);", "leak->live_count);",
     "leaks become white without a pause"),
    ("leaks.c", "if (obj && (obj->born != leak->born || obj->stamp != leak->stamp)) {",
     "if (0) {", "a younger block is taken for the leak"),
    ("leaks.c", "kmemleak_paint(obj, min_count, 0);", "", "settled leaks are reported again"),
    ("command.c", "if (value > syntax->max)", "if (0)", "any period"),
    ("command.c", "if (len == word_len || takes_number(&commands[i]))", "if (1)",
     "scanner is scan"),
]


def run_tests(args, core, log):
    """Builds and runs; returns None if all passed, else what noticed."""
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
    # Fresh times, or objects of a broken copy would do for this one.
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
                  f"{noticed or 'nobody noticed'}", flush=True)
            missed += not noticed
    print(f"{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
