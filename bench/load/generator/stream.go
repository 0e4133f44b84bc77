package main

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// stream writes batchBytes at a time over TLS, as fast as the other side reads: the limit of what any server could receive.
func stream(s *settings, meter *meter) (*tally, *connection, error) {
	var written atomic.Int64
	var stop atomic.Bool
	connections := make([]*connection, s.connections)
	failures := make(chan error, len(connections))
	block := make([]byte, s.batchBytes)
	for i := range block {
		block[i] = byte(i)
	}
	for i := range connections {
		raw, err := net.Dial("tcp", s.broker)
		if err != nil {
			return nil, nil, err
		}
		secured := tls.Client(raw, s.tls)
		if err := secured.Handshake(); err != nil {
			return nil, nil, err
		}
		connections[i] = &connection{socket: secured, tls: secured.ConnectionState()}
		go func() {
			for !stop.Load() {
				if _, err := secured.Write(block); err != nil {
					failures <- err
					return
				}
				written.Add(int64(len(block)))
			}
		}()
	}
	failed := wait(s.warmup, failures, func() bool { return false })
	meter.begin()
	before := written.Load()
	if failed == nil {
		failed = wait(s.duration, failures, func() bool { return false })
	}
	total := newTally()
	total.wire = written.Load() - before
	total.payload, total.requests = total.wire, total.wire/int64(s.batchBytes)
	meter.end()
	stop.Store(true)
	time.Sleep(10 * time.Millisecond) // the last writes
	for _, c := range connections {
		c.socket.Close()
	}
	return total, connections[0], failed
}
