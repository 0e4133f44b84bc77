package main

import (
	"crypto/tls"
	"math"
)

// A result is what is printed; bench/load/generator.ts has its twin. MB are 10⁶ bytes, GB 10⁹.
type result struct {
	TLS      string          `json:"tls"`
	EndedMs  int64           `json:"ended_ms"` // when the window closed, since 1970
	Seconds  float64         `json:"seconds"`
	Requests int64           `json:"requests"`
	Records  int64           `json:"records"`
	Payload  int64           `json:"payload_bytes"` // record values, before compression
	Wire     int64           `json:"wire_bytes"`    // requests, after compression, without TLS
	Errors   map[int16]int64 `json:"error_codes,omitempty"`
	// Of each record, from when it was due (closed loop: sent) to its answer: in the open loop the linger and all queueing are in it.
	Ack *latency `json:"ack_ms,omitempty"`
	// Of each request, from when it was sent to its answer.
	Request   *latency `json:"request_ms,omitempty"`
	Generator struct {
		CPU float64 `json:"cpu_s"`
	} `json:"generator"`
	Machine struct {
		Busy   float64 `json:"busy_s"`
		Other  float64 `json:"other_s"` // neither generator nor server
		Stolen float64 `json:"stolen_s"`
	} `json:"machine"`
	Servers []server `json:"servers"`
}

type server struct {
	PID        int     `json:"pid"`
	CPU        float64 `json:"cpu_s"`
	System     float64 `json:"cpu_system_s"` // the part of it in the kernel
	ResidentMB float64 `json:"rss_mb"`
	TopMB      float64 `json:"hwm_mb"` // most since the process began
	WrittenMB  float64 `json:"written_mb"`
}

func report(t *tally, sample *connection, m *meter) *result {
	r := &result{Requests: t.requests, Records: t.records, Payload: t.payload, Wire: t.wire, Errors: t.errors,
		Ack: t.ack.latency(), Request: t.request.latency(), Servers: []server{}}
	if sample != nil {
		r.TLS = tls.VersionName(sample.tls.Version) + " " + tls.CipherSuiteName(sample.tls.CipherSuite)
	}
	r.EndedMs = m.after.at.UnixMilli()
	r.Seconds = round(m.after.at.Sub(m.before.at).Seconds())
	r.Generator.CPU = round(m.after.own - m.before.own)
	r.Machine.Busy, r.Machine.Stolen = round(m.after.busy-m.before.busy), round(m.after.stolen-m.before.stolen)
	r.Machine.Other = r.Machine.Busy - r.Generator.CPU
	for i, pid := range m.pids {
		before, after := m.before.servers[i], m.after.servers[i]
		system := after.system - before.system
		cpu := round(system + after.user - before.user)
		r.Machine.Other -= cpu
		r.Servers = append(r.Servers, server{PID: pid, CPU: cpu, System: round(system), ResidentMB: round(after.residentMB),
			TopMB: round(after.topMB), WrittenMB: round(after.writtenMB - before.writtenMB)})
	}
	r.Machine.Other = round(r.Machine.Other)
	return r
}

func round(x float64) float64 { return math.Round(x*1000) / 1000 }
