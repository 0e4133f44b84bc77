// The load generator of the benchmarks: puts Produce requests on a server that speaks the Kafka protocol, over TLS with SASL/PLAIN, and
// prints one line of JSON that says what was acknowledged, how long it took, and what it cost the server in CPU.
//
// Requests are made before the clock starts, so that most of the machine is left to the server: in the closed loop they are only
// encrypted and sent. A request has one record batch for one partition; partitions take turns. What is measured is a window within an
// unbroken load.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

type settings struct {
	mode, broker, topic, user, password string
	tls                                 *tls.Config
	codec                               codec
	codecName                           string
	connections, inflight, topics       int
	batchBytes, poolBytes               int
	payload                             string
	seed                                int64
	rate                                float64
	linger, warmup, duration            time.Duration
	maxBytes                            int64
	idempotent                          bool
}

// topicOf is the topic of the nth request.
func (s *settings) topicOf(n int) string {
	if s.topics <= 1 {
		return s.topic
	}
	return fmt.Sprintf("%s-%d", s.topic, n%s.topics)
}

// A mode puts its load on the server and has the meter read its clocks at the beginning and at the end of the window. The connection is
// one of those it used, for what was agreed on in the TLS handshake.
type mode func(*settings, *meter) (*tally, *connection, error)

var modes = map[string]mode{"produce": produce, "churn": churn, "idle": idle, "probe": probe, "stream": stream, "delete": deleteTopic}

func main() {
	debug.SetGCPercent(400)
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

func run() error {
	s := &settings{}
	flag.StringVar(&s.mode, "mode", "produce", "`name`: produce; churn (connect, produce one batch, close); idle (connections that do nothing); "+
		"probe (until one batch is acknowledged); stream (bytes over TLS, no protocol); delete (the topic)")
	flag.StringVar(&s.broker, "broker", "127.0.0.1:10012", "`host:port`; all connections go there")
	flag.StringVar(&s.topic, "topic", "bench", "made by the server if it makes topics")
	flag.IntVar(&s.topics, "topics", 1, "more than one: TOPIC-0, TOPIC-1 …, in turn; all have as many partitions as the first")
	flag.StringVar(&s.user, "user", "demo-project", "of SASL/PLAIN")
	flag.StringVar(&s.password, "password", "", "of SASL/PLAIN")
	ca := flag.String("ca", "", "PEM `file` with the certificate authority")
	flag.StringVar(&s.codecName, "codec", "none", "none, lz4 or zstd")
	flag.IntVar(&s.connections, "connections", 1, "each is a producer of its own")
	flag.IntVar(&s.inflight, "inflight", 5, "requests in flight of each connection")
	flag.IntVar(&s.batchBytes, "batch", 64<<10, "`bytes` of record values in a request, before compression")
	flag.IntVar(&s.poolBytes, "pool", 64<<20, "`bytes` of distinct values that are made before the clock starts")
	flag.StringVar(&s.payload, "payload", "nginx", "nginx (224 bytes on average) or filebeat (890 bytes)")
	flag.Int64Var(&s.seed, "seed", 1, "the same seed, the same values")
	flag.Float64Var(&s.rate, "rate", 0, "records per second of all connections together (open loop); 0: as fast as it goes (closed loop)")
	flag.DurationVar(&s.linger, "linger", 5*time.Millisecond, "open loop: how long the first record of a batch waits for others")
	flag.DurationVar(&s.warmup, "warmup", 2*time.Second, "load before the window")
	flag.DurationVar(&s.duration, "duration", 5*time.Second, "the window")
	flag.Int64Var(&s.maxBytes, "max-bytes", 0, "the window ends after so many `bytes` of record values, if that is earlier")
	flag.BoolVar(&s.idempotent, "idempotent", false, "idempotent producers")
	pids := flag.String("server-pid", "", "`pid,pid…` of the server's processes, whose CPU and memory is told")
	flag.Parse()

	var err error
	if s.codec, err = codecNamed(s.codecName); err != nil {
		return err
	}
	if s.tls, err = tlsConfig(*ca); err != nil {
		return err
	}
	meter, err := newMeter(*pids)
	if err != nil {
		return err
	}
	work, ok := modes[s.mode]
	if !ok {
		return fmt.Errorf("-mode %q is not known (see -help)", s.mode)
	}
	total, sample, failure := work(s, meter)
	if total == nil {
		return failure
	}
	out, err := json.Marshal(report(total, sample, meter))
	if err != nil {
		return err
	}
	fmt.Println(string(out))
	if failure != nil || len(total.errors) > 0 {
		return fmt.Errorf("not every request succeeded: %v, error codes %v", failure, total.errors)
	}
	return nil
}

// Go's TLS begins each connection with small records, which C and Java clients do not.
func tlsConfig(caFile string) (*tls.Config, error) {
	config := &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS13, DynamicRecordSizingDisabled: true}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", caFile)
	}
	return config, nil
}
