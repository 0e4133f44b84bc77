// A producer with franz-go.
package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func main() {
	runDriver(produce)
}

func produce(job job, results chan<- error) {
	client, err := kgo.NewClient(configure(job)...)
	if err != nil {
		for n := 0; n < job.Records; n++ {
			results <- err
		}
		return
	}
	for n := 0; n < job.Records; n++ {
		client.Produce(context.Background(), &kgo.Record{Topic: job.topic(n), Value: job.value(n)}, func(_ *kgo.Record, err error) {
			results <- err
		})
	}
}

func configure(job job) []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(job.Bootstrap),
		kgo.DialTLSConfig(job.tls()),
		kgo.SASL(plain.Auth{User: job.User, Pass: job.Password}.AsMechanism()),
		kgo.ProducerBatchCompression(codecs[job.Codec]),
		kgo.RecordDeliveryTimeout(job.timeout()),
	}
	if job.Acks == 1 {
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()))
	}
	if !job.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	return options
}
