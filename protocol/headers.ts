/**
 * The headers before requests and responses, and whole frames made of size, header and body.
 *
 *     request    size int32 │ apiKey int16 │ apiVersion int16 │ correlationId int32 │ clientId nullable string │ tags │ body
 *     response   size int32 │ correlationId int32 │ tags │ body
 *
 * The tags (KIP-482) are there in header versions 2 of requests and 1 of responses only, which go with flexible versions of the
 * message. Two exceptions: `clientId` keeps its classic length of two bytes, and the response to ApiVersions never has tags.
 */
import { ApiKey } from './api-keys.ts'
import type { Chunks } from './chunks.ts'
import type { Message } from './message.ts'
import { findApi } from './messages/apis.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
}

/** The version of the header before a request; 1 for APIs that are not declared. */
export function requestHeaderVersion(apiKey: number, apiVersion: number): 1 | 2 {
  return findApi(apiKey)?.request.isFlexible(apiVersion) ? 2 : 1
}

/** The version of the header before a response; 0 for APIs that are not declared. */
export function responseHeaderVersion(apiKey: number, apiVersion: number): 0 | 1 {
  return apiKey !== ApiKey.ApiVersions && findApi(apiKey)?.response.isFlexible(apiVersion) ? 1 : 0
}

/**
 * Reads the header of a request and leaves the reader at the first byte of the body.
 *
 * Of versions that are not declared, nothing after the client id is read: what a future version has there nobody knows, and
 * a request for ApiVersions of such a version must be answered all the same.
 */
export function decodeRequestHeader(reader: Reader): RequestHeader {
  reader.flexible = false
  reader.field = 'request header'
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const clientId = reader.nullableString()
  if (findApi(apiKey)?.request.isDeclared(apiVersion) && requestHeaderVersion(apiKey, apiVersion) === 2) {
    reader.skipTaggedFields()
  }
  return { apiKey, apiVersion, correlationId, clientId }
}

/** A whole request as a client sends it. */
export function encodeRequest<Value, Input>(
  message: Message<Value, Input>,
  apiVersion: number,
  correlationId: number,
  clientId: string | null,
  value: NoInfer<Input>,
): Buffer {
  const writer = beginFrame()
  writer.int16(message.apiKey)
  writer.int16(apiVersion)
  writer.int32(correlationId)
  writer.nullableString(clientId)
  if (requestHeaderVersion(message.apiKey, apiVersion) === 2) writer.uvarint(0)
  message.write(writer, value, apiVersion)
  return finishFrame(writer)
}

/** A whole response as a broker sends it. */
export function encodeResponse<Value, Input>(
  message: Message<Value, Input>,
  apiVersion: number,
  correlationId: number,
  value: NoInfer<Input>,
): Buffer {
  const writer = beginFrame()
  writer.int32(correlationId)
  if (responseHeaderVersion(message.apiKey, apiVersion) === 1) writer.uvarint(0)
  message.write(writer, value, apiVersion)
  return finishFrame(writer)
}

/** Reads a response, given without its size. */
export function decodeResponse<Value, Input>(
  message: Message<Value, Input>,
  apiVersion: number,
  frame: Chunks | Buffer,
): { correlationId: number; value: Value } {
  const reader = new Reader(frame)
  reader.field = 'response header'
  const correlationId = reader.int32()
  if (responseHeaderVersion(message.apiKey, apiVersion) === 1) reader.skipTaggedFields()
  return { correlationId, value: message.decode(reader, apiVersion) }
}

function beginFrame(): Writer {
  const writer = new Writer()
  writer.int32(0) // the size, see finishFrame
  return writer
}

function finishFrame(writer: Writer): Buffer {
  writer.patchInt32(0, writer.length - 4)
  return writer.finish()
}
