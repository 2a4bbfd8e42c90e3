// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module kmemleak-forget: makes existing kernel code leak. A kprobe on a function that
 * frees memory skips the call if it comes from one of the chosen callers. That repeats a
 * mistake that was once made and fixed in the kernel. The return address tells the caller,
 * so the kernel's source need not change. The leak happens in any task or callback that
 * runs into the mistake. The selftest forget.sh drives the module:
 *
 *   kmemleak_forget/command  "<free> <callers> <allocators>": from now on, <free>() does
 *			      nothing if one of the callers calls it. The last two words
 *			      are names of functions, separated by commas. The trace in
 *			      a block's report must show one of the allocators. -ENOENT
 *			      if this kernel has none of the callers.
 *			      "off": ends this, as every other command does.
 *			      "waits <pid>": looks at the stack of a task that sleeps in
 *			      wait4(). -EEXIST if the stack holds the address with which
 *			      a walk of the task's children ended. -EOPNOTSUPP if this
 *			      kernel does not clear such dead values.
 *   kmemleak_forget/result   "lost 0x<addr> <size> trace=<allocators>" for each lost block,
 *			      preceded by "percpu " for per-cpu blocks. The size is "?" if
 *			      only the allocator knows it.
 *
 * When the module is unloaded, it frees the lost blocks.
 */

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

/* Remembered addresses are XORed with this, so they are not references. As in torture.h. */
#define VEIL	(~0UL / 0xff * 0x5a)

#define MAX_LOST	2048
#define MAX_NAME	48
/* Of a list of names separated by commas. */
#define MAX_NAMES	96

/* A function that frees a block or drops a reference to it. The block is argument @nr. */
struct way {
	const char *name;
	unsigned int nr;
	size_t (*size)(const void *ptr, struct pt_regs *regs);
	void (*free)(void *ptr);
};

static size_t size_of_kmalloc(const void *ptr, struct pt_regs *regs)
{
	return is_vmalloc_addr(ptr) ? 0 : ksize(ptr);
}

static size_t size_of_object(const void *ptr, struct pt_regs *regs)
{
	return kmem_cache_size((struct kmem_cache *)regs_get_kernel_argument(regs, 0));
}

static void free_object(void *ptr)
{
	kfree(ptr);
}

static void free_vmalloc(void *ptr)
{
	vfree(ptr);
}

static void free_any(void *ptr)
{
	kvfree(ptr);
}

static void free_copies(void *ptr)
{
	free_percpu((__force void __percpu *)ptr);
}

static void put_number(void *ptr)
{
	put_pid(ptr);
}

static const struct way ways[] = {
	{ "kfree", 0, size_of_kmalloc, free_object },
	{ "kvfree", 0, size_of_kmalloc, free_any },
	{ "vfree", 0, NULL, free_vmalloc },
	{ "free_percpu", 0, NULL, free_copies },
	{ "kmem_cache_free", 1, size_of_object, free_object },
	{ "put_pid", 0, NULL, put_number },
};

struct lost {
	unsigned long veiled;	/* 0 until the other members are written */
	size_t size;
	unsigned int way, trace;
};

/* The probe writes each entry once, without a lock. */
static struct lost lost[MAX_LOST];
static atomic_t nr_lost;

/* Guards the variables below. The probe reads them; they change only while no probe is set. */
static DEFINE_MUTEX(forget_mutex);
static struct kprobe probe;
static bool armed;
static unsigned int way;
/* Code of the callers. The compiler may have split a function into several parts. */
static struct {
	unsigned long start, size;
} parts[16];
static unsigned int nr_parts;
/* Allocators of the blocks, one entry for each command. */
static char traces[64][MAX_NAMES];
static unsigned int nr_traces;

/* The probe calls this in place of the function that frees. */
static noinline void forget_it(void)
{
}

static bool is_caller(unsigned long addr)
{
	unsigned int i;

	for (i = 0; i < nr_parts; i++)
		if (addr - parts[i].start < parts[i].size)
			return true;
	return false;
}

static int forget(struct kprobe *p, struct pt_regs *regs)
{
	const void *ptr = (void *)regs_get_kernel_argument(regs, ways[way].nr);
	unsigned int i;

	if (ZERO_OR_NULL_PTR(ptr) || !is_caller(regs_get_kernel_stack_nth(regs, 0)))
		return 0;
	i = atomic_fetch_add_unless(&nr_lost, 1, MAX_LOST);
	if (i == MAX_LOST)
		return 0;
	lost[i].size = ways[way].size ? ways[way].size(ptr, regs) : 0;
	lost[i].way = way;
	lost[i].trace = nr_traces - 1;
	/* Pairs with result_show(). */
	smp_store_release(&lost[i].veiled, (unsigned long)ptr ^ VEIL);
	instruction_pointer_set(regs, (unsigned long)forget_it);
	return 1;
}

/* A probe with a post handler does not become a jump. A jump could not skip the call. */
static void forgot(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static void disarm(void)
{
	if (armed)
		unregister_kprobe(&probe);
	armed = false;
}

/* Adds the code of a function to the parts, if the function exists. */
static void find_part(const char *name, const char *suffix)
{
	char text[KSYM_SYMBOL_LEN], full[MAX_NAME + 16], *numbers;
	struct kprobe there = { .symbol_name = full };
	unsigned long offset, size;

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	if (nr_parts == ARRAY_SIZE(parts) || register_kprobe(&there))
		return;
	unregister_kprobe(&there);
	sprint_symbol(text, (unsigned long)there.addr);
	numbers = strchr(text, '+');
	if (!numbers || sscanf(numbers, "+%lx/%lx", &offset, &size) != 2)
		return;
	parts[nr_parts].start = (unsigned long)there.addr - offset;
	parts[nr_parts++].size = size;
}

static void find_callers(char *names)
{
	static const char * const suffixes[] = { "", ".isra.0", ".part.0", ".constprop.0" };
	unsigned int i;
	char *name;

	nr_parts = 0;
	while ((name = strsep(&names, ",")))
		for (i = 0; i < ARRAY_SIZE(suffixes); i++)
			find_part(name, suffixes[i]);
}

static int arm(const char *free, char *callers, const char *allocators)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, free))
			break;
	if (i == ARRAY_SIZE(ways))
		return -EINVAL;
	if (nr_traces == ARRAY_SIZE(traces))
		return -ENOSPC;
	find_callers(callers);
	if (!nr_parts)
		return -ENOENT;
	way = i;
	strscpy(traces[nr_traces++], allocators, MAX_NAMES);
	/* The last registration has left values in the struct. */
	probe = (struct kprobe){
		.symbol_name = ways[i].name,
		.pre_handler = forget,
		.post_handler = forgot,
	};
	ret = register_kprobe(&probe);
	armed = !ret;
	return ret;
}

static bool on_stack(struct task_struct *task, unsigned long start, size_t size)
{
	unsigned long *end = task_stack_page(task) + THREAD_SIZE;
	unsigned long *word = (unsigned long *)READ_ONCE(task->thread.sp);

	for (; word < end; word++)
		if (READ_ONCE_NOCHECK(*word) - start < size)
			return true;
	return false;
}

/*
 * A walk of a task's children ends with the list head, taken for a child. Is that address on
 * the task's stack? The task must not exit meanwhile.
 */
static int look_at_waiter(int nr)
{
	struct pid *pid = find_get_pid(nr);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);
	bool found;

	put_pid(pid);
	if (!task)
		return -ESRCH;
	found = on_stack(task, (unsigned long)list_entry(&task->children, struct task_struct,
							 sibling), sizeof(long));
	put_task_struct(task);
	/*
	 * With frame pointers, dead registers are not cleared. With KASAN, frames have more
	 * slots, which keep dead values.
	 */
	if (IS_ENABLED(CONFIG_FRAME_POINTER) || IS_ENABLED(CONFIG_KASAN_STACK))
		return -EOPNOTSUPP;
	return found ? -EEXIST : 0;
}

static ssize_t command_write(struct file *file, const char __user *user, size_t len, loff_t *pos)
{
	char free[MAX_NAME], callers[MAX_NAMES], allocators[MAX_NAMES];
	char text[MAX_NAME + 2 * MAX_NAMES];
	int words, nr, ret = 0;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, len))
		return -EFAULT;
	text[len] = '\0';
	words = sscanf(text, "%47s %95s %95s", free, callers, allocators);
	mutex_lock(&forget_mutex);
	disarm();
	if (sscanf(text, "waits %d", &nr) == 1)
		ret = look_at_waiter(nr);
	else if (words == 3)
		ret = arm(free, callers, allocators);
	else if (!sysfs_streq(text, "off"))
		ret = -EINVAL;
	mutex_unlock(&forget_mutex);
	return ret ?: len;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

static int result_show(struct seq_file *m, void *v)
{
	unsigned int i, n = atomic_read(&nr_lost);

	for (i = 0; i < n; i++) {
		/* Pairs with forget(). */
		unsigned long veiled = smp_load_acquire(&lost[i].veiled);

		if (!veiled)
			continue;
		seq_printf(m, "%slost 0x%lx ",
			   ways[lost[i].way].free == free_copies ? "percpu " : "", veiled ^ VEIL);
		if (lost[i].size)
			seq_printf(m, "%zu", lost[i].size);
		else
			seq_putc(m, '?');
		seq_printf(m, " trace=%s\n", traces[lost[i].trace]);
	}
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(result);

/* --------------------------------------------------------------- module -- */

static struct dentry *dir;

static int __init forget_init(void)
{
	dir = debugfs_create_dir("kmemleak_forget", NULL);
	debugfs_create_file("command", 0200, dir, NULL, &command_fops);
	debugfs_create_file("result", 0400, dir, NULL, &result_fops);
	return 0;
}

static void __exit forget_exit(void)
{
	unsigned int i, n;

	debugfs_remove(dir);
	disarm();
	n = atomic_read(&nr_lost);
	for (i = 0; i < n; i++)
		ways[lost[i].way].free((void *)(lost[i].veiled ^ VEIL));
}

module_init(forget_init);
module_exit(forget_exit);

MODULE_DESCRIPTION("Leaks in the tree's own code, for the memory leak detector");
MODULE_LICENSE("GPL");
