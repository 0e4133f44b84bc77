package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// churn connects, produces one batch, closes, and starts over, on s.connections workers.
func churn(s *settings, meter *meter) (*tally, *connection, error) {
	first, err := connect(s)
	if err != nil {
		return nil, nil, err
	}
	defer first.socket.Close()
	partitions, err := first.partitions(s)
	if err != nil {
		return nil, nil, err
	}
	line, err := newLineMaker(s.payload, s.seed)
	if err != nil {
		return nil, nil, err
	}
	s.poolBytes = min(s.poolBytes, 1000*s.batchBytes)
	pool := makePool(s, line, partitions)
	shared := &window{}
	tallies := make([]*tally, s.connections)
	go func() {
		time.Sleep(s.warmup)
		meter.begin()
		shared.open.Store(true)
		time.Sleep(s.duration)
		shared.open.Store(false)
		meter.end()
		shared.stop.Store(true)
	}()
	err = parallel(s.connections, s.connections, func(worker int) error {
		tallies[worker] = newTally()
		for i := worker; !shared.stop.Load(); i += s.connections {
			start := time.Now()
			k, err := newWorker(s, shared, tallies[worker])
			if err != nil {
				return err
			}
			if _, err := k.partitions(s); err != nil {
				return err
			}
			k.slots <- struct{}{}
			if err := k.write(&pool[i%len(pool)], start, 0); err != nil {
				return err
			}
			close(k.sent)
			if err := k.readAcks(); err != nil {
				return err
			}
			k.socket.Close()
		}
		return nil
	})
	total := newTally()
	for _, tally := range tallies {
		total.merge(tally)
	}
	return total, first, err
}

// idle opens authenticated connections, holds them without traffic, and measures the server meanwhile.
func idle(s *settings, meter *meter) (*tally, *connection, error) {
	connections := make([]*connection, s.connections)
	err := parallel(len(connections), 8, func(i int) (err error) { connections[i], err = connect(s); return })
	if err != nil {
		return nil, nil, err
	}
	time.Sleep(s.warmup)
	meter.begin()
	time.Sleep(s.duration)
	meter.end()
	for _, c := range connections {
		c.socket.Close()
	}
	return newTally(), connections[0], nil
}

// deleteTopic has a server forget what was sent to it, where it can.
func deleteTopic(s *settings, _ *meter) (*tally, *connection, error) {
	c, err := connect(s)
	if err != nil {
		return nil, nil, err
	}
	defer c.socket.Close()
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Version, request.TimeoutMillis, request.TopicNames = 4, 30_000, []string{s.topic}
	response, err := c.ask(request)
	if err != nil {
		return nil, nil, err
	}
	return newTally(), c, kerr.ErrorForCode(response.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
}

// probe tries until one batch is acknowledged: the server is up.
func probe(s *settings, meter *meter) (*tally, *connection, error) {
	line, err := newLineMaker(s.payload, s.seed)
	if err != nil {
		return nil, nil, err
	}
	meter.begin()
	for deadline := time.Now().Add(s.duration); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		shared := &window{}
		shared.open.Store(true)
		var k *worker
		if k, err = newWorker(s, shared, newTally()); err != nil {
			continue
		}
		if _, err = k.partitions(s); err == nil {
			b, _ := encodeBatch(s, s.topicOf(0), 0, takeLines(line, s.batchBytes), time.Now(), nil)
			k.slots <- struct{}{}
			if err = k.write(&b, time.Time{}, 0); err == nil {
				close(k.sent)
				err = k.readAcks()
			}
		}
		k.socket.Close()
		if err == nil && k.tally.records > 0 {
			meter.end()
			return k.tally, k.connection, nil
		}
	}
	return nil, nil, fmt.Errorf("nothing was acknowledged within %v: %w", s.duration, err)
}
