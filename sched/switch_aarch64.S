/* switch_aarch64.S - saves one context and continues another (AAPCS64).  fiber.c says who calls.
 *
 * Kept: x19 to x30, sp, the low halves of v8 to v15, and FPCR, whose write is skipped when nothing differs, because it
 * is slow.  FPSR, the status bits, is not callee-saved.  x18, the platform register, is not touched.
 *
 * The return is a plain `ret`: it needs no landing pad under branch target identification (BTI), and return addresses
 * signed by pointer authentication (PAC) verify, since a fiber continues at the stack pointer that it left at.  So the
 * object may carry the BTI and PAC marks, and does when the rest is compiled with them.  It does not carry that of the
 * guarded control stack, a shadow stack, for the reasons given in switch_x86_64.S. */
#if defined(__aarch64__) && defined(__LP64__) && !defined(PGS_FIBER_UCONTEXT)

#define FRAME 176

    .text
    .globl pgs_fiber_context_switch
    .hidden pgs_fiber_context_switch
    .type pgs_fiber_context_switch, %function
    .p2align 5
/* x0: from, x1: to; the saved sp is the first field of each.  `struct frame` of fiber.c is what lies on the stack. */
pgs_fiber_context_switch:
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #FRAME
    .cfi_def_cfa_offset FRAME
    stp d8, d9, [sp, #0]
    stp d10, d11, [sp, #16]
    stp d12, d13, [sp, #32]
    stp d14, d15, [sp, #48]
    stp x19, x20, [sp, #64]
    stp x21, x22, [sp, #80]
    stp x23, x24, [sp, #96]
    stp x25, x26, [sp, #112]
    stp x27, x28, [sp, #128]
    stp x29, x30, [sp, #144]
    .cfi_rel_offset x19, 64
    .cfi_rel_offset x20, 72
    .cfi_rel_offset x21, 80
    .cfi_rel_offset x22, 88
    .cfi_rel_offset x23, 96
    .cfi_rel_offset x24, 104
    .cfi_rel_offset x25, 112
    .cfi_rel_offset x26, 120
    .cfi_rel_offset x27, 128
    .cfi_rel_offset x28, 136
    .cfi_rel_offset x29, 144
    .cfi_rel_offset x30, 152
    .cfi_rel_offset d8, 0
    .cfi_rel_offset d9, 8
    .cfi_rel_offset d10, 16
    .cfi_rel_offset d11, 24
    .cfi_rel_offset d12, 32
    .cfi_rel_offset d13, 40
    .cfi_rel_offset d14, 48
    .cfi_rel_offset d15, 56
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x10, sp

    str x10, [x0]
    ldr x11, [x1]
    mov sp, x11

    /* From here on the frame is that of `to`, of the same shape, so the notes above hold on. */
    ldr x10, [sp, #160]
    cmp x9, x10
    b.ne 2f
1:  ldp d8, d9, [sp, #0]
    ldp d10, d11, [sp, #16]
    ldp d12, d13, [sp, #32]
    ldp d14, d15, [sp, #48]
    ldp x19, x20, [sp, #64]
    ldp x21, x22, [sp, #80]
    ldp x23, x24, [sp, #96]
    ldp x25, x26, [sp, #112]
    ldp x27, x28, [sp, #128]
    ldp x29, x30, [sp, #144]
    .cfi_remember_state
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
    add sp, sp, #FRAME
    .cfi_def_cfa_offset 0
    ret
    .cfi_restore_state
2:  msr fpcr, x10
    b 1b
    .cfi_endproc
    .size pgs_fiber_context_switch, .-pgs_fiber_context_switch

    .globl pgs_fiber_context_begin
    .hidden pgs_fiber_context_begin
    .type pgs_fiber_context_begin, %function
    .p2align 4
    .cfi_startproc
    .cfi_undefined x30
    /* A fiber not yet started "returns" to the label, and unwinders look up the address before a return address. */
    nop
pgs_fiber_context_begin:
    mov x0, x19
    blr x20
    brk #1
    .cfi_endproc
    .size pgs_fiber_context_begin, .-pgs_fiber_context_begin

#if defined(__ARM_FEATURE_BTI_DEFAULT) || defined(__ARM_FEATURE_PAC_DEFAULT)
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4          /* length of the name */
    .long 16         /* length of the property */
    .long 5          /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000000 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
    .long 4
    .long 3          /* BTI and PAC */
    .long 0
#endif

#endif

    .section .note.GNU-stack, "", %progbits
