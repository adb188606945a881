#!/bin/sh
# mutants.sh - do the models bite?  Breaks one operation of sched/ or runtime/ at a time and runs the model of that file.
#
# Each line below names the model, the file (of sched/, unless it says another folder), a sed expression that breaks it,
# and what must come of it: "dies", or "lives" with the reason why no execution that the explorer knows can tell (which is
# then a claim about its bounds, not a licence to weaken the code); and, where the others would take long, the case that
# is to find it.  Status 1 when any of them does otherwise.
#
# Usage: tests/model/mutants.sh [compiler [model]]    all models, unless one is named
# With CLASSIFY=1 in the environment it says of each that dies what it takes to see it: nothing but another order of the
# threads, store buffers, or weak orders.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cc=${1:-cc} only=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0 killed=0 lived=0
tests=$root/tests/model
flags="-std=gnu17 -O1 -w -DPGS_MODEL -iquote $work/sched -iquote $work -iquote $tests -I$root/include"

# The sources that the model is linked with; those that it includes are not among them.
sources_of() {
    case $1 in
    idle) echo "deque injector parker lifo" ;;
    stop) echo "deque epoch injector parker lifo" ;;
    process | slots) echo "epoch injector lifo parker ring timer" ;;
    injector | mpsc) ;;
    *) echo "$1" ;;
    esac
}

# Objects of the whole runtime but its memory, as model/world.c wants it: all of them into a folder.
compile_runtime() { # folder
    mkdir -p "$1"
    for source in "$work"/runtime/*.c; do
        case $source in */memory.c) ;; *) echo "$source" ;; esac
    done | xargs -P 2 -I{} sh -c "$cc $flags -c {} -o $1/\$(basename {} .c).o"
}

# What a mutant of a model that runs the whole runtime is linked with: that one file anew; of a header, all of them.
runtime_for() { # file
    case $1 in
    runtime/*.c)
        name=$(basename "$1" .c)
        $cc $flags -c "$work/$1" -o "$work/$name.o" && ls "$work"/base/*.o | grep -v "/$name.o" | tr '\n' ' '
        echo "$work/$name.o"
        ;;
    *.h)
        compile_runtime "$work/anew" && echo "$work"/anew/*.o
        ;;
    *) echo "$work"/base/*.o ;;
    esac
}

build() { # model file
    parts=
    for part in $(sources_of "$1"); do parts="$parts $work/sched/$part.c"; done
    case $1 in
    process | slots)
        parts="$parts $tests/world.c $(runtime_for "$2") -lurcu-bp -lurcu-cds -lpthread"
        parts="$parts -Wl,--wrap=pthread_mutex_lock,--wrap=pthread_mutex_unlock,--wrap=nanosleep"
        ;;
    esac
    $cc $flags "$tests/$1_model.c" "$tests/explorer.c" $parts -lm -o "$work/model"
}

mutant() { # model file expected sed-expression [case]
    [ -z "$only" ] || [ "$1" = "$only" ] || return
    case $2 in */*) file=$2 ;; *) file=sched/$2 ;; esac
    if [ ! -d "$work/base" ] && [ "$1" = process -o "$1" = slots ]; then
        cp -r "$root/sched" "$root/runtime" "$work" && compile_runtime "$work/base"
    fi
    rm -rf "$work/sched" "$work/runtime" && cp -r "$root/sched" "$root/runtime" "$work"
    sed -i "$4" "$work/$file"
    if cmp -s "$root/$file" "$work/$file"; then
        echo "NO CHANGE  $1: $4"; wrong=1; return
    fi
    if ! build "$1" "$file"; then
        echo "NOT BUILT  $1: $4"; wrong=1; return
    fi
    if MODEL_ONLY=${5:-} timeout 100 "$work/model" >"$work/out" 2>&1; then result=lives; else result=dies; fi
    if [ $result = dies ]; then killed=$((killed + 1)); else lived=$((lived + 1)); fi
    note=$(grep -m1 '^model' "$work/out" | sed 's/^model "[^"]*", //')
    if [ $result = dies ] && [ "${CLASSIFY:-}" ]; then
        case $note in
        weak*) result="dies (weak orders)" ;;
        *)
            result="dies (store buffers)"
            MODEL_PLAIN=1 MODEL_ONLY=${5:-} timeout 100 "$work/model" >/dev/null 2>&1 || result="dies (plain)"
            ;;
        esac
    fi
    [ "${result%% *}" = "$3" ] || { wrong=1; result="$result, NOT $3"; }
    echo "$result  $1/$2: $4  $note"
}

# deque
mutant deque deque.h dies '/^static inline struct pgs_task \*pgs_deque_take/,/^}/s/fence_seq_cst();//'
mutant deque deque.h dies 's/store_release(&d->bottom, b + 1); .. partner: the acquire/store_relaxed(\&d->bottom, b + 1); \/\* partner: the acquire/'
mutant deque deque.h dies 's/if (!cas_acquire(&d->top, &t, t + 1)) item = NULL;/store_relaxed(\&d->top, t + 1);/'
mutant deque deque.h dies 's/if (likely(t < b))/if (likely(t <= b))/'
mutant deque deque.h dies 's/if (unlikely(b - d->top_seen > a->mask))/if (unlikely(b - d->top_seen > a->mask + 1))/'
mutant deque deque.h dies 's/d->top_seen = b + 1;/d->top_seen = b + 2;/'
mutant deque deque.h dies 's/store_release(&d->bottom, b);/store_relaxed(\&d->bottom, b);/'
mutant deque deque.c dies 's/int64_t b = load_acquire(&d->bottom);/int64_t b = load_relaxed(\&d->bottom);/'
mutant deque deque.c dies 's/if (cas_seq_cst(&d->top, &t, t + 1)) return item;/store_seq_cst(\&d->top, t + 1); return item;/'
mutant deque deque.c dies 's/for (int64_t i = t; i < b; i++)/for (int64_t i = t + 1; i < b; i++)/'
mutant deque deque.c dies '/pgs_deque_take_oldest/,/^}/s/while (t < b)/while (t <= b)/'
# Only with weak orders: x86 keeps two loads in their order, and reads an array pointer behind the bottom that it needs.
mutant deque deque.c dies '/pgs_deque_try_steal/,/^}/s/fence_seq_cst();//'
mutant deque deque.c dies 's/store_release(&d->array, wider)/store_relaxed(\&d->array, wider)/'

# mpsc
mutant mpsc mpsc.h dies 's/store_release(&last->next, first)/store_relaxed(\&last->next, first)/'
mutant mpsc mpsc.h dies 's/return load_acquire(&node->next)/return load_relaxed(\&node->next)/'
mutant mpsc mpsc.h dies 's/xchg_acq_rel(&q->tail, (uintptr_t)node)/xchg_release(\&q->tail, (uintptr_t)node)/'
mutant mpsc mpsc.h dies 's/xchg_acq_rel(&q->tail, (uintptr_t)node)/load_relaxed(\&q->tail); store_seq_cst(\&q->tail, (uintptr_t)node)/'
mutant mpsc mpsc.h dies 's/likely(cas_acq_rel(&q->tail, &expected, (uintptr_t)&q->anchor | flag))/(store_release(\&q->tail, (uintptr_t)\&q->anchor | flag), expected != 0)/'
mutant mpsc mpsc.h dies 's/likely(cas_acq_rel(/likely(cas_acquire(/'
mutant mpsc mpsc.h dies 's/return cas_acq_rel(&q->tail, &expected, expected | PGS_MPSC_IDLE)/return cas_acquire(\&q->tail, \&expected, expected | PGS_MPSC_IDLE)/'
mutant mpsc mpsc.h dies '/pgs_mpsc_unlink/,/^}/s/if (!behind) return false;//'
mutant mpsc mpsc.h dies '/pgs_mpsc_unlink/,/^}/s/store_relaxed(&before->next, behind);//'
mutant mpsc mpsc.h dies 's/store_relaxed(&q->anchor.next, NULL);/(void)0;/'
mutant mpsc mpsc.h dies 's/q->head = &q->anchor; .. before.*//'
mutant mpsc mpsc.h dies '/pgs_mpsc_swap_anchor/,/^}/s/q->head = last;//'
mutant mpsc mpsc.h dies 's/return before & PGS_MPSC_IDLE;/return true;/'
mutant mpsc mpsc.h dies 's/return before & PGS_MPSC_IDLE;/return false;/'
mutant mpsc mpsc.h dies 's/return and_acq_rel(&q->tail, ~PGS_MPSC_IDLE) & PGS_MPSC_IDLE;/return load_acquire(\&q->tail) \& PGS_MPSC_IDLE;/'
mutant mpsc mpsc.h dies 's/return before == &q->anchor ? NULL : before;/return node;/'
mutant mpsc mpsc.h dies 's/\*released = last == &q->anchor ? NULL : last;/*released = NULL; if (last != \&q->anchor) q->head = last;/'
mutant mpsc mpsc.h dies 's/xchg_acq_rel(&q->tail, (uintptr_t)node)/xchg_acquire(\&q->tail, (uintptr_t)node)/'

# injector
mutant injector injector.h dies 's/store_release(&last->next, link)/store_relaxed(\&last->next, link)/'
mutant injector injector.c dies 's/xchg_acquire(&inj->lock, 1)/0/'
mutant injector injector.c dies 's/if (cas_release(&inj->tail, &expected, &inj->anchor))/store_release(\&inj->tail, \&inj->anchor); if (expected)/'
mutant injector injector.c dies '/if (!next) {/,/^    }/s/store_relaxed(&inj->anchor.next, NULL);//'
mutant injector injector.c dies '/^static pgs_link .pop_locked/,/^}/s/inj->head = &inj->anchor;$/inj->head = first;/'
mutant injector injector.c dies 's/store_release(&inj->lock, 0)/(void)0/'
mutant injector injector.c dies '/^static pgs_link \*pop_locked/,/^}/s/load_acquire/load_relaxed/'

# parker
mutant parker parker.c dies 's/xchg_release(&p->state, PGS_PARKER_NOTIFIED)/xchg_relaxed(\&p->state, PGS_PARKER_NOTIFIED)/'
mutant parker parker.c dies 's/if (before < PGS_PARKER_PARKED) return false/if (before <= PGS_PARKER_PARKED) return false/'
mutant parker parker.c dies '/rc == ETIMEDOUT/,/break/s/token = xchg_acquire.*/store_relaxed(\&p->state, PGS_PARKER_EMPTY);/'
mutant parker parker.c dies '/rc == ETIMEDOUT/,/break/s/token = xchg_acquire.*/token = false;/'
mutant parker parker.c dies 's/if (token) break;/break;/'
mutant parker parker.c dies 's/return xchg_acquire(&p->state, PGS_PARKER_EMPTY) == PGS_PARKER_NOTIFIED;/return true;/'
mutant parker parker.h dies 's/return cas_acquire(/return cas_relaxed(/'
mutant parker parker.c dies 's/write_kick((int)(before - PGS_PARKER_POLLING));/(void)0;/'
mutant parker parker.h dies '/pgs_parker_poll_begin/,/^}/s/    xchg_acquire(&p->state, PGS_PARKER_EMPTY);.*//'
mutant parker parker.h dies '/pgs_parker_poll_end/,/^}/s/xchg_acquire(/xchg_relaxed(/'
mutant parker parker.h dies '/pgs_parker_poll_end/,/^}/s/return xchg_acq.*/store_relaxed(\&p->state, PGS_PARKER_EMPTY); return false;/'

# lifo
mutant lifo lifo.h dies '/^static inline struct pgs_task .pgs_lifo_swap/,/^}/s/fence_light();//'
mutant lifo lifo.h dies 's/store_release(&slot->task, task)/store_relaxed(\&slot->task, task)/'
mutant lifo lifo.h dies 's/return likely(load_relaxed(&slot->claim) == 0) ? before : .*/return before;/'
mutant lifo lifo.c dies '/^struct pgs_task .pgs_lifo_settle/,/^}/s/fence_seq_cst();//'
mutant lifo lifo.c dies 's/ \&\& cas_relaxed(&slot->claim, &claim, rest)) return before/) return before/'
mutant lifo lifo.c dies '/^struct pgs_task .pgs_lifo_settle/,/^}/s/if (claim == rest) return before;//g'
mutant lifo lifo.c dies 's/    if (robbed != before) store_relaxed.*//'
mutant lifo lifo.c dies 's/    store_release(&slot->claim, rest);.*//'
mutant lifo lifo.c dies 's/return robbed == before ? NULL : before;/return NULL;/'
mutant lifo lifo.c dies 's/return robbed == before ? NULL : before;/return before;/'
mutant lifo lifo.c dies 's/fenced = fence_heavy()/fenced = true/'
mutant lifo lifo.c dies '/^struct pgs_task .pgs_lifo_rob/,/^}/s/fence_seq_cst();//'
mutant lifo lifo.c dies 's/? load_acquire(&slot->task)/? load_relaxed(\&slot->task)/'
mutant lifo lifo.c dies 's/return cas_relaxed(&slot->claim, &claim, (uintptr_t)task | rest)/return (store_relaxed(\&slot->claim, (uintptr_t)task | rest), true)/'
mutant lifo lifo.c dies 's/ || (rest & ~(uintptr_t)PGS_LIFO_FENCED)) return/) return/'
mutant lifo lifo.c dies 's/(uintptr_t)task | rest)/(uintptr_t)task)/'
# The explorer's system has heavy fences, whatever the slot is told.
mutant lifo lifo.h lives 's/heavy ? 0 : PGS_LIFO_FENCED/0/'

# epoch
mutant epoch epoch.h dies 's/>= stamp + 2;/>= stamp + 1;/'
mutant epoch epoch.h dies 's/return load_acquire(&domain->global) >=/return load_relaxed(\&domain->global) >=/'
mutant epoch epoch.h dies '/pgs_epoch_member_online/,/^}/s/fence_seq_cst();//'
mutant epoch epoch.h dies '/pgs_epoch_now/,/^}/s/fence_seq_cst();//'
mutant epoch epoch.h dies 's/store_release(&member->announced, 0)/store_relaxed(\&member->announced, 0)/'
mutant epoch epoch.h dies 's/store_release(&member->announced, now)/store_relaxed(\&member->announced, now)/'
mutant epoch epoch.h dies 's/sub_release(/sub_relaxed(/'
mutant epoch epoch.h dies 's/if (likely(load_relaxed(&domain->global) == now))/if (now)/'
mutant epoch epoch.c dies 's/if (announced == 0 || announced == now) continue/if (announced != 0) continue/'
mutant epoch epoch.c dies 's/load_acquire(&m->announced)/load_relaxed(\&m->announced)/'
mutant epoch epoch.c dies 's/load_acquire(&domain->visitors/load_relaxed(\&domain->visitors/'
mutant epoch epoch.c dies 's/((now + 1) & 1)/(now \& 1)/'
mutant epoch epoch.h dies '/pgs_epoch_member_enter/,/^}/s/fence_light();//'
mutant epoch epoch.h dies 's/store_release(&member->inside/store_relaxed(\&member->inside/'
mutant epoch epoch.h dies 's/load_relaxed(&member->inside) - 1/0/'
mutant epoch epoch.h dies 's/load_relaxed(&member->inside) + 1/0/'
mutant epoch epoch.c dies 's/load_acquire(&m->inside)/load_relaxed(\&m->inside)/'
mutant epoch epoch.c dies 's/if (!fenced || !is_outside(m))/if (!fenced)/'
mutant epoch epoch.c dies 's/if (!fenced || !is_outside(m))/if (!is_outside(m))/'
mutant epoch epoch.c dies 's/ || !fence_heavy()//'
mutant epoch epoch.c dies 's/!fence_heavy()/(fence_seq_cst(), false)/'
mutant epoch epoch.c dies '/pgs_epoch_force_advance/,/^}/{s/uint64_t now =/bool heavy = fence_heavy(); uint64_t now =/;s/!fence_heavy()/!heavy/}'
mutant epoch epoch.c dies '/pgs_epoch_force_advance/,/^}/s/!visitors_allow(domain, now) || //'
mutant epoch epoch.c dies 's/cas_seq_cst(&domain->global/cas_acq_rel(\&domain->global/'
# Only with weak orders: a visitor's counting is a locked instruction and a full fence by itself on x86, and the advance's
# fence orders loads.
mutant epoch epoch.h dies '/pgs_epoch_enter/,/^}/s/fence_seq_cst();//'
mutant epoch epoch.c dies '/pgs_epoch_try_advance/,/^}/s/fence_seq_cst();//'
mutant epoch epoch.c dies '/pgs_epoch_force_advance/,/^}/s/fence_seq_cst();//'

# ring
mutant ring ring.h dies '/^static inline bool pgs_ring_reader_sleeps/,/^}/s/fence_seq_cst();//'
mutant ring ring.h dies '/^static inline bool pgs_ring_reader_sleep(/,/^}/s/fence_seq_cst();//'
mutant ring ring.h dies '/^static inline bool pgs_ring_writer_sleep/,/^}/s/fence_seq_cst();//'
mutant ring ring.h dies '/^static inline bool pgs_ring_writer_wake/,/^}/s/fence_seq_cst();//'
mutant ring ring.h dies 's/store_release(&w->shared->tail, w->tail)/store_relaxed(\&w->shared->tail, w->tail)/'
mutant ring ring.h dies 's/store_release(&r->shared->head, r->head)/store_relaxed(\&r->shared->head, r->head)/'
mutant ring ring.h dies 's/load_acquire(&w->shared->head)/load_relaxed(\&w->shared->head)/'
mutant ring ring.h dies 's/load_acquire(&r->shared->tail)/load_relaxed(\&r->shared->tail)/'
mutant ring ring.h dies '/^static inline void \*pgs_ring_reserve/,/^}/s/    return w->data/    store_release(\&w->shared->tail, w->tail + bytes); return w->data/'
mutant ring ring.h dies 's/w->limit = head + w->mask + 1;/w->limit = head + w->mask + 17;/'
mutant ring ring.h dies 's/if (likely(room < bytes \&\& !w->broken)) return true;/return true;/'
mutant ring ring.h dies 's/if (likely(pgs_ring_reader_look(r) == 0 \&\& !r->broken)) return true;/return true;/'
mutant ring ring.h dies 's/(w->tail + bytes - w->mask - 1) | 1)/(w->tail + bytes + 15 - w->mask) | 1)/'
mutant ring ring.h dies 's/(int64_t)(r->head + 1 - wanted) < 0/(int64_t)(r->head - wanted) < 0/'
mutant ring ring.h dies 's/ \&\& xchg_relaxed(&w->shared->reader_sleeps, 0);/;/'
mutant ring ring.h dies 's/return xchg_relaxed(&r->shared->writer_waits, 0) != 0;/return true;/'

# idle
mutant idle idle.c dies 's/} while (anyone_idle(s) && (pgs_idle_any_work(s) ||/} while (anyone_idle(s) \&\& (0 ||/'
mutant idle idle.c dies 's/(pgs_idle_any_work(s) || pgs_poller_is_unwatched(&s->poller))/pgs_idle_any_work(s)/'
mutant idle idle.c dies 's/add_relaxed(&s->searching, 1); .. again.*/return !load_acquire(\&s->stopping);/'
mutant idle idle.c dies '/w->searching = true;/,/return/s/wake_monitor(s);//'
mutant idle idle.c dies '/go_online(pgs_worker/,/^}/s/wake_monitor(w->face.sched);//'
mutant idle idle.c dies '/^static bool show_idle/,/^}/s/ || pgs_idle_any_work(s);/;/'
mutant idle idle.c dies '/^static bool show_idle/,/^}/s/return .* || /return /'
mutant idle idle.c dies '/^static bool show_idle/,/^}/s/set_idle(s, w->number);//'
mutant idle idle.c dies '/^static void wind_up/,/^}/s/stop_searching(w);//'
mutant idle idle.c dies '/^void pgs_idle_hand_over/,/^}/s/bool sleeps = .*/bool sleeps = false;/'
mutant idle idle.c dies '/^void pgs_idle_hand_over/,/^}/s/ \&\& clear_idle(s, to->number)//'
mutant idle idle.c dies '/^void pgs_idle_hand_over/,/^}/s/add_relaxed(&s->searching, 1);//'
mutant idle idle.c dies '/^void pgs_idle_hand_over/,/^}/s/give_inbox(to);//'
mutant idle idle.c dies '/^void pgs_idle_hand_over/,/^}/s/^    fence_seq_cst();$//'
mutant idle idle.c dies '/^void pgs_idle_hand_over/,/^}/s/pgs_idle_hint(s);//'
mutant idle idle.c dies '/^bool pgs_idle_retire_if_surplus/,/^}/s/give_inbox(w);//'
mutant idle idle.c dies '/pgs_idle_found_work/,/^}/s/if (stop_searching(w).*/stop_searching(w);/'
mutant idle idle.c dies '/retire_if_surplus/,/^}/s/if (pgs_idle_any_work(s)) pgs_idle_wake_one(s);//'
mutant idle monitor.c dies '/monitor_may_park/,/^}/s/if (watched && everyone_sleeps(s) && !pgs_idle_any_work(s)) return true/return true/'
mutant idle monitor.c dies '/monitor_may_park/,/^}/s/if (watched && /if (/'
mutant idle idle.c dies '/^int pgs_source_add/,/^}/s/if (pgs_poller_is.*//'
mutant idle idle.c dies '/^static bool sleep_until/,/^}/s/if (!pgs_parker_poll_begin.*//'
mutant idle idle.c dies 's/if (watches) end_watch(s);/if (watches) pgs_poller_give_back(\&s->poller);/'
mutant idle idle.c dies '/^static void end_watch/,/^}/s/pgs_poller_give_back(&s->poller);//'
mutant idle poller.h dies '/pgs_poller_look/,/^}/s/pgs_poller_give_back(p);//'
mutant idle poller.h dies '/pgs_poller_take/,/^}/s/return load_relaxed.*/store_relaxed(\&p->watch, who); return true;/'
mutant idle idle.c dies '/^static void give_inbox/,/^}/s/pgs_injector_pop_waiting/pgs_injector_pop/'
mutant idle idle.c dies '/^static void give_inbox/,/^}/s/while (/if (/'
# Only with weak orders: on x86 the locked instruction before it is the fence.
mutant idle idle.c dies '/^static bool show_idle/,/^}/s/fence_seq_cst();//'

# timer
mutant timer timer.c dies 's/xchg_release(&w->lock, FREE)/xchg_relaxed(\&w->lock, FREE)/'
mutant timer timer.c dies 's/if (unlikely(!cas_acquire(&w->lock/if (unlikely(!cas_relaxed(\&w->lock/'
mutant timer timer.c dies 's/while (xchg_acquire(&w->lock, CONTENDED)/while (xchg_relaxed(\&w->lock, CONTENDED)/'
mutant timer timer.c dies 's/while (xchg_acquire(&w->lock, CONTENDED)/while (xchg_acquire(\&w->lock, HELD)/'
mutant timer timer.c dies 's/if (pending) remove_pending(w, timer);//'
mutant timer timer.c dies '/^bool pgs_wheel_add_with/,/^}/{s/    add(w, timer, deadline);//;s/commit(arg);/commit(arg); add(w, timer, deadline);/}'
mutant timer timer.c dies 's/if (!committed) remove_pending(w, timer);//'
mutant timer timer.c dies 's/if (w->tick > target) return false;//'
mutant timer timer.c dies '/^static void remove_pending/,/^}/s/if (take_out(w, timer)) refresh_next(w);/take_out(w, timer);/'
mutant timer alarm.h dies 's/if (!alarm->wait->claim(alarm->task)) return;/(void)alarm->wait->claim(alarm->task);/'
mutant timer alarm.h dies 's/    pgs_timer_cancel(&alarm->timer);//'
mutant timer alarm.h dies 's/alarm->timed_out = true;//'
# Both in one section of the lock, which who cancels waits for.
mutant timer alarm.h lives '/^static inline void pgs_alarm_fire/,/^}/{s/    alarm->timed_out = true;//;s/    pgs_ready(alarm->sched, alarm->task);/&alarm->timed_out = true;/}'

# stop
mutant stop scheduler.c dies 's/pgs_parker_unpark(&pgs_worker_at(s, i)->parker);//' 'two workers'
mutant stop scheduler.c dies '/^static void stop_threads/,/^}/s/pgs_parker_unpark(&s->monitor_parker);//' 'the monitor and'
mutant stop scheduler.c dies '/^static void stop_threads/,/^}/{s/    store_release(&s->stopping, true);.*//;s/    for .* pthread_join(pgs_worker/    store_release(\&s->stopping, true);\n&/}' 'two workers'
mutant stop scheduler.c dies 's/pthread_join(pgs_worker_at(s, i)->thread, NULL);//' 'two workers'
mutant stop scheduler.c dies 's/pthread_join(s->monitor, NULL);//' 'the monitor and'
mutant stop idle.c dies 's/while (load_relaxed(&w->retired) \&\& !load_relaxed(&s->stopping))/while (load_relaxed(\&w->retired))/' 'retires'
mutant stop idle.c dies '/^static bool sleep_until/,/^}/s/if (!pgs_parker_poll_begin.*//' 'epoll'
mutant stop monitor.c dies 's/while (!load_acquire(&s->stopping))/while (true)/' 'the monitor and'
mutant stop idle.c dies '/^bool pgs_idle_park/,/^}/s/    return !load_acquire(&s->stopping);.*/    return true;/' 'two workers'
mutant stop idle.c dies 's/if (show_idle(w) || load_relaxed(&s->stopping)) {/if (show_idle(w)) {/' 'retires'
# Only with weak orders: whoever is woken has to see why.
mutant stop parker.c dies 's/xchg_release(&p->state, PGS_PARKER_NOTIFIED)/xchg_relaxed(\&p->state, PGS_PARKER_NOTIFIED)/' 'retires'

# process
mutant process runtime/wait.c dies 's/return cas_release(&sleeper->token, &awake, PGI_WAITING);/store_release(\&sleeper->token, PGI_WAITING); return true;/' 'a wait, an end'
mutant process runtime/wait.c dies 's/return cas_acquire(&sleeper->token, &waiting, PGI_WOKEN);/return true;/' 'a wait, an end'
mutant process runtime/wait.c dies 's/told \&\& sched == rt->sched/sched == rt->sched/' 'a wait, an end'
mutant process runtime/wait.c dies 's/if (!ended) pgi_watcher_remove(p, &watcher);//' 'a wait, an end'
mutant process runtime/link.c dies 's/if (xchg_acq_rel(&sleeper->token, PGI_TOLD) != PGI_WAITING) return;/xchg_acq_rel(\&sleeper->token, PGI_TOLD);/' 'a wait, an end'
mutant process runtime/receive.c dies '/^static bool claim_receive/,/^}/s/return pgs_mpsc_claim(&pgi_of_task(task)->mailbox);/return true;/' 'a receive, a sender'
mutant process runtime/receive.c dies '/^static bool commit_receive/,/^}/s/return pgs_mpsc_sleep(&p->mailbox, p->scan);/pgs_mpsc_sleep(\&p->mailbox, p->scan); return true;/' 'a receive, a sender'
mutant process runtime/runtime.c dies 's/pgi_sleeper_claim(&p->sleeper.task) || //' 'a sleep'
mutant process runtime/runtime.c dies '/^static void kill_waiting/,/^}/s/pgs_ready(rt->sched, &p->sleeper.task);//' 'a sleep'
mutant process runtime/exit.c dies 's/if (dropped) pgi_count_dropped(rt, local, dropped);//' 'terminate'
mutant process runtime/process.c dies 's/if (!pgs_mpsc_rest(&p->mailbox, &released)) return false;/pgs_mpsc_rest(\&p->mailbox, \&released);/' 'two senders'
mutant process runtime/spawn.c dies 's/if (unlikely(!local \&\& load_seq_cst(&rt->stopping))) {/if (false) {/' 'spawns'
mutant process runtime/spawn.c dies '/^pg_process .pgi_spawn_attached/,/^}/s/if (unlikely(load_seq_cst(&rt->stopping))) {/if (false) {/' 'attaches'
mutant process runtime/runtime.c dies 's/    each_process(rt, tell_attached, &n);//' 'attaches'
mutant process runtime/runtime.c dies '/^static totals sum/,/^}/{/add_ended/d;s/return t;/pgs_sched_each_local(rt->sched, add_ended, \&t); add_ended(\&t, \&rt->foreign); return t;/}' 'a count'
# Only with weak orders: who stops looks for what was spawned before it is seen that it stops.
mutant process runtime/runtime.c dies 's/load_seq_cst(&((pgi_local .)local)->spawned)/load_relaxed(\&((pgi_local *)local)->spawned)/' 'spawns'

# slots
mutant slots runtime/slots.c dies 's/pgs_epoch_now(pgs_sched_epoch(rt->sched))/0/' 'a worker sends'
mutant slots runtime/slots.c dies 's/ \&\& pgs_epoch_passed(epoch, cache->resting\[cache->oldest\].stamp)//' 'a worker sends'
mutant slots runtime/slots.c dies '/^static pg_process .empty_some/,/^}/s/drop_mail(rt, p);//' 'a worker sends'
mutant slots runtime/slots.c dies '/^static PGS_COLD void drop_mail_rarely/,/^}/s/pgi_count_dropped(rt, local, dropped);//' 'a worker sends'
mutant slots runtime/send.c dies 's/    pgs_epoch_member_\(enter\|leave\)(member);//' 'forced'
mutant slots runtime/exit.c dies 's/    store_release(&p->id, 0);.*//' 'a worker sends'
# Who looks at it looks at the pid as well, which is cleared under the same lock.
mutant slots runtime/exit.c lives '/^static inline size_t part/,/^}/s/    p->dying = true;//' 'links'
mutant slots runtime/wait.c dies 's/if (!pgi_slot_is(p, pid)) {/if (false) {/' 'links'
mutant slots runtime/link.c dies '/^static int link_in/,/^}/s/bool ended = .*/bool ended = false;/' 'links'
mutant slots epoch.h dies 's/>= stamp + 2;/>= stamp + 1;/' 'a worker sends'
# Only with store buffers, or weak orders: the sender still holds back that it is inside.
mutant slots epoch.c dies 's/!fence_heavy()/(fence_seq_cst(), false)/' 'forced'
# Only with weak orders: the sender has left, and its message is not seen yet.
mutant slots epoch.h dies '/pgs_epoch_member_leave/,/^}/s/store_release(&member->inside/store_relaxed(\&member->inside/' 'forced'

echo "$killed killed, $lived lived"
exit $wrong
