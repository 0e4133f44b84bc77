// What the Kafka output of Elastic Beats does with its Sarama: libbeat/outputs/kafka of 7.17 and 8, and the pipeline before it,
// which tries again for ever. The first line of the standard input has the settings as JSON, each of the others is an event.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log"
	"math"
	"math/rand"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Shopify/sarama"
	"github.com/eapache/go-resiliency/breaker"
)

type settings struct {
	Hosts            []string `json:"hosts"`
	Topic            string   `json:"topic"`
	Username         string   `json:"username"`
	Password         string   `json:"password"`
	CA               string   `json:"ca"`
	Compression      string   `json:"compression"`
	RequiredAcks     int16    `json:"requiredAcks"`
	MaxMessageBytes  int      `json:"maxMessageBytes"`
	BulkMaxSize      int      `json:"bulkMaxSize"`
	MaxRetries       int      `json:"maxRetries"`
	BackoffInitMs    int64    `json:"backoffInitMs"`
	BackoffMaxMs     int64    `json:"backoffMaxMs"`
	MetadataRetryMax int      `json:"metadataRetryMax"`
	MetadataRetryMs  int64    `json:"metadataRetryMs"`
}

var compressions = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"lz4":    sarama.CompressionLZ4,
	"snappy": sarama.CompressionSnappy,
}

// The queue passes on what it has when it is silent for so long.
const queueFlush = time.Second

// As many events wait in memory; then the input is read no further.
const queueSize = 4096

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		log.Fatal(err)
	}
	var given settings
	if err := json.Unmarshal(first, &given); err != nil {
		log.Fatal(err)
	}
	producer, err := sarama.NewAsyncProducer(given.Hosts, configure(given))
	if err != nil {
		log.Fatalf("Kafka connect fails with: %+v", err)
	}
	output := &output{topic: given.Topic, producer: producer, work: make(chan *batch, queueSize), places: make(chan struct{}, queueSize)}
	go output.publish()
	go output.takeSuccesses()
	go output.takeErrors()
	output.read(lines, given.BulkMaxSize)
	output.open.Wait()
}

func configure(given settings) *sarama.Config {
	config := sarama.NewConfig()
	const timeout = 30 * time.Second
	config.Net.DialTimeout, config.Net.ReadTimeout, config.Net.WriteTimeout = timeout, timeout, timeout
	config.Net.TLS.Enable = true
	config.Net.TLS.Config = trust(given.CA)
	config.Net.SASL.Enable = true
	config.Net.SASL.User = given.Username
	config.Net.SASL.Password = given.Password
	config.Metadata.Retry.Max = given.MetadataRetryMax
	config.Metadata.Retry.Backoff = time.Duration(given.MetadataRetryMs) * time.Millisecond
	config.Metadata.RefreshFrequency = 10 * time.Minute
	config.Metadata.Full = false
	config.Producer.Timeout = 10 * time.Second
	config.Producer.MaxMessageBytes = given.MaxMessageBytes
	config.Producer.RequiredAcks = sarama.RequiredAcks(given.RequiredAcks)
	config.Producer.Compression = compressions[given.Compression]
	config.Producer.CompressionLevel = 4
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	config.Producer.Retry.Max = given.MaxRetries
	config.Producer.Retry.BackoffFunc = backoff(given.BackoffInitMs, given.BackoffMaxMs)
	config.Producer.Flush.MaxMessages = given.BulkMaxSize
	config.Producer.Partitioner = newRoundRobin
	config.ChannelBufferSize = 256
	config.ClientID = "beats"
	config.Version = sarama.V1_0_0_0
	return config
}

func trust(file string) *tls.Config {
	pem, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		log.Fatalf("%s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool}
}

func backoff(initMs, maxMs int64) func(retries, maxRetries int) time.Duration {
	most := int(math.Ceil(math.Log2(float64(maxMs) / float64(initMs))))
	return func(retries, _ int) time.Duration {
		ms := maxMs
		if retries < most {
			ms = initMs << retries
		}
		return time.Duration(ms/2+rand.Int63n(ms/2+1)) * time.Millisecond
	}
}

// roundRobin is round_robin with reachable_only: false. An event that is sent again goes to the partition that it had.
type roundRobin struct {
	next int32
}

func newRoundRobin(string) sarama.Partitioner {
	return &roundRobin{rand.Int31()}
}

func (*roundRobin) RequiresConsistency() bool { return true }

func (partitioner *roundRobin) Partition(message *sarama.ProducerMessage, partitions int32) (int32, error) {
	event := message.Metadata.(*event)
	if event.partition < 0 || event.partition >= partitions {
		if partitioner.next++; partitioner.next >= partitions || partitioner.next < 0 {
			partitioner.next = 0
		}
		event.partition = partitioner.next
	}
	return event.partition, nil
}

type event struct {
	value     []byte
	time      time.Time
	partition int32
	batch     *batch
}

type batch struct {
	events []*event
	count  int32
	lock   sync.Mutex
	failed []*event
	err    error
}

type output struct {
	topic    string
	producer sarama.AsyncProducer
	work     chan *batch
	// One for each event that is in memory.
	places chan struct{}
	open   sync.WaitGroup
}

// read makes batches of the events until the input ends.
func (output *output) read(lines *bufio.Reader, most int) {
	events := make(chan *event)
	go func() {
		defer close(events)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var known struct {
				Timestamp time.Time `json:"@timestamp"`
			}
			value := line[:len(line)-1]
			if err := json.Unmarshal(value, &known); err != nil {
				log.Fatal(err)
			}
			output.places <- struct{}{}
			events <- &event{value: value, time: known.Timestamp, partition: -1}
		}
	}()
	var waiting []*event
	flush := func() {
		if len(waiting) > 0 {
			output.open.Add(1)
			output.work <- &batch{events: waiting}
			waiting = nil
		}
	}
	for {
		select {
		case event, isOpen := <-events:
			if !isOpen {
				flush()
				return
			}
			if waiting = append(waiting, event); len(waiting) == most {
				flush()
			}
		case <-time.After(queueFlush):
			flush()
		}
	}
}

func (output *output) publish() {
	for batch := range output.work {
		batch.count = int32(len(batch.events))
		for _, event := range batch.events {
			event.batch = batch
			output.producer.Input() <- &sarama.ProducerMessage{
				Topic:     output.topic,
				Value:     sarama.ByteEncoder(event.value),
				Timestamp: event.time,
				Metadata:  event,
			}
		}
	}
}

func (output *output) takeSuccesses() {
	for message := range output.producer.Successes() {
		output.end(message.Metadata.(*event).batch)
	}
}

func (output *output) takeErrors() {
	isOpen := false
	for failure := range output.producer.Errors() {
		event := failure.Msg.Metadata.(*event)
		batch := event.batch
		batch.lock.Lock()
		switch failure.Err {
		case sarama.ErrInvalidMessage:
			log.Printf("Kafka (topic=%v): dropping invalid message", output.topic)
		case sarama.ErrMessageSizeTooLarge, sarama.ErrInvalidMessageSize:
			log.Printf("Kafka (topic=%v): dropping too large message of size %v.", output.topic, len(event.value))
		case breaker.ErrBreakerOpen:
			// It is no error of its own, and that is what Beats do: a batch with no other counts as sent.
			batch.failed = append(batch.failed, event)
		default:
			batch.failed = append(batch.failed, event)
			if batch.err == nil {
				batch.err = failure.Err
			}
		}
		reason := batch.err
		batch.lock.Unlock()
		output.end(batch)
		if failure.Err != breaker.ErrBreakerOpen {
			continue
		}
		if isOpen {
			if reason != nil {
				log.Printf("Kafka (topic=%v): %v", output.topic, reason)
			}
			time.Sleep(10 * time.Second)
		}
		isOpen = !isOpen
	}
}

// end counts an event of a batch; after the last one those that failed are sent again, before any newer ones.
func (output *output) end(ended *batch) {
	if atomic.AddInt32(&ended.count, -1) > 0 {
		return
	}
	again := 0
	if ended.err != nil {
		again = len(ended.failed)
	}
	for range ended.events[again:] {
		<-output.places
	}
	if again > 0 {
		next := &batch{events: ended.failed}
		go func() { output.work <- next }()
		return
	}
	output.open.Done()
}
