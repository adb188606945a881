/* switch_x86_64.S - saves one context and continues another (System V ABI, x86-64).  fiber.c says who calls.
 *
 * Kept: rbx, rbp, r12 to r15, rsp, and the control bits of MXCSR and of the x87 unit, which the ABI calls callee-saved.
 * MXCSR's status bits (0 to 5) are not, so they are compared out: loading MXCSR or the control word costs more than all
 * the rest, and they are hardly ever different.  Everything else is the caller's to save, as for any call.
 *
 * The return is a `ret`.  It is predicted to go behind the latest call, which is the one in pgs_fiber_switch() for all
 * fibers alike; and the returns behind it are predicted right as well, where both fibers stand at the same depth of the
 * same calls, as those that wait in a receive do.  A pop and an indirect jump leave one entry too many on the
 * processor's stack of return addresses, and all that follow are predicted wrong: a message between two processes that
 * block took 66 ns so, and takes 40.  (Where each side calls the switch from a place of its own it is the other way
 * round: 37 ns a round trip with a `ret`, and 18 without.)
 *
 * Shadow stacks (CET): the object carries no .note.gnu.property, so a linker drops the SHSTK and IBT marks from
 * whatever it becomes part of, and the kernel leaves shadow stacks off for it.  Supporting them would need one shadow
 * stack for each fiber, made by a system call and switched to by rstorssp: memory and time that fibers are to save.
 *
 * Unwinding: pgs_fiber_context_begin declares its return address undefined, which is how debuggers, backtrace() and
 * the C++ unwinder recognise the outermost frame. */
#if defined(__x86_64__) && defined(__LP64__) && !defined(PGS_FIBER_UCONTEXT)

#define MXCSR_STATUS 0x3f

    .text
    .globl pgs_fiber_context_switch
    .hidden pgs_fiber_context_switch
    .type pgs_fiber_context_switch, @function
    .p2align 5
/* rdi: from, rsi: to; the saved rsp is the first field of each.  `struct frame` of fiber.c lies on the stack. */
pgs_fiber_context_switch:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movl (%rsp), %eax
    movzwl 4(%rsp), %edx

    movq %rsp, (%rdi)
    movq (%rsi), %rsp

    /* From here on the frame is that of `to`, of the same shape, so the notes above hold on. */
    xorl (%rsp), %eax
    testl $~MXCSR_STATUS, %eax
    jne 2f
1:  cmpw 4(%rsp), %dx
    jne 3f
4:  addq $8, %rsp
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret
    .cfi_restore_state
2:  ldmxcsr (%rsp)
    jmp 1b
3:  fldcw 4(%rsp)
    jmp 4b
    .cfi_endproc
    .size pgs_fiber_context_switch, .-pgs_fiber_context_switch

    .globl pgs_fiber_context_begin
    .hidden pgs_fiber_context_begin
    .type pgs_fiber_context_begin, @function
    .p2align 4
    .cfi_startproc
    .cfi_undefined rip
    /* A fiber not yet started "returns" to the label, and unwinders look up the address before a return address. */
    nop
pgs_fiber_context_begin:
    movq %r12, %rdi
    callq *%r13
    ud2
    .cfi_endproc
    .size pgs_fiber_context_begin, .-pgs_fiber_context_begin

#endif

    .section .note.GNU-stack, "", @progbits
