#include "host.h"
const struct host_case thread_cases[] = { { } };
