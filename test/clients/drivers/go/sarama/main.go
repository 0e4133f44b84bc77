// A producer with Sarama, at its default settings but for those that the job names. The same source is compiled with all its
// versions, of both names.
package main

import "github.com/IBM/sarama"

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func main() {
	runDriver(produce)
}

func produce(job job, results chan<- error) {
	producer, err := sarama.NewAsyncProducer([]string{job.Bootstrap}, configure(job))
	if err != nil {
		for n := 0; n < job.Records; n++ {
			results <- err
		}
		return
	}
	go func() {
		for n := 0; n < job.Records; n++ {
			producer.Input() <- &sarama.ProducerMessage{Topic: job.topic(n), Value: sarama.ByteEncoder(job.value(n))}
		}
	}()
	for n := 0; n < job.Records; n++ {
		select {
		case <-producer.Successes():
			results <- nil
		case failure := <-producer.Errors():
			results <- failure.Err
		}
	}
}

// configure sets no time limits: Sarama has none for a record, only for a request and for how often it is repeated.
func configure(job job) *sarama.Config {
	config := sarama.NewConfig()
	config.Net.TLS.Enable = true
	config.Net.TLS.Config = job.tls()
	config.Net.SASL.Enable = true
	config.Net.SASL.User = job.User
	config.Net.SASL.Password = job.Password
	config.Producer.RequiredAcks = sarama.RequiredAcks(job.Acks)
	config.Producer.Compression = codecs[job.Codec]
	config.Producer.Return.Successes = true
	if job.Idempotent {
		// Sarama asks for this one and does not set it itself.
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	if job.Codec == "zstd" && !config.Version.IsAtLeast(sarama.V2_1_0_0) {
		config.Version = sarama.V2_1_0_0
	}
	return config
}
