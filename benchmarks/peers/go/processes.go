package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// spawnBulk starts 1,000,000 goroutines that only end, from one, and waits for all.
func spawnBulk(scale int) (report, error) {
	processes := 1000000 / scale
	var running sync.WaitGroup
	start := time.Now()
	running.Add(processes)
	for i := 0; i < processes; i++ {
		go running.Done()
	}
	running.Wait()
	return report{operations: processes, took: time.Since(start)}, nil
}

// spawnOne starts as many one after the other, and waits for each.
func spawnOne(scale int) (report, error) {
	processes := 1000000 / scale
	done := make(chan message)
	total := 0
	start := time.Now()
	for i := 0; i < processes; i++ {
		go func() { done <- message{answer, 1} }()
		m := <-done
		total += m.value
	}
	took := time.Since(start)
	return report{operations: processes, took: took}, expect(total, processes)
}

// idle starts 1,000,000 goroutines that each wait for a message in a mailbox of their own; an operation is one of them
// started. The figures: the bytes of resident memory for each, after a garbage collection, and the nanoseconds of
// a message to each, all sent first, with its answer.
func idle(scale int) (report, error) {
	processes := 1000000 / scale
	before, err := resident()
	if err != nil {
		return report{}, err
	}

	mailboxes := make([]chan message, processes)
	answers := make(chan message, mailboxCapacity)
	var started sync.WaitGroup
	start := time.Now()
	started.Add(processes)
	for i := range mailboxes {
		mailbox := make(chan message)
		mailboxes[i] = mailbox
		go func() {
			started.Done()
			m := <-mailbox
			answers <- message{answer, m.value + 1}
		}()
	}
	started.Wait()
	spawned := time.Since(start)

	after, err := resident()
	if err != nil {
		return report{}, err
	}
	start = time.Now()
	for i, mailbox := range mailboxes {
		mailbox <- message{ping, i}
	}
	total := 0
	for range mailboxes {
		m := <-answers
		total += m.value
	}
	answered := time.Since(start)
	figures := fmt.Sprintf("bytes=%d answer=%.2f", (after-before)/processes,
		float64(answered.Nanoseconds())/float64(processes))
	return report{processes, spawned, figures}, expect(total, processes*(processes+1)/2)
}

// skynet adds the numbers of 1,000,000 leaves up a tree with ten children at each inner node, a goroutine each; never
// scaled. An operation is a leaf, so that the nanoseconds of one are the milliseconds of all. The figure is the peak
// of resident memory.
func skynet(int) (report, error) {
	const leaves = 1000000
	root := make(chan message)
	start := time.Now()
	go node(root, 0, leaves)
	m := <-root
	took := time.Since(start)
	peak, err := memory("VmHWM:")
	if err != nil {
		return report{}, err
	}
	figures := fmt.Sprintf("peak_MB=%.1f", float64(peak)/(1<<20))
	return report{leaves, took, figures}, expect(m.value, leaves*(leaves-1)/2)
}

func node(parent chan<- message, first, leaves int) {
	const children = 10
	if leaves == 1 {
		parent <- message{sum, first}
		return
	}
	sums := make(chan message, children)
	part := leaves / children
	for i := 0; i < children; i++ {
		go node(sums, first+i*part, part)
	}
	total := 0
	for i := 0; i < children; i++ {
		m := <-sums
		total += m.value
	}
	parent <- message{sum, total}
}

// fib computes fib(25), or fib(20) when scaled, with a goroutine for each call.
func fib(scale int) (report, error) {
	n, number, calls := 25, 75025, 242785
	if scale > 1 {
		n, number, calls = 20, 6765, 21891
	}
	result := make(chan message)
	start := time.Now()
	go fibonacci(result, n)
	m := <-result
	took := time.Since(start)
	return report{operations: calls, took: took}, expect(m.value, number)
}

func fibonacci(parent chan<- message, n int) {
	if n < 2 {
		parent <- message{answer, n}
		return
	}
	answers := make(chan message, 2)
	go fibonacci(answers, n-1)
	go fibonacci(answers, n-2)
	a, b := <-answers, <-answers
	parent <- message{answer, a.value + b.value}
}

// resident returns the bytes of resident memory after a garbage collection.
func resident() (int, error) {
	debug.FreeOSMemory()
	return memory("VmRSS:")
}

// memory returns a line of /proc/self/status, in bytes.
func memory(name string) (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, line, found := bytes.Cut(status, []byte(name))
	if !found {
		return 0, fmt.Errorf("/proc/self/status has no %s", name)
	}
	var kilobytes int
	if _, err := fmt.Sscan(string(line), &kilobytes); err != nil {
		return 0, err
	}
	return kilobytes * 1024, nil
}
