// What apinto's output for Kafka does with its Sarama, and how it makes a message of a request. The first line of the standard input is
// the body of a POST to /api/output, each of the others a request: its variables, as an object of texts.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

type settings struct {
	Address       string              `json:"address"`
	Topic         string              `json:"topic"`
	Version       string              `json:"kafka_version"`
	PartitionType string              `json:"partition_type"`
	Partition     int32               `json:"partition"`
	PartitionKey  string              `json:"partition_key"`
	Timeout       int                 `json:"timeout"`
	Type          string              `json:"type"`
	Formatter     map[string][]string `json:"formatter"`
}

type request map[string]string

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	var given settings
	read(lines, &given)
	config, err := configure(given)
	if err != nil {
		log.Fatal(err)
	}
	addresses := strings.Split(given.Address, ",")
	// It makes a client to see whether there is a server, and another one to send with.
	client, err := sarama.NewClient(addresses, config)
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Close(); err != nil {
		log.Print(err)
	}
	producer, err := sarama.NewAsyncProducer(addresses, config)
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		for failure := range producer.Errors() {
			log.Printf("kafka error:%s", failure)
		}
		close(ended)
	}()
	for {
		var request request
		if !read(lines, &request) {
			break
		}
		producer.Input() <- given.makeMessage(request)
	}
	producer.AsyncClose()
	<-ended
}

// read returns false at the end of the input.
func read(lines *bufio.Reader, value any) bool {
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return false
	}
	if err := json.Unmarshal(line, value); err != nil {
		log.Fatal(err)
	}
	return true
}

func configure(given settings) (*sarama.Config, error) {
	config := sarama.NewConfig()
	if given.Version != "" {
		version, err := sarama.ParseKafkaVersion(given.Version)
		if err != nil {
			return nil, err
		}
		config.Version = version
	}
	switch given.PartitionType {
	case "robin":
		config.Producer.Partitioner = sarama.NewRoundRobinPartitioner
	case "hash":
		config.Producer.Partitioner = sarama.NewHashPartitioner
	case "manual":
		config.Producer.Partitioner = sarama.NewManualPartitioner
	default:
		config.Producer.Partitioner = sarama.NewRandomPartitioner
	}
	config.Producer.Return.Errors = true
	config.Producer.Return.Successes = false
	config.Producer.RequiredAcks = sarama.WaitForLocal
	config.Producer.Compression = sarama.CompressionGZIP
	if given.Timeout != 0 {
		config.Producer.Timeout = time.Duration(given.Timeout) * time.Second
	}
	return config, nil
}

func (given settings) makeMessage(request request) *sarama.ProducerMessage {
	message := &sarama.ProducerMessage{Topic: given.Topic, Value: sarama.ByteEncoder(given.format(request))}
	switch given.PartitionType {
	case "manual":
		message.Partition = given.Partition
	case "hash":
		message.Key = sarama.StringEncoder(request[strings.TrimLeft(given.PartitionKey, "$")])
	}
	return message
}

func (given settings) format(request request) []byte {
	if given.Type != "json" {
		return []byte(given.makeLine("fields", request, 0))
	}
	value, err := json.Marshal(given.makeObject("fields", request))
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// makeObject makes an object of a group of the template: `$variable`, `@group` or a constant, each with `as NAME` if need be.
func (given settings) makeObject(group string, request request) map[string]any {
	object := map[string]any{}
	for _, field := range given.Formatter[group] {
		words := strings.Split(field, " ")
		name := strings.TrimLeft(words[0], "$@")
		key := name
		if len(words) == 3 {
			key = words[2]
		}
		switch words[0][0] {
		case '$':
			object[key] = request[name]
		case '@':
			object[key] = given.makeObject(name, request)
		default:
			object[key] = name
		}
	}
	return object
}

// makeLine has the values of a group alone; what is empty is a dash, and each level has marks of its own.
func (given settings) makeLine(group string, request request, level int) string {
	separators := []string{"\t", " ", ","}
	var values []string
	for _, field := range given.Formatter[group] {
		word, _, _ := strings.Cut(field, " ")
		name := strings.TrimLeft(word, "$@")
		switch word[0] {
		case '$':
			if request[name] == "" {
				values = append(values, "-")
			} else {
				values = append(values, request[name])
			}
		case '@':
			marks := []string{`""`, "[]", "<>"}[level]
			values = append(values, marks[:1]+given.makeLine(name, request, level+1)+marks[1:])
		default:
			values = append(values, name)
		}
	}
	return strings.Join(values, separators[level])
}
