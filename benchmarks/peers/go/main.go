// Compare is the peer of the benchmarks in Go: a process is a goroutine, its mailbox a channel.
//
//	cd benchmarks/peers/go && go build -o DIRECTORY/compare .
//	compare WORKLOAD WORKERS SCALE
//
// It runs one workload with GOMAXPROCS=WORKERS, its counts divided by SCALE, checks the result and prints
//
//	WORKLOAD WORKERS NANOSECONDS_PER_OPERATION [NAME=VALUE...]
//
// It exits with 1 if the result is wrong, and with 77 for a workload that Go does not have: mailbox_long, as a receive
// does not select among the messages of a channel. What is measured stands at each workload: those of messages are in
// messages.go, those of processes in processes.go.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

// A message is what the processes send each other. The value goes into each workload's check.
type message struct {
	tag   tag
	value int
}

type tag int

const (
	ping tag = iota
	pong
	token
	item
	answer
	sum
)

// A report is what one run of a workload has measured.
type report struct {
	operations int
	took       time.Duration
	figures    string // further figures, NAME=VALUE each
}

// A workload runs with its counts divided by scale, and fails if its result is wrong.
type workload struct {
	run    func(scale int) (report, error)
	warmUp bool // runs a tenth first: where neither memory nor its first use is measured
}

var workloads = map[string]workload{
	"pingpong":   {pingpong, true},
	"ring":       {ring, true},
	"flood":      {flood, true},
	"flow":       {flow, true},
	"big":        {big, false},
	"call":       {call, true},
	"spawn_bulk": {spawnBulk, false},
	"spawn_one":  {spawnOne, true},
	"idle":       {idle, false},
	"skynet":     {skynet, false},
	"fib":        {fib, false},
}

const (
	exitFailure        = 1
	exitUsage          = 2
	exitNoSuchWorkload = 77
	warmUpPart         = 10
	mailboxCapacity    = 1024 // of a mailbox with many senders
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: compare WORKLOAD WORKERS SCALE")
		os.Exit(exitUsage)
	}
	name := os.Args[1]
	workers, scale := positive(os.Args[2]), positive(os.Args[3])
	w, ok := workloads[name]
	if !ok {
		os.Exit(exitNoSuchWorkload)
	}
	runtime.GOMAXPROCS(workers)
	if w.warmUp {
		if _, err := w.run(scale * warmUpPart); err != nil {
			fail(name, err)
		}
	}
	r, err := w.run(scale)
	if err != nil {
		fail(name, err)
	}
	perOperation := float64(r.took.Nanoseconds()) / float64(r.operations)
	fmt.Printf("%s %d %.2f", name, workers, perOperation)
	if r.figures != "" {
		fmt.Print(" ", r.figures)
	}
	fmt.Println()
}

func positive(argument string) int {
	n, err := strconv.Atoi(argument)
	if err != nil || n < 1 {
		fmt.Fprintf(os.Stderr, "compare: %q is no positive number\n", argument)
		os.Exit(exitUsage)
	}
	return n
}

func fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "compare: %s: %v\n", name, err)
	os.Exit(exitFailure)
}

// expect returns an error unless the result is the one expected.
func expect(result, expected int) error {
	if result != expected {
		return fmt.Errorf("the result is %d instead of %d", result, expected)
	}
	return nil
}
