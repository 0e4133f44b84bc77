package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A tally is what one connection (then: the whole run) has seen acknowledged inside the measured window.
type tally struct {
	requests, records, payload, wire int64
	errors                           map[int16]int64 // by error code of the response
	ack                              histogram       // per record: from when it should have been sent to the response
	request                          histogram       // per request: from send to response
}

func newTally() *tally { return &tally{errors: map[int16]int64{}} }

func (t *tally) merge(other *tally) {
	t.requests += other.requests
	t.records += other.records
	t.payload += other.payload
	t.wire += other.wire
	for code, n := range other.errors {
		t.errors[code] += n
	}
	t.ack.merge(&other.ack)
	t.request.merge(&other.request)
}

// A window opens after the warm-up and closes when the time or the bytes are used up.
type window struct {
	open, stop atomic.Bool
	payload    atomic.Int64
}

// A sent request waits for its response. Its records were due at first, first+every, first+2·every…
type sent struct {
	at, first        time.Time
	every            time.Duration
	records, payload int
	wire             int
}

// A worker drives one connection: one goroutine writes, one reads.
type worker struct {
	*connection
	settings *settings
	window   *window
	producer *producerState
	slots    chan struct{} // room for requests in flight
	sent     chan sent
	tally    *tally
}

func newWorker(s *settings, w *window, t *tally) (*worker, error) {
	c, err := connect(s)
	if err != nil {
		return nil, err
	}
	return &worker{connection: c, settings: s, window: w, tally: t,
		slots: make(chan struct{}, s.inflight), sent: make(chan sent, s.inflight)}, nil
}

// write sends one request; it blocks while too many are in flight.
func (k *worker) write(b *batch, first time.Time, every time.Duration) error {
	now := time.Now()
	if first.IsZero() {
		first = now
	}
	k.sent <- sent{now, first, every, b.records, b.payload, len(b.request)}
	return k.send(b, k.producer)
}

func (k *worker) count(note sent, code int16, now time.Time) {
	if !k.window.open.Load() {
		return
	}
	k.tally.requests++
	k.tally.wire += int64(note.wire)
	if code != 0 {
		k.tally.errors[code]++
		return
	}
	k.tally.records += int64(note.records)
	k.tally.payload += int64(note.payload)
	k.window.payload.Add(int64(note.payload))
	k.tally.request.add(now.Sub(note.at), 1)
	if note.every == 0 {
		k.tally.ack.add(now.Sub(note.first), uint64(note.records))
		return
	}
	for i := range note.records {
		k.tally.ack.add(now.Sub(note.first.Add(time.Duration(i)*note.every)), 1)
	}
}

func (k *worker) readAcks() error {
	response := kmsg.NewPtrProduceResponse()
	response.Version = produceVersion
	var failed error
	for note := range k.sent { // to the end even after a failure, or the writer waits for room for ever
		if failed == nil {
			code, err := k.receiveAck(response)
			if err == nil {
				k.count(note, code, time.Now())
			} else {
				failed = fmt.Errorf("waiting for a Produce response: %w", err)
				k.socket.Close()
			}
		}
		<-k.slots
	}
	return failed
}

// closedLoop sends whenever there is room in flight.
func (k *worker) closedLoop(pool []batch, start int) error {
	for i := start; !k.window.stop.Load(); i++ {
		k.slots <- struct{}{}
		if err := k.write(&pool[i%len(pool)], time.Time{}, 0); err != nil {
			return err
		}
	}
	return nil
}

// openLoop has one record due every `every`, come what may, and sends what has gathered `linger` after the first of them.
func (k *worker) openLoop(line lineMaker, partitions int, every time.Duration, random *rand.Rand) error {
	due := time.Now().Add(time.Duration(random.Int63n(int64(every))))
	partition := random.Intn(partitions)
	sent := random.Intn(max(k.settings.topics, 1))
	var scratch []byte
	var values [][]byte
	for !k.window.stop.Load() {
		time.Sleep(time.Until(due.Add(k.settings.linger)))
		k.slots <- struct{}{}
		now, first, size := time.Now(), due, 0
		values = values[:0]
		for !due.After(now) && (size == 0 || size < k.settings.batchBytes) {
			value := line()
			values = append(values, value)
			size += len(value)
			due = due.Add(every)
		}
		if len(values) == 0 { // the sleep ended early
			<-k.slots
			continue
		}
		var b batch
		b, scratch = encodeBatch(k.settings, k.settings.topicOf(sent), int32(partition), values, now, scratch)
		partition = (partition + 1) % partitions
		sent++
		if err := k.write(&b, first, every); err != nil {
			return err
		}
	}
	return nil
}

// produce runs the load and returns what was acknowledged inside the window.
func produce(s *settings, meter *meter) (*tally, *connection, error) {
	shared := &window{}
	workers := make([]*worker, s.connections)
	if err := parallel(len(workers), 8, func(i int) (err error) { workers[i], err = newWorker(s, shared, newTally()); return }); err != nil {
		return nil, nil, err
	}
	partitions, err := workers[0].partitions(s)
	if err != nil {
		return nil, nil, err
	}
	if s.idempotent {
		for _, k := range workers {
			if k.producer, err = k.connection.producer(partitions); err != nil {
				return nil, nil, err
			}
		}
	}
	line, err := newLineMaker(s.payload, s.seed)
	if err != nil {
		return nil, nil, err
	}
	var pool []batch
	var lines [][]byte
	if s.rate == 0 {
		pool = makePool(s, line, partitions)
	} else {
		for total := 0; total < s.poolBytes; total += len(lines[len(lines)-1]) {
			lines = append(lines, line())
		}
	}

	failures := make(chan error, 2*len(workers))
	var writers, readers sync.WaitGroup
	for i, k := range workers {
		random := rand.New(rand.NewSource(s.seed + int64(i)))
		readers.Go(func() { failures <- k.readAcks() })
		writers.Go(func() {
			var err error
			if s.rate == 0 {
				err = k.closedLoop(pool, random.Intn(len(pool)))
			} else {
				at := random.Intn(len(lines))
				next := func() []byte { at = (at + 1) % len(lines); return lines[at] }
				err = k.openLoop(next, partitions, time.Duration(float64(time.Second)*float64(s.connections)/s.rate), random)
			}
			close(k.sent)
			if err != nil {
				k.socket.Close()
			}
			failures <- err
		})
	}

	failed := wait(s.warmup, failures, func() bool { return false })
	meter.begin()
	shared.open.Store(true)
	if failed == nil {
		failed = wait(s.duration, failures, func() bool { return s.maxBytes > 0 && shared.payload.Load() >= s.maxBytes })
	}
	shared.open.Store(false)
	meter.end()
	shared.stop.Store(true)
	late := time.AfterFunc(30*time.Second, func() { // a server that never answers must not keep the run
		for _, k := range workers {
			k.socket.Close()
		}
	})
	writers.Wait()
	readers.Wait()
	late.Stop()
	close(failures)
	for err := range failures {
		if failed == nil && err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			failed = err
		}
	}
	total := newTally()
	for _, k := range workers {
		k.socket.Close()
		total.merge(k.tally)
	}
	return total, workers[0].connection, failed
}

// wait returns when the time is over, when enough says so, or at the first failure.
func wait(d time.Duration, failures <-chan error, enough func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d); time.Now().Before(deadline) && !enough(); {
		select {
		case err := <-failures:
			if err != nil {
				return err
			}
		case <-tick.C:
		}
	}
	return nil
}

// parallel calls do(0) … do(n-1), at most `at` at a time, and returns the first error.
func parallel(n, at int, do func(int) error) error {
	var group sync.WaitGroup
	var first atomic.Pointer[error]
	next := atomic.Int64{}
	for range min(n, at) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && first.Load() == nil; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	group.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}
