package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Offsets inside a record batch of format 2.
const (
	batchCRC        = 17
	batchAttributes = 21 // the CRC covers everything from here
	batchProducerID = 43
	batchEpoch      = 51
	batchSequence   = 53
	batchHeader     = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type codec struct {
	id       byte
	compress func(dst, src []byte) []byte // nil: none
}

func codecNamed(name string) (codec, error) {
	switch name {
	case "none":
		return codec{}, nil
	case "lz4":
		return codec{3, func(dst, src []byte) []byte {
			buffer := bytes.NewBuffer(dst)
			w := lz4.NewWriter(buffer)
			// Frames as Kafka's own clients write them: 64 KiB blocks, independent, without checksums.
			w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false))
			w.Write(src)
			w.Close()
			return buffer.Bytes()
		}}, nil
	case "zstd":
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
		return codec{4, func(dst, src []byte) []byte { return encoder.EncodeAll(src, dst) }}, err
	}
	return codec{}, fmt.Errorf("-codec %q is not none, lz4 or zstd", name)
}

// A batch is one complete Produce request, frame length first, that carries one record batch to one partition.
type batch struct {
	request   []byte
	at        int // where the record batch starts in request
	end       int // where it ends
	partition int32
	records   int
	payload   int // bytes of the record values
}

// producerState is what an idempotent producer writes into its batches.
type producerState struct {
	id        int64
	epoch     int16
	sequences []int32 // by partition
}

const correlationAt = 8 // in a frame: length, key, version, then this

// encodeBatch puts values into one record batch and that into a Produce request.
func encodeBatch(settings *settings, topic string, partition int32, values [][]byte, now time.Time, scratch []byte) (batch, []byte) {
	records := scratch[:0]
	payload := 0
	for i, value := range values {
		payload += len(value)
		var fields [4 * binary.MaxVarintLen32]byte
		n := 1 // attributes
		n += binary.PutVarint(fields[n:], 0)
		n += binary.PutVarint(fields[n:], int64(i))
		n += binary.PutVarint(fields[n:], -1) // no key
		n += binary.PutVarint(fields[n:], int64(len(value)))
		records = binary.AppendVarint(records, int64(n+len(value)+1))
		records = append(append(append(records, fields[:n]...), value...), 0) // no headers
	}
	scratch = records
	if settings.codec.compress != nil {
		records = settings.codec.compress(nil, records)
	}

	size := batchHeader + len(records)
	out := make([]byte, 0, size+128)
	out = append(out, 0, 0, 0, 0) // frame length
	out = binary.BigEndian.AppendUint16(out, 0)
	out = binary.BigEndian.AppendUint16(out, produceVersion)
	out = append(out, 0, 0, 0, 0) // correlation id
	out = binary.BigEndian.AppendUint16(out, uint16(len(clientID)))
	out = append(append(out, clientID...), 0)
	out = append(out, 0)                             // no transaction
	out = binary.BigEndian.AppendUint16(out, 0xffff) // acks: all
	out = binary.BigEndian.AppendUint32(out, 30_000)
	out = append(out, 2) // one topic
	out = append(binary.AppendUvarint(out, uint64(len(topic)+1)), topic...)
	out = append(out, 2) // one partition
	out = binary.BigEndian.AppendUint32(out, uint32(partition))
	out = binary.AppendUvarint(out, uint64(size+1))

	at := len(out)
	out = binary.BigEndian.AppendUint64(out, 0) // base offset
	out = binary.BigEndian.AppendUint32(out, uint32(size-12))
	out = binary.BigEndian.AppendUint32(out, 0xffffffff) // leader epoch
	out = append(out, 2, 0, 0, 0, 0)                     // magic, CRC
	out = binary.BigEndian.AppendUint16(out, uint16(settings.codec.id))
	out = binary.BigEndian.AppendUint32(out, uint32(len(values)-1))
	out = binary.BigEndian.AppendUint64(out, uint64(now.UnixMilli()))
	out = binary.BigEndian.AppendUint64(out, uint64(now.UnixMilli()))
	out = binary.BigEndian.AppendUint64(out, 0xffffffffffffffff) // producer id
	out = binary.BigEndian.AppendUint16(out, 0xffff)
	out = binary.BigEndian.AppendUint32(out, 0xffffffff)
	out = binary.BigEndian.AppendUint32(out, uint32(len(values)))
	out = append(out, records...)
	seal(out[at:])
	end := len(out)

	out = append(out, 0, 0, 0) // no tagged fields: partition, topic, request
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return batch{request: out, at: at, end: end, partition: partition, records: len(values), payload: payload}, scratch
}

func seal(recordBatch []byte) {
	binary.BigEndian.PutUint32(recordBatch[batchCRC:], crc32.Checksum(recordBatch[batchAttributes:], castagnoli))
}

// stamp writes the producer's identity and next sequence into a request that the caller owns.
func (b *batch) stamp(request []byte, producer *producerState) {
	recordBatch := request[b.at:b.end]
	binary.BigEndian.PutUint64(recordBatch[batchProducerID:], uint64(producer.id))
	binary.BigEndian.PutUint16(recordBatch[batchEpoch:], uint16(producer.epoch))
	binary.BigEndian.PutUint32(recordBatch[batchSequence:], uint32(producer.sequences[b.partition]))
	producer.sequences[b.partition] += int32(b.records)
	seal(recordBatch)
}

// takeLines draws lines until they fill about size bytes; at least one.
func takeLines(line lineMaker, size int) [][]byte {
	var values [][]byte
	for total := 0; len(values) == 0 || total < size; {
		value := line()
		if len(values) > 0 && total+len(value) > size {
			break
		}
		values = append(values, value)
		total += len(value)
	}
	return values
}

// makePool prepares distinct batches of about size bytes of payload, partition by partition in turn.
func makePool(settings *settings, line lineMaker, partitions int) []batch {
	count := min(max(settings.poolBytes/settings.batchBytes, partitions*max(settings.topics, 1)), 1<<16)
	count -= count % partitions
	pool := make([]batch, count)
	var scratch []byte
	for i := range pool {
		pool[i], scratch = encodeBatch(settings, settings.topicOf(i/partitions), int32(i%partitions), takeLines(line, settings.batchBytes), time.Now(), scratch)
	}
	return pool
}
