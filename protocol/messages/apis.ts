/**
 * All APIs that are declared, with their request and response.
 */
import { ApiKey } from '../api-keys.ts'
import type { Message } from '../message.ts'
import { apiVersionsRequest, apiVersionsResponse } from './api-versions.ts'
import { fetchRequest, fetchResponse } from './fetch.ts'
import { findCoordinatorRequest, findCoordinatorResponse } from './find-coordinator.ts'
import { initProducerIdRequest, initProducerIdResponse } from './init-producer-id.ts'
import { listOffsetsRequest, listOffsetsResponse } from './list-offsets.ts'
import { metadataRequest, metadataResponse } from './metadata.ts'
import { produceRequest, produceResponse } from './produce.ts'
import { saslAuthenticateRequest, saslAuthenticateResponse } from './sasl-authenticate.ts'
import { saslHandshakeRequest, saslHandshakeResponse } from './sasl-handshake.ts'

/** A message whose type is not known: it can be decoded and printed. */
export type AnyMessage = Message<unknown, never>

export interface Api {
  readonly name: keyof typeof ApiKey
  readonly apiKey: number
  readonly request: AnyMessage
  readonly response: AnyMessage
}

export const apis: readonly Api[] = [
  api('Produce', produceRequest, produceResponse),
  api('Fetch', fetchRequest, fetchResponse),
  api('ListOffsets', listOffsetsRequest, listOffsetsResponse),
  api('Metadata', metadataRequest, metadataResponse),
  api('FindCoordinator', findCoordinatorRequest, findCoordinatorResponse),
  api('SaslHandshake', saslHandshakeRequest, saslHandshakeResponse),
  api('ApiVersions', apiVersionsRequest, apiVersionsResponse),
  api('InitProducerId', initProducerIdRequest, initProducerIdResponse),
  api('SaslAuthenticate', saslAuthenticateRequest, saslAuthenticateResponse),
]

const byKey = new Map(apis.map(api => [api.apiKey, api]))

export function findApi(apiKey: number): Api | undefined {
  return byKey.get(apiKey)
}

function api(name: keyof typeof ApiKey, request: AnyMessage, response: AnyMessage): Api {
  return { name, apiKey: ApiKey[name], request, response }
}
