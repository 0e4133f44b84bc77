// What the drivers of all Go clients share: the job, its records, and the wait for their delivery reports. It is compiled together
// with the main.go of one of the directories beside it.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"
)

// job and report are Job and Report of test/clients/client.ts.
type job struct {
	Bootstrap  string   `json:"bootstrap"`
	CA         string   `json:"ca"`
	User       string   `json:"user"`
	Password   string   `json:"password"`
	Topics     []string `json:"topics"`
	Codec      string   `json:"codec"`
	Idempotent bool     `json:"idempotent"`
	Acks       int16    `json:"acks"`
	Records    int      `json:"records"`
	Run        string   `json:"run"`
	TimeoutMs  int64    `json:"timeoutMs"`
}

type report struct {
	Delivered int     `json:"delivered"`
	Failed    int     `json:"failed"`
	Error     *string `json:"error"`
}

type record struct {
	Run     string `json:"run"`
	N       int    `json:"n"`
	Message string `json:"message"`
}

// runDriver does the job that standard input holds. The function given sends the records and one result for each of them, nil if
// it was delivered; it runs beside the wait for the results, since it may be stopped for longer than the job allows.
func runDriver(produce func(job job, results chan<- error)) {
	var job job
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		log.Fatalf("the job cannot be read: %v", err)
	}
	results := make(chan error, job.Records)
	go produce(job, results)
	if err := json.NewEncoder(os.Stdout).Encode(job.await(results)); err != nil {
		log.Fatal(err)
	}
}

// await counts the results. What has none counts as failed once nothing was delivered for as long as a record may take, and for a
// little longer, so that a client with a time limit of its own is the first to speak.
func (job job) await(results <-chan error) report {
	const grace = 3 * time.Second
	limit := job.timeout() + grace
	var report report
	deadline := time.NewTimer(limit)
	for report.Delivered+report.Failed < job.Records {
		select {
		case err := <-results:
			if err == nil {
				report.Delivered++
				deadline.Reset(limit)
			} else {
				report.fail(1, err)
			}
		case <-deadline.C:
			report.fail(job.Records-report.Delivered-report.Failed, fmt.Errorf("the driver gave up after %v without a delivery", limit))
		}
	}
	return report
}

func (report *report) fail(records int, err error) {
	report.Failed += records
	if report.Error == nil {
		words := err.Error()
		report.Error = &words
	}
}

func (job job) timeout() time.Duration {
	return time.Duration(job.TimeoutMs) * time.Millisecond
}

func (job job) tls() *tls.Config {
	pem, err := os.ReadFile(job.CA)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		log.Fatalf("%s holds no certificate", job.CA)
	}
	return &tls.Config{RootCAs: pool}
}

// topic returns where record n goes.
func (job job) topic(n int) string {
	return job.Topics[n%len(job.Topics)]
}

// value returns the value of record n.
func (job job) value(n int) []byte {
	message := fmt.Sprintf("192.0.2.%d - - \"GET /api/v1/orders/%d?expand=items,customer HTTP/1.1\" 200 %d \"https://shop.example.com/orders\" "+
		"\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\" request_time=0.%03d", n%250, 100000+n, 500+n%1500, n%1000)
	value, err := json.Marshal(record{job.Run, n, message})
	if err != nil {
		log.Fatal(err)
	}
	return value
}
