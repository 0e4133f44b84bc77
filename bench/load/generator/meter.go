package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const ticksPerSecond = 100 // USER_HZ

// A meter reads the clocks of the processes and of the machine when the window opens and when it closes.
type meter struct {
	pids          []int
	before, after reading
}

type reading struct {
	at           time.Time
	own          float64 // CPU seconds of this process
	busy, stolen float64 // CPU seconds of the machine
	servers      []usage
}

// usage is what the kernel says of a process, all threads together.
type usage struct {
	user, system      float64 // CPU seconds
	residentMB, topMB float64
	writtenMB         float64 // to the block layer, counted when a page becomes dirty
}

func newMeter(pids string) (*meter, error) {
	m := &meter{}
	for _, text := range strings.FieldsFunc(pids, func(r rune) bool { return r == ',' }) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("-server-pid: %w", err)
		}
		if _, err := usageOf(pid); err != nil {
			return nil, err
		}
		m.pids = append(m.pids, pid)
	}
	m.begin()
	m.end()
	return m, nil
}

func (m *meter) begin() { m.before = m.read() }
func (m *meter) end()   { m.after = m.read() }

func (m *meter) read() reading {
	r := reading{at: time.Now(), own: ownCPUSeconds()}
	r.busy, r.stolen = machineSeconds()
	for _, pid := range m.pids {
		u, _ := usageOf(pid)
		r.servers = append(r.servers, u)
	}
	return r
}

func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("process %d: %w", pid, err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from "state" on
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return usage{
		user: user / ticksPerSecond, system: system / ticksPerSecond,
		residentMB: procField(pid, "status", "VmRSS:") * 1024 / 1e6,
		topMB:      procField(pid, "status", "VmHWM:") * 1024 / 1e6,
		writtenMB:  procField(pid, "io", "write_bytes:") / 1e6,
	}, nil
}

func procField(pid int, file, name string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			value, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return value
		}
	}
	return 0
}

func ownCPUSeconds() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// machineSeconds tells how many CPU seconds the machine was busy, and how many its host took away, since it started.
func machineSeconds() (busy, stolen float64) {
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first)[1:9] { // user nice system idle iowait irq softirq steal
		ticks, _ := strconv.ParseFloat(field, 64)
		switch i {
		case 3, 4:
		case 7:
			stolen = ticks / ticksPerSecond
		default:
			busy += ticks / ticksPerSecond
		}
	}
	return busy, stolen
}
