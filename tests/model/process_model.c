#include "world.h"
static pg_pid victim;
static int got;
static void on(pg_process *self, const pg_message *m) { (void)self; got += world_number(m); }
static void target(pg_process *self) { pg_receive(self, on, PG_INT); }
static void setup(void){ got=0; world_start(2); victim=world_spawn(target);}
static void a(void){ world_enter(0); MODEL_CHECK(pgi_send(victim, world_message(1))==PG_OK); world_work(); world_leave(); }
static void b(void){ world_enter(1); MODEL_CHECK(pgi_send(victim, world_message(2))==PG_OK); world_work(); world_leave(); }
static void check(void){ MODEL_CHECK(got==3); world_stop(); }
int main(void){ static const struct model_case c={"process: x", setup, {a,b}, check, 2,1,0}; model_explore(&c); return 0;}
