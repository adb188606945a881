//! The global allocator is jemalloc, which allocates and frees small blocks in several threads faster than glibc does.
//! Debian packages no crate of it; this is what `tikv-jemallocator` does, over the library of libjemalloc-dev.

use std::{
    alloc::{GlobalAlloc, Layout},
    ffi::c_void,
    os::raw::c_int,
};

#[link(name = "jemalloc_pic", kind = "static", modifiers = "-bundle")]
extern "C" {
    fn mallocx(size: usize, flags: c_int) -> *mut c_void;
    fn rallocx(block: *mut c_void, size: usize, flags: c_int) -> *mut c_void;
    fn sdallocx(block: *mut c_void, size: usize, flags: c_int);
}

const MALLOCX_ZERO: c_int = 0x40;

/// MALLOCX_LG_ALIGN of jemalloc.h; 0, its fast path, for what any block is aligned to.
fn flags(layout: Layout) -> c_int {
    if layout.align() <= 16 && layout.align() <= layout.size() {
        0
    } else {
        layout.align().trailing_zeros() as c_int
    }
}

pub struct Jemalloc;

unsafe impl GlobalAlloc for Jemalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        mallocx(layout.size(), flags(layout)).cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        mallocx(layout.size(), flags(layout) | MALLOCX_ZERO).cast()
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let layout = Layout::from_size_align_unchecked(size, layout.align());
        rallocx(block.cast(), size, flags(layout)).cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        sdallocx(block.cast(), layout.size(), flags(layout));
    }
}
