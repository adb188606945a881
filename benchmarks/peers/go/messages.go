package main

import (
	"math"
	"runtime"
	"time"
)

// pingpong sends 2,000,000 messages one after the other between two goroutines; each adds one to the value. The
// channels are unbuffered: a message is handed over to the one that waits for it.
func pingpong(scale int) (report, error) {
	rounds := 1000000 / scale
	pings, pongs := make(chan message), make(chan message)
	start := time.Now()
	go func() {
		defer close(pongs)
		for m := range pings {
			pongs <- message{pong, m.value + 1}
		}
	}()
	value := 0
	for i := 0; i < rounds; i++ {
		pings <- message{ping, value + 1}
		m := <-pongs
		value = m.value
	}
	took := time.Since(start)
	close(pings)
	return report{operations: 2 * rounds, took: took}, expect(value, 2*rounds)
}

// ring passes a token through 503 goroutines, 5,000,000 hops. Its value is the number of hops left; the member that
// gets the last one says which it is.
func ring(scale int) (report, error) {
	const members = 503
	hops := 5000000 / scale
	last := make(chan message)
	first := make(chan message)
	in := first
	for i := 0; i < members; i++ {
		out := first
		if i < members-1 {
			out = make(chan message)
		}
		go member(i, in, out, last)
		in = out
	}
	start := time.Now()
	first <- message{token, hops}
	m := <-last
	took := time.Since(start)
	return report{operations: hops, took: took}, expect(m.value, hops%members)
}

// member passes tokens on. The one that gets the last token ends, and the others after it, as each closes its
// successor's channel.
func member(index int, in <-chan message, out, last chan<- message) {
	defer close(out)
	for m := range in {
		if m.value == 0 {
			last <- message{answer, index}
			return
		}
		out <- message{token, m.value - 1}
	}
}

// flood sends 1,000,000 messages from each of ten goroutines to one, as fast as they go.
func flood(scale int) (report, error) {
	return toOne(scale, func(int) {})
}

// flow is flood with senders that yield after every 100 messages.
func flow(scale int) (report, error) {
	return toOne(scale, func(sent int) {
		if sent%100 == 0 {
			runtime.Gosched()
		}
	})
}

func toOne(scale int, afterSend func(sent int)) (report, error) {
	const senders = 10
	each := 1000000 / scale
	mailbox := make(chan message, mailboxCapacity)
	start := time.Now()
	for i := 0; i < senders; i++ {
		go func() {
			for sent := 1; sent <= each; sent++ {
				mailbox <- message{item, sent}
				afterSend(sent)
			}
		}()
	}
	total := 0
	for i := 0; i < senders*each; i++ {
		m := <-mailbox
		total += m.value
	}
	took := time.Since(start)
	return report{operations: senders * each, took: took}, expect(total, senders*each*(each+1)/2)
}

// big lets each of 1,000 goroutines (fewer by the root of scale) send a ping to each other one and answer each ping by
// a pong. A mailbox has room for all that its goroutine will get: with less, all could wait for each other's. An
// operation is a ping with its pong.
func big(scale int) (report, error) {
	processes := 10 * int(math.Ceil(100/math.Sqrt(float64(scale))))
	mailboxes := make([]chan letter, processes)
	for i := range mailboxes {
		mailboxes[i] = make(chan letter, 2*(processes-1))
	}
	sums := make(chan message, processes)
	start := time.Now()
	for i := range mailboxes {
		go correspondent(i, mailboxes, sums)
	}
	total := 0
	for range mailboxes {
		m := <-sums
		total += m.value
	}
	took := time.Since(start)
	operations := processes * (processes - 1)
	// Each ping carries its sender's number, and its pong one more.
	return report{operations: operations, took: took}, expect(total, operations*(processes-1)/2+operations)
}

// A letter is a message that says from which goroutine it is.
type letter struct {
	message
	from int
}

func correspondent(self int, mailboxes []chan letter, sums chan<- message) {
	for i, mailbox := range mailboxes {
		if i != self {
			mailbox <- letter{message{ping, self}, self}
		}
	}
	total := 0
	for received := 0; received < 2*(len(mailboxes)-1); received++ {
		l := <-mailboxes[self]
		switch l.tag {
		case ping:
			mailboxes[l.from] <- letter{message{pong, l.value + 1}, self}
		case pong:
			total += l.value
		}
	}
	sums <- message{sum, total}
}

// call makes 1,000,000 calls of a server, in batches of 100 that are answered in reverse order. What tells the answers
// apart is a channel made for each request.
func call(scale int) (report, error) {
	const batch = 100
	batches := 10000 / scale
	requests := make(chan request, batch)
	go serve(requests, batch)
	defer close(requests)
	var replies [batch]chan message
	start := time.Now()
	for n := 0; n < batches; n++ {
		for i := range replies {
			replies[i] = make(chan message, 1)
			requests <- request{message{ping, n*batch + i}, replies[i]}
		}
		for i, reply := range replies {
			m := <-reply
			if err := expect(m.value, n*batch+i+1); err != nil {
				return report{}, err
			}
		}
	}
	took := time.Since(start)
	return report{operations: batches * batch, took: took}, nil
}

// A request is a message with the channel that its answer is for.
type request struct {
	message
	reply chan<- message
}

func serve(requests <-chan request, batch int) {
	waiting := make([]request, 0, batch)
	for r := range requests {
		waiting = append(waiting, r)
		if len(waiting) < batch {
			continue
		}
		for i := len(waiting) - 1; i >= 0; i-- {
			waiting[i].reply <- message{answer, waiting[i].value + 1}
		}
		waiting = waiting[:0]
	}
}
