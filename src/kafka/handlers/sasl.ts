/**
 * SaslHandshake 0–1 and SaslAuthenticate 0–2 for the mechanism PLAIN. After a handshake of version 0 the token comes without a
 * header; the connection reads that itself.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts'
import {
  saslAuthenticateRequest,
  saslAuthenticateResponse,
  type SaslAuthenticateRequest,
  type SaslAuthenticateResponseInput,
} from '../../../protocol/messages/sasl-authenticate.ts'
import {
  saslHandshakeRequest,
  saslHandshakeResponse,
  type SaslHandshakeRequest,
  type SaslHandshakeResponseInput,
} from '../../../protocol/messages/sasl-handshake.ts'
import type { Handler } from '../handler.ts'

export const saslHandshakeHandler: Handler<SaslHandshakeRequest, SaslHandshakeResponseInput> = {
  request: saslHandshakeRequest,
  response: saslHandshakeResponse,
  handle({ mechanism }, { version, session }) {
    if (session.handshake(version, mechanism)) return { response: { errorCode: ErrorCode.NONE, mechanisms: ['PLAIN'] } }
    const response = { errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms: ['PLAIN'] }
    return { response, thenClose: 'it asked for a SASL mechanism other than PLAIN' }
  },
}

export const saslAuthenticateHandler: Handler<SaslAuthenticateRequest, SaslAuthenticateResponseInput> = {
  request: saslAuthenticateRequest,
  response: saslAuthenticateResponse,
  blocks: true,
  async handle({ authBytes }, call) {
    const result = await call.session.authenticate(authBytes, call)
    // Kong's library takes null for the bytes of another mechanism: they are empty, and the message of a refusal never null.
    const response = { errorCode: ErrorCode.NONE, errorMessage: null, authBytes: Buffer.alloc(0), sessionLifetimeMs: 0 }
    if (result.accepted) return { response: { ...response, sessionLifetimeMs: result.lifetimeMs } }
    const { message } = result
    return {
      response: { ...response, errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED, errorMessage: message },
      thenClose: message,
    }
  },
}
