#include "host.h"
const struct host_case mark_cases[] = { { } };
