#include "host.h"
const struct host_case leaks_cases[] = { { } };
