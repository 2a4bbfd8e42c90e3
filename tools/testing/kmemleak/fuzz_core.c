#include "host.h"
int LLVMFuzzerTestOneInput(const u8 *d, size_t n);int LLVMFuzzerTestOneInput(const u8 *d, size_t n) { return 0; }
