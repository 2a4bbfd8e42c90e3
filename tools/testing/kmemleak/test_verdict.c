#include "host.h"
const struct host_case verdict_cases[] = { { } };
