// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of functions of unloaded modules. Traces are addresses, and the names are looked up
 * when a report is read. By then another module may have been loaded at these addresses. So
 * names are kept when a module is unloaded: those of its functions that occur in the trace
 * of a live block or of a published leak. An init section is freed as soon as the module is
 * live. The names of all its functions are kept, as they are few.
 *
 * An address in a trace belongs to the first module that was unloaded from it after the
 * block was allocated. If there is none, the address belongs to the code that is there now.
 *
 * In three cases the reader gets the name of a later module at the address, which is wrong:
 * - A BPF program leaves no record when it is unloaded. Its addresses get the names of the
 *   first module that is loaded there later.
 * - A module can still allocate after the notifier has recorded its functions. The trace of
 *   this block gets the names of the next module there.
 * - A block older than 2^32 jiffies looks younger. If its module was unloaded before the
 *   block's apparent birth, the trace gets the names of the next module there.
 * If no module was loaded there since, the reader gets the bare address.
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
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/stackdepot.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "arch/arch.h"
#include "core/index.h"
#include "module_names.h"
#include "publish.h"
#include "state.h"

/* A point in time that can be compared with the birth of a block. */
struct moment {
	u64 time;
	u32 clock;
};

/**
 * struct function_name - a function of an unloaded module, in struct unloaded::names
 * @start: first byte, from the start of the range
 * @size: bytes of the function
 * @len: bytes of @text
 * @text: name of the function, with the NUL
 */
struct function_name {
	u32 start;
	u32 size;
	u16 len;
	char text[];
};

/**
 * struct unloaded - a range of addresses that belonged to an unloaded module
 * @list: in the list of unloaded ranges, in order of unloading
 * @not_start: complement of the first byte's address. The address itself would be a
 *	reference to a block that is there now, and would hide its loss.
 * @size: bytes
 * @when: when the range was unloaded
 * @serial: serial number of the range, from 2 on; see kmemleak_module_names_generation()
 * @module: name of the module
 * @used: bytes of @names
 * @names: struct function_name, one after the other
 *
 * Does not change once it is in the list.
 */
struct unloaded {
	struct list_head list;
	unsigned long not_start;
	unsigned long size;
	struct moment when;
	unsigned long serial;
	char module[MODULE_NAME_LEN];
	size_t used;
	u8 names[] __aligned(__alignof__(struct function_name));
};

static unsigned long range_offset(const struct unloaded *range, unsigned long addr)
{
	return addr - ~range->not_start;
}

/* A loaded module, and when it was loaded. */
struct loaded {
	struct list_head list;
	const struct module *module;
	struct moment when;
};

/* Guards the variables below down to lost_until. Taken alone or inside kmemleak_scan_mutex. */
static DEFINE_MUTEX(modules_lock);
static LIST_HEAD(unloaded);
static LIST_HEAD(loaded);
static unsigned long last_serial = 1;
static size_t unloaded_bytes;
static unsigned int nr_unloaded;
/* Records of modules that were unloaded up to this time may be missing: there was no room. */
static struct moment lost_until;

#define MAX_UNLOADED	512
#define MAX_BYTES	SZ_1M
/* Bytes for the names of one module. */
#define MAX_NAMES	SZ_64K

static struct moment moment_now(void)
{
	return (struct moment){ get_jiffies_64(), kmemleak_arch_clock() };
}

static bool is_before(const struct moment *a, const struct moment *b)
{
	return a->time != b->time ? a->time < b->time : (s32)(a->clock - b->clock) < 0;
}

/* Was a block born before this time? */
static bool born_before(const struct kmemleak_birth *birth, const struct moment *moment)
{
	u64 now = get_jiffies_64(), born = now - (u32)((u32)now - birth->born);

	return is_before(&(struct moment){ born, birth->stamp }, moment);
}

/* --------------------------------------------------------------- names -- */

static const struct function_name *find_function(const u8 *names, size_t used, unsigned long offset)
{
	const struct function_name *name;
	size_t at;

	for (at = 0; at < used; at += ALIGN(sizeof(*name) + name->len, __alignof__(*name))) {
		name = (const struct function_name *)(names + at);
		if (offset - name->start < name->size)
			return name;
	}
	return NULL;
}

/* Adds the function at an address, if there is one. Return: where the next function begins. */
static unsigned long add_function(struct unloaded *range, unsigned long addr)
{
	unsigned long size = 0, offset = 0;
	char text[KSYM_NAME_LEN], *module;
	struct function_name *name;
	size_t len, need;

	/* The bytes before the first function are fewer than 16, or belong to no function. */
	if (!kallsyms_lookup(addr, &size, &offset, &module, text) || !size)
		return addr + 16;
	if (find_function(range->names, range->used, range_offset(range, addr)))
		return addr - offset + size;
	len = strlen(text) + 1;
	need = ALIGN(sizeof(*name) + len, __alignof__(*name));
	if (range->used + need <= MAX_NAMES) {
		name = (struct function_name *)(range->names + range->used);
		name->start = range_offset(range, addr - offset);
		name->size = size;
		name->len = len;
		memcpy(name->text, text, len);
		range->used += need;
	}
	return addr - offset + size;
}

static void add_trace(struct unloaded *range, u32 trace)
{
	unsigned long *entries;
	unsigned int i, nr = stack_depot_fetch(trace, &entries);

	for (i = 0; i < nr; i++)
		if (range_offset(range, entries[i]) < range->size)
			add_function(range, entries[i]);
}

/* Adds the functions of a trace unless its handle is in @seen. */
static void add_trace_once(struct unloaded *range, struct xarray *seen, u32 trace)
{
	if (!trace || xa_load(seen, trace))
		return;
	add_trace(range, trace);
	/* If there is no memory for the entry, the trace is only looked at again. */
	xa_store(seen, trace, xa_mk_value(1), KMEMLEAK_GFP);
}

/* Objects visited under one lock. */
#define VISITS		32

struct traces {
	unsigned int nr;
	u32 trace[VISITS];
};

static void collect_trace(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	struct traces *traces = arg;

	if (!traces->nr || traces->trace[traces->nr - 1] != obj->trace)
		traces->trace[traces->nr++] = obj->trace;
}

/* While tracking is on, RCU keeps the metadata, see was_freed(). */
static bool collect_traces(struct kmemleak_cursor *cursor, struct traces *traces)
{
	bool more = false;

	traces->nr = 0;
	rcu_read_lock();
	if (kmemleak_is_on())
		more = kmemleak_index_walk(&kmemleak_tracker, cursor, VISITS, collect_trace,
					   traces);
	rcu_read_unlock();
	return more;
}

/* Return: true if all traces were looked at; false if the task was killed. */
static bool add_live_traces(struct unloaded *range, struct xarray *seen)
{
	struct kmemleak_cursor cursor = { };
	struct traces traces;
	unsigned int i;
	bool more;

	do {
		more = collect_traces(&cursor, &traces);
		for (i = 0; i < traces.nr; i++)
			add_trace_once(range, seen, traces.trace[i]);
		cond_resched_tasks_rcu_qs();
	} while (more && !fatal_signal_pending(current));
	return !more;
}

static void add_published_traces(struct unloaded *range, struct xarray *seen)
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

static void drop_unloaded_locked(struct unloaded *old)
{
	lockdep_assert_held(&modules_lock);
	/* There may have been no memory for a later record. */
	if (is_before(&lost_until, &old->when))
		lost_until = old->when;
	unloaded_bytes -= sizeof(*old) + old->used;
	nr_unloaded--;
	list_del(&old->list);
	kfree(old);
}

/*
 * Keeps the record of a range that is unloaded now. Scans read the record, so it is zeroed
 * to the end of its slot. A pointer from the slot's previous owner would hide a lost block
 * for as long as the record is kept.
 */
static void keep_unloaded(const struct unloaded *range)
{
	size_t bytes = sizeof(*range) + range->used;
	struct unloaded *copy = kzalloc(bytes, KMEMLEAK_GFP);

	if (copy)
		memcpy(copy, range, bytes);
	mutex_lock(&modules_lock);
	while (!list_empty(&unloaded) &&
	       (nr_unloaded >= MAX_UNLOADED || unloaded_bytes + bytes > MAX_BYTES))
		drop_unloaded_locked(list_first_entry(&unloaded, struct unloaded, list));
	if (copy) {
		copy->when = moment_now();
		copy->serial = ++last_serial;
		list_add_tail(&copy->list, &unloaded);
		unloaded_bytes += bytes;
		nr_unloaded++;
	} else {
		lost_until = moment_now();
	}
	mutex_unlock(&modules_lock);
}

enum range_kind {
	RANGE_CORE,
	RANGE_INIT,
};

static void range_unloaded(const struct module *module, unsigned long start, unsigned long size,
			   enum range_kind kind)
{
	struct unloaded *range;
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
		for (addr = start; addr < start + size; addr = add_function(range, addr))
			cond_resched_tasks_rcu_qs();
	} else {
		all = add_live_traces(range, &seen);
		add_published_traces(range, &seen);
	}
	xa_destroy(&seen);
	/*
	 * If not all traces were looked at, keep the record even without names: it tells that
	 * names of later modules are wrong here.
	 */
	if (range->used || !all)
		keep_unloaded(range);
	kvfree(range);
}

static void module_loaded(const struct module *module)
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

static void module_unloaded(const struct module *module)
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
	range_unloaded(module, (unsigned long)text, size, RANGE_CORE);
}

/* The init section is freed once its module is live, or with the rest if loading fails. */
static int notice_module(struct notifier_block *nb, unsigned long state, void *data)
{
	const struct module *module = data;
	size_t size;
	const void *text = module_text(module, true, &size);

	if (state == MODULE_STATE_COMING)
		module_loaded(module);
	if (state == MODULE_STATE_GOING)
		module_unloaded(module);
	if (state == MODULE_STATE_GOING || state == MODULE_STATE_LIVE)
		range_unloaded(module, (unsigned long)text, size, RANGE_INIT);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = { .notifier_call = notice_module };

/**
 * kmemleak_module_names_start() - keep function names of modules from now on
 *
 * Context: process, once.
 */
void kmemleak_module_names_start(void)
{
	register_module_notifier(&module_notifier);
}

/* ----------------------------------------------------------- look-ups -- */

static struct unloaded *find_unloaded_locked(const struct kmemleak_birth *birth, unsigned long addr)
{
	struct unloaded *it, *found = NULL;

	lockdep_assert_held(&modules_lock);
	list_for_each_entry_reverse(it, &unloaded, list) {
		if (!born_before(birth, &it->when))
			break;
		if (range_offset(it, addr) < it->size)
			found = it;
	}
	return found;
}

/*
 * May a record for this address have been lost? Only if the module that is there now was
 * loaded after the block was born. An older module has been there all the time.
 */
static bool is_lost_locked(const struct kmemleak_birth *birth, unsigned long addr)
{
	const struct module *module;
	struct loaded *it;

	lockdep_assert_held(&modules_lock);
	if (!born_before(birth, &lost_until))
		return false;
	preempt_disable();
	module = __module_address(addr);
	preempt_enable();
	it = module ? find_loaded_locked(module) : NULL;
	return it && born_before(birth, &it->when);
}

/**
 * kmemleak_module_names_generation() - tell between which unloads of modules a block was born
 * @birth: when the block was born
 *
 * Return: the generation, 1 if no module was unloaded since. Equal traces of blocks of one
 * generation have the same names. 0 if the generation is not known.
 */
unsigned long kmemleak_module_names_generation(const struct kmemleak_birth *birth)
{
	unsigned long generation = 1;
	struct unloaded *it;

	mutex_lock(&modules_lock);
	list_for_each_entry_reverse(it, &unloaded, list) {
		if (!born_before(birth, &it->when))
			break;
		generation = it->serial;
	}
	if (born_before(birth, &lost_until))
		generation = 0;
	mutex_unlock(&modules_lock);
	return generation;
}

/**
 * kmemleak_module_names_find() - name the function at an address when a block was born
 * @birth: when the block was born
 * @addr: an address in the block's trace that is in no function of the kernel itself
 * @text: filled in like "%pS" if the address belonged to an unloaded module
 * @size: bytes of @text
 *
 * If the name of the function was not kept, @text has the address, and the name of the
 * module if that is known.
 *
 * Context: process, may sleep.
 * Return: true if @text was filled in; false if the address belongs to the code that is
 * there now.
 */
bool kmemleak_module_names_find(const struct kmemleak_birth *birth, unsigned long addr, char *text,
				size_t size)
{
	const struct function_name *name;
	struct unloaded *it;
	bool lost = false;

	mutex_lock(&modules_lock);
	it = find_unloaded_locked(birth, addr);
	if (it) {
		name = find_function(it->names, it->used, range_offset(it, addr));
		if (name)
			scnprintf(text, size, "%s+%#lx/%#x [%s]", name->text,
				  range_offset(it, addr) - name->start, name->size, it->module);
		else
			scnprintf(text, size, "%#lx [%s]", addr, it->module);
	} else if (is_lost_locked(birth, addr)) {
		lost = true;
		scnprintf(text, size, "%#lx", addr);
	}
	mutex_unlock(&modules_lock);
	return it || lost;
}
