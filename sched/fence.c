/* fence.c - see fence.h. */
#define _GNU_SOURCE
#include "fence.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool membarrier(int command)
{
    int saved = errno;
    long rc = syscall(SYS_membarrier, command, 0, 0);
    errno = saved;
    return rc == 0;
}

bool pgs_fence_register(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

bool pgs_fence_heavy(void)
{
    return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}
