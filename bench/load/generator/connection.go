package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	clientID       = "generator"
	produceVersion = 10
	tlsRecordSize  = 16 << 10 // the most that one TLS record takes
)

// A connection is an authenticated connection to the server.
type connection struct {
	socket  net.Conn
	in      *bufio.Reader
	format  *kmsg.RequestFormatter
	correct int32 // next correlation id
	scratch []byte
	reply   []byte
	tls     tls.ConnectionState
}

// connect does what a client does before it produces: TCP, TLS (always a full handshake), ApiVersions, SASL.
func connect(s *settings) (*connection, error) {
	raw, err := net.DialTimeout("tcp", s.broker, 30*time.Second)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(raw, s.tls)
	raw.SetDeadline(time.Now().Add(60 * time.Second))
	if err := secured.Handshake(); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	raw.SetDeadline(time.Time{})
	c := &connection{socket: secured, tls: secured.ConnectionState(), in: bufio.NewReaderSize(secured, 4<<10),
		format: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))}
	if err := c.authenticate(s); err != nil {
		c.socket.Close()
		return nil, err
	}
	return c, nil
}

func (c *connection) authenticate(s *settings) error {
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version = 3
	versions.ClientSoftwareName, versions.ClientSoftwareVersion = clientID, "1"
	response, err := c.ask(versions)
	if err != nil {
		return fmt.Errorf("ApiVersions: %w", err)
	}
	if err := supports(response.(*kmsg.ApiVersionsResponse), 0, produceVersion); err != nil {
		return err
	}
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Version, handshake.Mechanism = 1, "PLAIN"
	if response, err = c.ask(handshake); err != nil {
		return fmt.Errorf("SaslHandshake: %w", err)
	}
	if err := kerr.ErrorForCode(response.(*kmsg.SASLHandshakeResponse).ErrorCode); err != nil {
		return fmt.Errorf("SaslHandshake: %w", err)
	}
	authenticate := kmsg.NewPtrSASLAuthenticateRequest()
	authenticate.Version = 2
	authenticate.SASLAuthBytes = []byte("\x00" + s.user + "\x00" + s.password)
	if response, err = c.ask(authenticate); err != nil {
		return fmt.Errorf("SaslAuthenticate: %w", err)
	}
	return kerr.ErrorForCode(response.(*kmsg.SASLAuthenticateResponse).ErrorCode)
}

func supports(versions *kmsg.ApiVersionsResponse, key, version int16) error {
	for _, api := range versions.ApiKeys {
		if api.ApiKey == key && api.MinVersion <= version && version <= api.MaxVersion {
			return nil
		}
	}
	return fmt.Errorf("the server does not take version %d of API %d", version, key)
}

// partitions waits until the topic has a leader everywhere, creating the topic if the server allows that.
func (c *connection) partitions(s *settings) (int, error) {
	var last error
	name := s.topicOf(0)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		request := kmsg.NewPtrMetadataRequest()
		request.Version = 9
		request.AllowAutoTopicCreation = true
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		request.Topics = append(request.Topics, topic)
		response, err := c.ask(request)
		if err != nil {
			return 0, fmt.Errorf("Metadata: %w", err)
		}
		found := response.(*kmsg.MetadataResponse).Topics[0]
		last = kerr.ErrorForCode(found.ErrorCode)
		for _, partition := range found.Partitions {
			if partition.ErrorCode != 0 {
				last = kerr.ErrorForCode(partition.ErrorCode)
			}
		}
		if last == nil && len(found.Partitions) > 0 {
			return len(found.Partitions), nil
		}
	}
	return 0, fmt.Errorf("topic %s: %w", name, last)
}

// producer asks for the identity of an idempotent producer.
func (c *connection) producer(partitions int) (*producerState, error) {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.Version = 4
	request.ProducerID, request.ProducerEpoch = -1, -1
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		response, err := c.ask(request)
		if err != nil {
			return nil, fmt.Errorf("InitProducerId: %w", err)
		}
		init := response.(*kmsg.InitProducerIDResponse)
		err = kerr.ErrorForCode(init.ErrorCode)
		if err == nil {
			return &producerState{init.ProducerID, init.ProducerEpoch, make([]int32, partitions)}, nil
		}
		if !kerr.IsRetriable(err) || time.Now().After(deadline) {
			return nil, fmt.Errorf("InitProducerId: %w", err)
		}
	}
}

// ask sends a request and waits for its response; not for use beside send and receive.
func (c *connection) ask(request kmsg.Request) (kmsg.Response, error) {
	c.scratch = c.format.AppendRequest(c.scratch[:0], request, c.correct)
	c.correct++
	if _, err := c.socket.Write(c.scratch); err != nil {
		return nil, err
	}
	frame, err := c.receive()
	if err != nil {
		return nil, err
	}
	body := frame[4:]
	if request.IsFlexible() && request.Key() != 18 { // ApiVersions answers with the old header
		body = body[1:]
	}
	response := request.ResponseKind()
	return response, response.ReadFrom(body)
}

// send writes a prepared request. The bytes of the pool are shared by all connections and stay as they are: only the first
// TLS record is copied, to put the correlation id in, unless the batch must carry this producer's identity.
func (c *connection) send(b *batch, producer *producerState) error {
	head := len(b.request)
	if producer == nil {
		head = min(head, tlsRecordSize)
	}
	c.scratch = append(c.scratch[:0], b.request[:head]...)
	binary.BigEndian.PutUint32(c.scratch[correlationAt:], uint32(c.correct))
	c.correct++
	if producer != nil {
		b.stamp(c.scratch, producer)
	}
	if _, err := c.socket.Write(c.scratch); err != nil {
		return err
	}
	if head == len(b.request) {
		return nil
	}
	_, err := c.socket.Write(b.request[head:])
	return err
}

// receive returns the next frame without its length; it is valid until the next call.
func (c *connection) receive() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(c.in, length[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(length[:]))
	if size < 4 || size > 64<<20 {
		return nil, fmt.Errorf("a response of %d bytes", size)
	}
	if cap(c.reply) < size {
		c.reply = make([]byte, size)
	}
	c.reply = c.reply[:size]
	_, err := io.ReadFull(c.in, c.reply)
	return c.reply, err
}

// receiveAck reads the response to one prepared request and returns its error code.
func (c *connection) receiveAck(response *kmsg.ProduceResponse) (int16, error) {
	frame, err := c.receive()
	if err != nil {
		return 0, err
	}
	if err := response.ReadFrom(frame[5:]); err != nil { // correlation id, no tags
		return 0, err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return 0, errors.New("a Produce response without its one partition")
	}
	return response.Topics[0].Partitions[0].ErrorCode, nil
}
