// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module kmemleak-past: leaks of the past. Each function repeats a mistake that was
 * made and fixed in the kernel again and again, in code of the same shape. Some functions
 * lose blocks that other kernel code has allocated for them.
 *
 * The module does nothing to make the lost blocks easier to find: the task that writes the
 * command runs into the mistake itself, as with a driver. The selftest past.sh drives the
 * module:
 *
 *   kmemleak_past/names     names of the leaks, one a line
 *   kmemleak_past/leak      "<name>": this leak happens once
 *   kmemleak_past/result    "lost 0x<addr> <size> trace=<function>" for each lost block,
 *			     preceded by "percpu " for per-cpu blocks. The trace in the
 *			     block's report must show the function.
 *   kmemleak_past/sequence  each reader leaks a block
 *
 * When the module is unloaded, it frees the lost blocks.
 */

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kasan.h>
#include <linux/kernel.h>
#include <linux/kfifo.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

/* Remembered addresses are XORed with this, so they are not references. As in torture.h. */
#define VEIL	(~0UL / 0xff * 0x5a)

enum kind {
	BY_KFREE,
	BY_VFREE,
	BY_FREE_PERCPU,
	BY_XA_DESTROY,
	BY_MEMPOOL_DESTROY,
	BY_OWNER,	/* freed with another block of the table */
};

struct lost {
	unsigned long veiled;
	size_t size;
	enum kind kind;
	const char *function;
};

#define MAX_LOST	1024

/* Guards all variables below. */
static DEFINE_MUTEX(past_mutex);
static struct lost lost[MAX_LOST];
static unsigned int nr_lost;
static struct kmem_cache *cache;
static struct workqueue_struct *wq;

static void remember(const void *ptr, size_t size, enum kind kind, const char *function)
{
	if (!ptr || WARN_ON(nr_lost == MAX_LOST))
		return;
	lost[nr_lost++] = (struct lost){ (unsigned long)ptr ^ VEIL, size, kind, function };
}

/* Records a lost block. The caller is the function that the report must show. */
#define LOST(ptr, size)	remember(ptr, kmalloc_size_roundup(size), BY_KFREE, __func__)
/* The same for an object from a cache. */
#define LOST_OBJECT(ptr)					\
({								\
	typeof(ptr) __object = (ptr);				\
								\
	remember(__object, sizeof(*__object), BY_KFREE, __func__); \
})
/* The same for a string from kstrdup() or a similar function. */
#define LOST_STRING(ptr)					\
({								\
	const char *__string = (ptr);				\
								\
	LOST(__string, strlen(__string) + 1);			\
})

/* ----------------------------------------------------------- error path -- */

struct node {
	struct list_head link;
	struct kref ref;
	char *key, *value;
	struct node *child;
	void *table;
	void __percpu *stats;
	struct rcu_head rcu;
	struct rcu_work rcu_work;
	struct work_struct work;
	struct timer_list timer;
	struct completion done;
	struct xarray index;
	struct device dev;
};

static LIST_HEAD(nodes);

static noinline __noclone int past_probe(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	char *buffer = kzalloc(96, GFP_KERNEL);

	if (!node || !buffer) {
		kfree(node);
		kfree(buffer);
		return -ENOMEM;
	}
	LOST(buffer, 96);
	/* There is no device. The error path frees the node but not the buffer. */
	kfree(node);
	return 0;
}

static noinline __noclone int past_open_stats(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	node->stats = __alloc_percpu(48, sizeof(long));
	remember((__force void *)node->stats, 48, BY_FREE_PERCPU, __func__);
	kfree(node);
	return 0;
}

/* ------------------------------------------------------------- teardown -- */

static noinline __noclone struct node *past_new_child(struct list_head *list)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return NULL;
	list_add(&node->link, list);
	LOST(node, sizeof(*node));
	return node;
}

/* Frees the owner of a list, but not the nodes on the list. */
static noinline __noclone int past_remove_owner(void)
{
	struct list_head *owner = kmalloc(sizeof(*owner), GFP_KERNEL);
	int i;

	if (!owner)
		return -ENOMEM;
	INIT_LIST_HEAD(owner);
	for (i = 0; i < 3; i++)
		past_new_child(owner);
	kfree(owner);
	return 0;
}

static noinline __noclone int past_load_table(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	node->table = vzalloc(2 * PAGE_SIZE);
	remember(node->table, 2 * PAGE_SIZE, BY_VFREE, __func__);
	kfree(node);
	return 0;
}

static noinline __noclone int past_cache_teardown(void)
{
	struct node *node = kmem_cache_zalloc(cache, GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	node->child = kmem_cache_zalloc(cache, GFP_KERNEL);
	LOST_OBJECT(node->child);
	kmem_cache_free(cache, node);
	return 0;
}

/* ------------------------------------------------------------ overwrite -- */

static char *option;

static noinline __noclone int past_set_option(void)
{
	char *old = option;

	option = kstrdup("errors=remount-ro", GFP_KERNEL);
	if (old)
		LOST_STRING(old);
	return option ? 0 : -ENOMEM;
}

/* ----------------------------------------------------------- references -- */

static void past_release(struct kref *ref)
{
	kfree(container_of(ref, struct node, ref));
}

static noinline __noclone int past_lookup(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	kref_init(&node->ref);
	list_add(&node->link, &nodes);
	LOST(node, sizeof(*node));
	/* The look-up takes a reference that is never dropped. */
	kref_get(&node->ref);
	list_del(&node->link);
	kref_put(&node->ref, past_release);
	return 0;
}

/* -------------------------------------------------------------- strings -- */

static noinline __noclone int past_add_rule(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	node->key = kstrdup("kprobes/past_event", GFP_KERNEL);
	node->value = kasprintf(GFP_KERNEL, "%s:%d", "filter", 47);
	if (node->key && node->value) {
		LOST_STRING(node->key);
		LOST_STRING(node->value);
	}
	kfree(node);
	return 0;
}

/* ------------------------------------------------------------------ RCU -- */

static noinline __noclone struct node *past_new_params(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return NULL;
	node->child = kzalloc(192, GFP_KERNEL);
	node->key = kstrdup("tunnel key", GFP_KERNEL);
	LOST(node->child, 192);
	if (node->key)
		LOST_STRING(node->key);
	return node;
}

static noinline __noclone int past_replace_params(void)
{
	struct node *node = past_new_params();

	if (!node)
		return -ENOMEM;
	kfree_rcu(node, rcu);
	return 0;
}

static noinline __noclone int past_replace_headless(void)
{
	struct node *node = past_new_params();

	if (!node)
		return -ENOMEM;
	kvfree_rcu_mightsleep(node);
	return 0;
}

static noinline __noclone int past_replace_table(void)
{
	struct node **table = vzalloc(PAGE_SIZE);

	if (!table)
		return -ENOMEM;
	table[7] = kzalloc(sizeof(*table[7]), GFP_KERNEL);
	LOST(table[7], sizeof(*table[7]));
	kvfree_rcu_mightsleep(table);
	return 0;
}

static void past_free_callback(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct node, rcu));
}

static noinline __noclone int past_call_rcu(void)
{
	struct node *node = past_new_params();

	if (!node)
		return -ENOMEM;
	call_rcu(&node->rcu, past_free_callback);
	return 0;
}

static void past_cache_callback(struct rcu_head *rcu)
{
	kmem_cache_free(cache, container_of(rcu, struct node, rcu));
}

static noinline __noclone int past_cache_call_rcu(void)
{
	struct node *node = kmem_cache_zalloc(cache, GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	node->child = kmem_cache_zalloc(cache, GFP_KERNEL);
	LOST_OBJECT(node->child);
	call_rcu(&node->rcu, past_cache_callback);
	return 0;
}

/* The callback queues the block again: kfree_rcu() after call_rcu(). */
static void past_free_later(struct rcu_head *rcu)
{
	struct node *node = container_of(rcu, struct node, rcu);

	kfree_rcu(node, rcu);
}

static noinline __noclone int past_put_twice_removed(void)
{
	struct node *node = past_new_params();

	if (!node)
		return -ENOMEM;
	call_rcu(&node->rcu, past_free_later);
	return 0;
}

static void past_root_work(struct work_struct *work)
{
	struct node *node = container_of(to_rcu_work(work), struct node, rcu_work);

	kfree_rcu(node, rcu);
}

static noinline __noclone int past_kill_root(void)
{
	struct node *node = past_new_params();

	if (!node)
		return -ENOMEM;
	INIT_RCU_WORK(&node->rcu_work, past_root_work);
	queue_rcu_work(wq, &node->rcu_work);
	return 0;
}

/* ------------------------------------ finished work, timers and threads -- */

static void past_do_work(struct work_struct *work)
{
}

static noinline __noclone int past_queue_request(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	LOST(node, sizeof(*node));
	INIT_WORK(&node->work, past_do_work);
	queue_work(wq, &node->work);
	flush_work(&node->work);
	return 0;
}

static void past_timeout(struct timer_list *timer)
{
	complete(&container_of(timer, struct node, timer)->done);
}

static noinline __noclone int past_arm_timer(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return -ENOMEM;
	LOST(node, sizeof(*node));
	init_completion(&node->done);
	timer_setup(&node->timer, past_timeout, 0);
	mod_timer(&node->timer, jiffies);
	wait_for_completion(&node->done);
	timer_delete_sync(&node->timer);
	return 0;
}

static int past_thread(void *data)
{
	struct node *node = data;

	kthread_complete_and_exit(&node->done, 0);
}

static noinline __noclone int past_start_thread(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	struct task_struct *task;

	if (!node)
		return -ENOMEM;
	LOST(node, sizeof(*node));
	init_completion(&node->done);
	task = kthread_run(past_thread, node, "past");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&node->done);
	return 0;
}

/* The threads of past_spawn() run until the module is unloaded. */
static struct task_struct *waiters[16];
static unsigned int nr_waiters;

static int past_wait(void *unused)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

/*
 * The struct by which the thread was requested was freed a moment ago, and the thread's
 * stack still holds its address. The kernel allocates such structs from a cache of their
 * own, so a lost block of the same size does not get this address.
 */
static noinline __noclone int past_spawn(void)
{
	struct task_struct *task;

	if (nr_waiters == ARRAY_SIZE(waiters))
		return -ENOSPC;
	task = kthread_run(past_wait, NULL, "past_waiter");
	if (IS_ERR(task))
		return PTR_ERR(task);
	waiters[nr_waiters++] = task;
	LOST(kzalloc(64, GFP_KERNEL), 64);
	return 0;
}

/* ------------------------------------------------- the tree's own blocks -- */

/* kfree() of a device does not free the device's name. */
static noinline __noclone int past_register_device(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	int ret;

	if (!node)
		return -ENOMEM;
	device_initialize(&node->dev);
	ret = dev_set_name(&node->dev, "past%d", 1977);
	if (!ret)
		LOST_STRING(dev_name(&node->dev));
	kfree(node);
	return ret;
}

/* If an XArray has nodes, its head is the address of the first node plus 2. */
static struct xa_node *head_of(const struct xarray *index)
{
	return (struct xa_node *)((__force unsigned long)index->xa_head & ~3UL);
}

/* Frees a lost node. xa_destroy() empties it first, because its next user expects that. */
static void give_back_index(struct xa_node *head)
{
	struct xarray index;

	xa_init(&index);
	head->array = &index;
	RCU_INIT_POINTER(index.xa_head, (void *)((unsigned long)head | 2));
	xa_destroy(&index);
}

/* Frees an XArray without destroying it. */
static noinline __noclone int past_drop_index(void)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	int ret;

	if (!node)
		return -ENOMEM;
	xa_init(&node->index);
	ret = xa_err(xa_store(&node->index, 1, xa_mk_value(1), GFP_KERNEL));
	if (!ret)
		remember(head_of(&node->index), sizeof(struct xa_node), BY_XA_DESTROY, __func__);
	kfree(node);
	return ret;
}

static noinline __noclone int past_parse_words(void)
{
	static const char text[] = "add part 1 2 3";
	char **words = argv_split(GFP_KERNEL, text, NULL);

	if (!words)
		return -ENOMEM;
	/* Before the words is the pointer to the text, after them a NULL. */
	LOST(words - 1, 7 * sizeof(*words));
	LOST(words[-1], sizeof(text));
	return 0;
}

/* Loses a mempool with its array and its elements. */
static noinline __noclone int past_create_pool(void)
{
	mempool_t *pool = mempool_create_kmalloc_pool(2, 80);
	int i;

	if (!pool)
		return -ENOMEM;
	remember(pool, kmalloc_size_roundup(sizeof(*pool)), BY_MEMPOOL_DESTROY, __func__);
	remember(pool->elements, kmalloc_size_roundup(2 * sizeof(*pool->elements)), BY_OWNER,
		 __func__);
	/* KASAN counts these as freed: do not access them. */
	for (i = 0; i < 2; i++)
		remember(pool->elements[i], kmalloc_size_roundup(80), BY_OWNER, __func__);
	return 0;
}

static noinline __noclone int past_start_fifo(void)
{
	DECLARE_KFIFO_PTR(fifo, char);
	int ret = kfifo_alloc(&fifo, 512, GFP_KERNEL);

	if (!ret)
		LOST(fifo.kfifo.data, 512);
	return ret;
}

/* The mistake: seq_release() does not free the operations that single_open() allocated. */
static int past_show(struct seq_file *m, void *v)
{
	seq_puts(m, "nothing\n");
	return 0;
}

static noinline __noclone int past_open_sequence(struct inode *inode, struct file *file)
{
	int ret = single_open(file, past_show, NULL);
	const struct seq_operations *ops;

	if (ret)
		return ret;
	ops = ((struct seq_file *)file->private_data)->op;
	mutex_lock(&past_mutex);
	LOST(ops, sizeof(*ops));
	mutex_unlock(&past_mutex);
	return 0;
}

static const struct file_operations sequence_fops = {
	.owner = THIS_MODULE,
	.open = past_open_sequence,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release,
};

/* ------------------------------------------------------------- commands -- */

static const struct past {
	const char *name;
	int (*leak)(void);
} pasts[] = {
	{ "probe", past_probe },
	{ "open_stats", past_open_stats },
	{ "remove_owner", past_remove_owner },
	{ "load_table", past_load_table },
	{ "cache_teardown", past_cache_teardown },
	{ "set_option", past_set_option },
	{ "lookup", past_lookup },
	{ "add_rule", past_add_rule },
	{ "replace_params", past_replace_params },
	{ "replace_headless", past_replace_headless },
	{ "replace_table", past_replace_table },
	{ "call_rcu", past_call_rcu },
	{ "cache_call_rcu", past_cache_call_rcu },
	{ "put_twice_removed", past_put_twice_removed },
	{ "kill_root", past_kill_root },
	{ "queue_request", past_queue_request },
	{ "arm_timer", past_arm_timer },
	{ "start_thread", past_start_thread },
	{ "spawn", past_spawn },
	{ "register_device", past_register_device },
	{ "drop_index", past_drop_index },
	{ "parse_words", past_parse_words },
	{ "create_pool", past_create_pool },
	{ "start_fifo", past_start_fifo },
};

static ssize_t leak_write(struct file *file, const char __user *user, size_t len, loff_t *pos)
{
	char name[32];
	unsigned int i;
	int ret = -EINVAL;

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, user, len))
		return -EFAULT;
	name[len] = '\0';
	mutex_lock(&past_mutex);
	for (i = 0; i < ARRAY_SIZE(pasts); i++)
		if (sysfs_streq(pasts[i].name, name))
			ret = pasts[i].leak();
	mutex_unlock(&past_mutex);
	return ret ?: len;
}

static const struct file_operations leak_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = leak_write,
};

static int names_show(struct seq_file *m, void *v)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pasts); i++)
		seq_printf(m, "%s\n", pasts[i].name);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(names);

static int result_show(struct seq_file *m, void *v)
{
	unsigned int i;

	mutex_lock(&past_mutex);
	for (i = 0; i < nr_lost; i++)
		seq_printf(m, "%slost 0x%lx %zu trace=%s\n",
			   lost[i].kind == BY_FREE_PERCPU ? "percpu " : "",
			   (unsigned long)kasan_reset_tag((void *)(lost[i].veiled ^ VEIL)),
			   lost[i].size, lost[i].function);
	mutex_unlock(&past_mutex);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(result);

/* --------------------------------------------------------------- module -- */

static struct dentry *dir;

static int __init past_init(void)
{
	cache = kmem_cache_create("kmemleak_past", sizeof(struct node), 0, 0, NULL);
	wq = alloc_workqueue("kmemleak_past", WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	if (!cache || !wq) {
		kmem_cache_destroy(cache);
		if (wq)
			destroy_workqueue(wq);
		return -ENOMEM;
	}
	dir = debugfs_create_dir("kmemleak_past", NULL);
	debugfs_create_file("names", 0400, dir, NULL, &names_fops);
	debugfs_create_file("leak", 0200, dir, NULL, &leak_fops);
	debugfs_create_file("result", 0400, dir, NULL, &result_fops);
	debugfs_create_file("sequence", 0400, dir, NULL, &sequence_fops);
	return 0;
}

static void give_back(const struct lost *block)
{
	void *ptr = (void *)(block->veiled ^ VEIL);

	switch (block->kind) {
	case BY_KFREE:
		kfree(ptr);
		break;
	case BY_VFREE:
		vfree(ptr);
		break;
	case BY_FREE_PERCPU:
		free_percpu((__force void __percpu *)ptr);
		break;
	case BY_XA_DESTROY:
		give_back_index(ptr);
		break;
	case BY_MEMPOOL_DESTROY:
		mempool_destroy(ptr);
		break;
	case BY_OWNER:
		break;
	}
}

static void __exit past_exit(void)
{
	debugfs_remove(dir);
	while (nr_waiters)
		kthread_stop(waiters[--nr_waiters]);
	/* Wait for RCU callbacks and work: they run code of this module. */
	rcu_barrier();
	destroy_workqueue(wq);
	while (nr_lost)
		give_back(&lost[--nr_lost]);
	kfree(option);
	rcu_barrier();
	kmem_cache_destroy(cache);
}

module_init(past_init);
module_exit(past_exit);

MODULE_DESCRIPTION("Leaks of the past, for the memory leak detector");
MODULE_LICENSE("GPL");
