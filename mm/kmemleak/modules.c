// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of functions whose module is gone. Traces are addresses, and names are looked
 * up when a report is read. By then another module can lie at these addresses. So
 * names are kept when a module goes: of its functions, those that occur in the trace
 * of a live block or of a published leak. An init section goes as soon as the module
 * is there; all of its functions are kept, as they are few.
 *
 * An address in a trace belongs to the first module that left it after the block was
 * allocated. If there is none, it belongs to what lies there now.
 *
 * In three cases the reader gets a wrong name, that of a later module at the address:
 * - A BPF program leaves no record when it goes. Its addresses get the names of the first
 *   module that comes to lie there.
 * - A module can still allocate after the notifier has recorded that it goes. The trace of
 *   such a block gets the names of the next module there.
 * - A block older than 2^32 jiffies looks younger. If its module went before the birth that
 *   it seems to have, the trace gets the names of the next module there.
 * Where no module came to lie there since, the reader gets the bare address.
 */
#include <linux/jiffies.h>
#include <linux/kallsyms.h>
#include <linux/kmemleak.h>
#include <linux/kmemleak_owners.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/stackdepot.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "glue.h"

/* A moment, to be compared with the birth of a block. */
struct moment {
	u64 jiffies;
	u32 clock;
};

/**
 * struct name - a function of a module that is gone, in struct gone::names
 * @start: first byte, from the start of the range
 * @size: bytes
 * @len: bytes of @text
 * @text: its name, with the NUL
 */
struct name {
	u32 start;
	u32 size;
	u16 len;
	char text[];
};

/**
 * struct gone - a range of addresses that was a module's
 * @list: in @gone, in order of going
 * @not_start: complement of the first byte's address, or else a lost block that is there
 *	now would look reachable
 * @size: bytes
 * @when: it went
 * @serial: number of it, from 2 on
 * @module: name of the module
 * @used: bytes of @names
 * @names: struct name, one behind the other
 *
 * Never changes.
 */
struct gone {
	struct list_head list;
	unsigned long not_start;
	unsigned long size;
	struct moment when;
	unsigned long serial;
	char module[MODULE_NAME_LEN];
	size_t used;
	u8 names[] __aligned(__alignof__(struct name));
};

static unsigned long offset_in(const struct gone *range, unsigned long addr)
{
	return addr - ~range->not_start;
}

/* A module that is there, and since when. */
struct loaded {
	struct list_head list;
	const struct module *module;
	struct moment when;
};

/* Guards the lists and numbers below. Taken alone, or inside kmemleak_scan_mutex. */
static DEFINE_MUTEX(modules_lock);
static LIST_HEAD(gone);
static LIST_HEAD(loaded);
static unsigned long last_serial = 1;
static size_t gone_bytes;
static unsigned int nr_gone;
/* Nothing is known of modules that went before that: there was no room for it. */
static struct moment lost_until;

#define MAX_GONE	512
#define MAX_BYTES	SZ_1M
/* For the names of one module. */
#define MAX_NAMES	SZ_64K

static struct moment moment_now(void)
{
	return (struct moment){ get_jiffies_64(), local_clock() };
}

/* Was a block born before that? */
static bool is_before(const struct kmemleak_birth *birth, const struct moment *moment)
{
	u64 now = get_jiffies_64(), born = now - (u32)((u32)now - birth->born);

	if (born != moment->jiffies)
		return born < moment->jiffies;
	return (s32)(birth->stamp - moment->clock) < 0;
}

/* --------------------------------------------------------------- names -- */

static const struct name *find_name(const u8 *names, size_t used, unsigned long offset)
{
	const struct name *name;
	size_t at;

	for (at = 0; at < used; at += ALIGN(sizeof(*name) + name->len, __alignof__(*name))) {
		name = (const struct name *)(names + at);
		if (offset - name->start < name->size)
			return name;
	}
	return NULL;
}

/* Adds the function at an address, if there is one. Return: where the next one begins. */
static unsigned long add_name(struct gone *range, unsigned long addr)
{
	unsigned long size = 0, offset = 0;
	char text[KSYM_NAME_LEN], *module;
	struct name *name;
	size_t len, need;

	/* What lies before the first function is shorter than that, or belongs to none. */
	if (!kallsyms_lookup(addr, &size, &offset, &module, text) || !size)
		return addr + 16;
	if (find_name(range->names, range->used, offset_in(range, addr)))
		return addr - offset + size;
	len = strlen(text) + 1;
	need = ALIGN(sizeof(*name) + len, __alignof__(*name));
	if (range->used + need <= MAX_NAMES) {
		name = (struct name *)(range->names + range->used);
		name->start = offset_in(range, addr - offset);
		name->size = size;
		name->len = len;
		memcpy(name->text, text, len);
		range->used += need;
	}
	return addr - offset + size;
}

static void add_trace(struct gone *range, u32 trace)
{
	unsigned long *entries;
	unsigned int i, nr = stack_depot_fetch(trace, &entries);

	for (i = 0; i < nr; i++)
		if (offset_in(range, entries[i]) < range->size)
			add_name(range, entries[i]);
}

/* A trace whose number is in @seen was looked at. */
static void add_trace_once(struct gone *range, struct xarray *seen, u32 trace)
{
	if (!trace || xa_load(seen, trace))
		return;
	add_trace(range, trace);
	/* Without memory it is looked at again. */
	xa_store(seen, trace, xa_mk_value(1), KMEMLEAK_GFP);
}

/* Objects visited under one lock. */
#define VISITS		32

struct traces {
	unsigned int nr;
	u32 trace[VISITS];
};

static void note_trace(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	struct traces *traces = arg;

	if (!traces->nr || traces->trace[traces->nr - 1] != obj->trace)
		traces->trace[traces->nr++] = obj->trace;
}

/* The tracker's metadata stay while it is on, see was_freed(). */
static bool next_traces(struct kmemleak_cursor *cursor, struct traces *traces)
{
	bool more = false;

	traces->nr = 0;
	rcu_read_lock();
	if (kmemleak_is_on())
		more = kmemleak_index_walk(&kmemleak_tracker, cursor, VISITS, note_trace, traces);
	rcu_read_unlock();
	return more;
}

/* Return: whether all were looked at; it gives up if the task is killed. */
static bool add_blocks(struct gone *range, struct xarray *seen)
{
	struct kmemleak_cursor cursor = { };
	struct traces traces;
	unsigned int i;
	bool more;

	do {
		more = next_traces(&cursor, &traces);
		for (i = 0; i < traces.nr; i++)
			add_trace_once(range, seen, traces.trace[i]);
		cond_resched_tasks_rcu_qs();
	} while (more && !fatal_signal_pending(current));
	return !more;
}

static void add_published(struct gone *range, struct xarray *seen)
{
	struct kmemleak_published *set = kmemleak_published_get();
	struct kmemleak_leak *leak;

	if (!set)
		return;
	list_for_each_entry(leak, &set->leaks.list, list) {
		add_trace_once(range, seen, leak->trace);
		cond_resched_tasks_rcu_qs();
	}
	kmemleak_published_put(set);
}

/* ------------------------------------------------------------- modules -- */

static void forget_locked(struct gone *old)
{
	lockdep_assert_held(&modules_lock);
	lost_until = old->when;
	gone_bytes -= sizeof(*old) + old->used;
	nr_gone--;
	list_del(&old->list);
	kfree(old);
}

/*
 * Keeps the record of a range that went now. Like all memory of the detector that is
 * scanned, it is zeroed to the end of its slot: a pointer that is left there from the
 * owner before would hide a lost block for as long as the record is kept.
 */
static void keep(const struct gone *range)
{
	size_t bytes = sizeof(*range) + range->used;
	struct gone *copy = kzalloc(bytes, KMEMLEAK_GFP);

	if (copy)
		memcpy(copy, range, bytes);
	mutex_lock(&modules_lock);
	while (!list_empty(&gone) && (nr_gone >= MAX_GONE || gone_bytes + bytes > MAX_BYTES))
		forget_locked(list_first_entry(&gone, struct gone, list));
	if (copy) {
		copy->when = moment_now();
		copy->serial = ++last_serial;
		list_add_tail(&copy->list, &gone);
		gone_bytes += bytes;
		nr_gone++;
	} else {
		lost_until = moment_now();
	}
	mutex_unlock(&modules_lock);
}

enum range_kind {
	RANGE_CORE,
	RANGE_INIT,
};

static void range_goes(const struct module *module, unsigned long start, unsigned long size,
		       enum range_kind kind)
{
	struct gone *range;
	struct xarray seen;
	unsigned long addr;
	bool all = true;

	if (!size)
		return;
	range = kvzalloc(sizeof(*range) + MAX_NAMES, KMEMLEAK_GFP);
	if (!range) {
		mutex_lock(&modules_lock);
		lost_until = moment_now();
		mutex_unlock(&modules_lock);
		return;
	}
	range->not_start = ~start;
	range->size = size;
	strscpy(range->module, module->name, sizeof(range->module));
	xa_init(&seen);
	if (kind == RANGE_INIT) {
		for (addr = start; addr < start + size; addr = add_name(range, addr))
			cond_resched_tasks_rcu_qs();
	} else {
		all = add_blocks(range, &seen);
		add_published(range, &seen);
	}
	xa_destroy(&seen);
	/* Without names it only says that another module's names do not belong there. */
	if (range->used || !all)
		keep(range);
	kvfree(range);
}

static void module_comes(const struct module *module)
{
	struct loaded *new = kzalloc(sizeof(*new), KMEMLEAK_GFP);

	if (!new)
		return;
	new->module = module;
	new->when = moment_now();
	mutex_lock(&modules_lock);
	list_add(&new->list, &loaded);
	mutex_unlock(&modules_lock);
}

static struct loaded *find_loaded_locked(const struct module *module)
{
	struct loaded *it;

	lockdep_assert_held(&modules_lock);
	list_for_each_entry(it, &loaded, list)
		if (it->module == module)
			return it;
	return NULL;
}

static void module_goes(const struct module *module)
{
	struct loaded *it;
	size_t size;
	const void *text = module_text(module, false, &size);

	mutex_lock(&modules_lock);
	it = find_loaded_locked(module);
	if (it)
		list_del(&it->list);
	mutex_unlock(&modules_lock);
	kfree(it);
	range_goes(module, (unsigned long)text, size, RANGE_CORE);
}

/* Once a module is live, its init section goes; if it fails to come, both go. */
static int module_changes(struct notifier_block *nb, unsigned long state, void *data)
{
	const struct module *module = data;
	size_t size;
	const void *text = module_text(module, true, &size);

	if (state == MODULE_STATE_COMING)
		module_comes(module);
	if (state == MODULE_STATE_GOING)
		module_goes(module);
	if (state == MODULE_STATE_GOING || state == MODULE_STATE_LIVE)
		range_goes(module, (unsigned long)text, size, RANGE_INIT);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = { .notifier_call = module_changes };

/**
 * kmemleak_modules_start() - from now on modules that go are remembered
 *
 * Context: process, once.
 */
void kmemleak_modules_start(void)
{
	register_module_notifier(&module_notifier);
}

/* ------------------------------------------------------------- asking -- */

static struct gone *find_gone_locked(const struct kmemleak_birth *birth, unsigned long addr)
{
	struct gone *it, *found = NULL;

	lockdep_assert_held(&modules_lock);
	list_for_each_entry_reverse(it, &gone, list) {
		if (!is_before(birth, &it->when))
			break;
		if (offset_in(it, addr) < it->size)
			found = it;
	}
	return found;
}

/* The record of what lay there when the block was born may have been forgotten. */
static bool is_lost_locked(const struct kmemleak_birth *birth, unsigned long addr)
{
	const struct module *module;
	struct loaded *it;

	lockdep_assert_held(&modules_lock);
	if (!is_before(birth, &lost_until))
		return false;
	preempt_disable();
	module = __module_address(addr);
	preempt_enable();
	it = module ? find_loaded_locked(module) : NULL;
	return it && is_before(birth, &it->when);
}

/**
 * kmemleak_modules_era() - between which changes of modules a block was born
 * @birth: when
 *
 * Return: a number that is the same for blocks whose traces have the same names; 0 if
 * that cannot be said.
 */
unsigned long kmemleak_modules_era(const struct kmemleak_birth *birth)
{
	unsigned long era = 1;
	struct gone *it;

	mutex_lock(&modules_lock);
	list_for_each_entry_reverse(it, &gone, list) {
		if (!is_before(birth, &it->when))
			break;
		era = it->serial;
	}
	if (is_before(birth, &lost_until))
		era = 0;
	mutex_unlock(&modules_lock);
	return era;
}

/**
 * kmemleak_modules_name() - what lay at an address when a block was born
 * @birth: when
 * @addr: in the block's trace, in no function of the kernel itself
 * @text: filled in as "%pS" is, if it is not what lies there now
 * @size: bytes of @text
 *
 * Of a function whose name was not kept, the address is given, and the module as far
 * as that is known.
 *
 * Context: process, may sleep.
 * Return: whether @text was filled in.
 */
bool kmemleak_modules_name(const struct kmemleak_birth *birth, unsigned long addr, char *text,
			   size_t size)
{
	const struct name *name;
	struct gone *it;
	bool lost = false;

	mutex_lock(&modules_lock);
	it = find_gone_locked(birth, addr);
	if (it) {
		name = find_name(it->names, it->used, offset_in(it, addr));
		if (name)
			scnprintf(text, size, "%s+%#lx/%#x [%s]", name->text,
				  offset_in(it, addr) - name->start, name->size, it->module);
		else
			scnprintf(text, size, "%#lx [%s]", addr, it->module);
	} else if (is_lost_locked(birth, addr)) {
		lost = true;
		scnprintf(text, size, "%#lx", addr);
	}
	mutex_unlock(&modules_lock);
	return it || lost;
}
