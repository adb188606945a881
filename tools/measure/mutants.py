"""mutants - finds what can be broken in a lock-free source, from its text alone; imported by mutate.py, never run.

Three kinds, one change each:

    load_acquire -> load_relaxed    an order is made the next weaker one; acq_rel has two of them
    drop fence_seq_cst              a fence is left out; a heavy one says that it was done
    swap store_relaxed, fence_light two statements that stand side by side, and both touch atomics, change places

The last only where the C11 orders of the two forbid it. Where they do not, a compiler may do the same, so that it is no
change: two relaxed operations on different objects, say, or a release store before a relaxed load. A call counts as
the operations in the function called, if it is in one of the sources. Assertions are left alone.

A mutant is named by file, function, change, and a number if the function has several of the same: by no line, so that a
name lasts as long as what it speaks of.

The sources are not parsed as C, but read as this project lays them out: a function begins and ends with a brace in the
first column.
"""

import re
from dataclasses import dataclass

WEAKER = {
    "load": {"seq_cst": ["acquire"], "acquire": ["relaxed"]},
    "store": {"seq_cst": ["release"], "release": ["relaxed"]},
    "rmw": {"seq_cst": ["acq_rel"], "acq_rel": ["acquire", "release"], "acquire": ["relaxed"], "release": ["relaxed"]},
}
ACQUIRES = {"acquire", "acq_rel", "seq_cst"}
RELEASES = {"release", "acq_rel", "seq_cst"}
FENCES = {"fence_seq_cst": "(void)0", "fence_light": "(void)0", "fence_after_rmw": "(void)0", "fence_heavy": "true"}

OPERATION = re.compile(r"\b(load|store|xchg|cas|add|sub|or|and)_(relaxed|acquire|release|acq_rel|seq_cst)\s*\(")
FENCE = re.compile(rf"\b({'|'.join(FENCES)})\s*\(\s*\)")
CALL = re.compile(r"\b([a-z_][a-z0-9_]*)\s*\(")
CONTROL = re.compile(r"(if|else|for|while|do|switch|case|default|return|goto|break|continue|pgs_assert|pgi_assert)\b")


@dataclass(frozen=True)
class Mutant:
    file: str  # as sched/deque.h
    function: str
    change: str
    number: int  # from 1: which of the same changes in the function
    begin: int  # the text between the two offsets of the file
    end: int
    text: str  # takes its place

    @property
    def name(self):
        return self.file, self.function, self.change, str(self.number)

    def __str__(self):
        return f"{self.file} {self.function}: {self.change}" + (f" ({self.number})" if self.number > 1 else "")


@dataclass
class Function:
    name: str
    begin: int  # of its body, the braces included
    end: int


@dataclass
class Effect:
    """What a statement does to shared memory, as far as orders go."""

    names: list
    objects: set  # atomics that are named, to see whether two statements share one
    writes: bool = False
    acquires: bool = False
    releases: bool = False

    def is_ordered_before(self, other):
        """Whether the orders forbid that the two change places."""
        return self.acquires or other.releases or (bool(self.objects & other.objects) and (self.writes or other.writes))


def blank(text):
    """The same text with spaces for comments, literals and preprocessor lines: every offset stays."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:\\\n|[^\n])*'
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found.group()), text, flags=re.DOTALL | re.MULTILINE)


def functions_of(code):
    """The functions of a text without comments."""
    for body in re.finditer(r"^\{.*?^\}", code, re.DOTALL | re.MULTILINE):
        head = code[:body.start()].rstrip()
        head = head[max(head.rfind(";"), head.rfind("}"), head.rfind("\n\n")) + 1:]
        name = CALL.search(head)
        if name:
            yield Function(name.group(1), body.start(), body.end())


def closing(code, at):
    """The offset behind the brace or parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(code)):
        depth += code[i] in "({"
        depth -= code[i] in ")}"
        if depth == 0:
            return i + 1
    return len(code)


def statement_pairs(code, begin, end):
    """Pairs of (begin, end) of simple statements that follow each other in one block, between the offsets."""
    previous, at, start = None, begin, begin
    while at < end:
        head = code[start:at].strip()
        if code[at] == "(":
            at = closing(code, at)
        elif code[at] == "{":
            inside = at + 1
            at = closing(code, at)
            if not head or CONTROL.match(head):
                yield from statement_pairs(code, inside, at - 1)
                previous, start = None, at
        elif code[at] == ";":
            at += 1
            first = start + len(code[start:at]) - len(code[start:at].lstrip())
            simple = not CONTROL.match(head)
            if simple and previous:
                yield previous, (first, at)
            previous, start = (first, at) if simple else None, at
        else:
            at += 1


def first_argument(code, at):
    """The text of the first argument of a call whose parenthesis opens before `at`."""
    depth, i = 0, at
    while depth > 0 or code[i] not in ",)":
        depth += code[i] in "(["
        depth -= code[i] in ")]"
        i += 1
    return code[at:i].strip()


def effect_of(code, called):
    """The effect of a piece of code; `called` has those of functions."""
    effect = Effect([], set())
    for found in sorted([*OPERATION.finditer(code), *FENCE.finditer(code), *CALL.finditer(code)],
                        key=lambda found: found.start()):
        if found.re is CALL:
            inner = called.get(found.group(1))
            if not inner:
                continue
            effect.names.append(found.group(1))
            effect.acquires |= inner.acquires
            effect.releases |= inner.releases
        elif found.re is FENCE:
            effect.names.append(found.group(1))
            effect.acquires = effect.releases = True
        else:
            kind, order = found.groups()
            effect.names.append(f"{kind}_{order}")
            effect.objects.add(first_argument(code, found.end()))
            effect.writes |= kind != "load"
            effect.acquires |= order in ACQUIRES and kind != "store"
            effect.releases |= order in RELEASES and kind != "load"
    return effect


def effects_of_functions(sources):
    """{function: its effect} for all functions of the texts that touch atomics, by themselves or by a call."""
    bodies = {}
    for text in sources:
        code = blank(text)
        bodies.update((function.name, code[function.begin:function.end]) for function in functions_of(code))
    effects = {}
    while True:
        found = {name: effect_of(body, {other: effects[other] for other in effects if other != name})
                 for name, body in bodies.items()}
        found = {name: effect for name, effect in found.items() if effect.names}
        if {name: vars(effect) for name, effect in found.items()} == {n: vars(e) for n, e in effects.items()}:
            return effects
        effects = found


def changes_of(text, code, function, called):
    """(change, begin, end, text) for each thing that can be broken in a function, in the order of the text."""
    for found in OPERATION.finditer(code, function.begin, function.end):
        kind, order = found.groups()
        for weaker in WEAKER.get(kind, WEAKER["rmw"]).get(order, []):
            yield f"{kind}_{order} -> {kind}_{weaker}", *found.span(), f"{kind}_{weaker}("
    for found in FENCE.finditer(code, function.begin, function.end):
        yield f"drop {found.group(1)}", *found.span(), FENCES[found.group(1)]
    for (begin, middle), (second, end) in statement_pairs(code, function.begin + 1, function.end - 1):
        first_effect, second_effect = (effect_of(code[a:b], called) for a, b in ((begin, middle), (second, end)))
        if first_effect.names and second_effect.names and first_effect.is_ordered_before(second_effect):
            yield (f"swap {first_effect.names[0]}, {second_effect.names[0]}", begin, end,
                   text[second:end] + " " + text[begin:middle])


def mutants_of(file, text, called):
    """All mutants of a source, in the order of its functions."""
    code = blank(text)
    for function in functions_of(code):
        seen = {}
        for change, begin, end, new in changes_of(text, code, function, called):
            seen[change] = seen.get(change, 0) + 1
            yield Mutant(file, function.name, change, seen[change], begin, end, new)


def missing_orders(atomic_h):
    """Definitions of the weakened operations that sched/atomic.h has no use for, for a forced include."""
    lines = []
    for kind in ("xchg", "cas", "add", "sub", "or", "and"):
        for order in ("relaxed", "acquire", "release", "acq_rel"):
            if f"#define {kind}_{order}(" in atomic_h:
                continue
            fetch = "exchange" if kind == "xchg" else f"fetch_{kind}"
            lines.append(f"#define {kind}_{order}(p, v) MODEL_RMW(p, MODEL_{kind.upper()}, v, MODEL_{order.upper()})\n"
                         f"#else\n"
                         f"#define {kind}_{order}(p, v) atomic_{fetch}_explicit((p), (v), memory_order_{order})\n")
    return "".join(f"#if defined(PGS_MODEL)\n{line}#endif\n" for line in lines)
