/* command.h - the commands' names, to be looked up. */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

/* Once, before the first client. */
void commands_prepare(void);

#endif
