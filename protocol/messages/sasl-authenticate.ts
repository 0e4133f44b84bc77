/**
 * SaslAuthenticate: a SASL token, after SaslHandshake 1 (KIP-152).
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 0 | authBytes | errorCode, errorMessage, authBytes |
 * | 1 | | sessionLifetimeMs (KIP-368) |
 * | 2 | flexible | flexible |
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import { bytes, type InputOf, int16, int64, nullableString, secret, since, type ValueOf } from '../schema.ts'

const options = { apiKey: ApiKey.SaslAuthenticate, versions: [0, 2], flexibleFrom: 2 } as const

export const saslAuthenticateRequest = message('SaslAuthenticateRequest', options, { authBytes: secret(bytes) })
export type SaslAuthenticateRequest = ValueOf<typeof saslAuthenticateRequest>

export const saslAuthenticateResponse = message('SaslAuthenticateResponse', options, {
  errorCode: int16,
  errorMessage: nullableString,
  /** Must not be null, not even with an error. */
  authBytes: secret(bytes),
  sessionLifetimeMs: since(1, int64),
})
export type SaslAuthenticateResponse = ValueOf<typeof saslAuthenticateResponse>
export type SaslAuthenticateResponseInput = InputOf<typeof saslAuthenticateResponse>
