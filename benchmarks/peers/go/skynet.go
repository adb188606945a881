// skynet.go - the tree of examples/skynet.c with goroutines: one for each node, a channel for each inner one.
//
//	go run skynet.go
//
// Prints the sum, the milliseconds and the peak of resident memory, as the C program does.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

const leaves = 1000000

func node(parent chan<- int, first, size int) {
	if size == 1 {
		parent <- first
		return
	}
	children := make(chan int, 10)
	part := size / 10
	for i := 0; i < 10; i++ {
		go node(children, first+i*part, part)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	parent <- sum
}

func main() {
	root := make(chan int)
	begin := time.Now()
	go node(root, 0, leaves)
	sum := <-root
	took := time.Since(begin)
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	fmt.Printf("sum %d in %.1f ms, peak %.1f MB\n", sum, float64(took.Nanoseconds())/1e6, float64(usage.Maxrss)/1024)
	if sum != leaves*(leaves-1)/2 {
		os.Exit(1)
	}
}
