/**
 * SaslHandshake: the client names its SASL mechanism.
 *
 * | version | what follows |
 * | --- | --- |
 * | 0 | SASL tokens as bare frames: a size and the token, no header |
 * | 1 | SaslAuthenticate requests (KIP-152) |
 *
 * Never flexible, and no version will ever be added (KAFKA-9577): some clients use the highest announced one blindly.
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import { array, type InputOf, int16, string, type ValueOf } from '../schema.ts'

const options = { apiKey: ApiKey.SaslHandshake, versions: [0, 1] } as const

export const saslHandshakeRequest = message('SaslHandshakeRequest', options, { mechanism: string })
export type SaslHandshakeRequest = ValueOf<typeof saslHandshakeRequest>

export const saslHandshakeResponse = message('SaslHandshakeResponse', options, { errorCode: int16, mechanisms: array(string) })
export type SaslHandshakeResponse = ValueOf<typeof saslHandshakeResponse>
export type SaslHandshakeResponseInput = InputOf<typeof saslHandshakeResponse>
