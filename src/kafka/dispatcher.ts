/**
 * Finds the handler of a request. The handlers' own version tables are what ApiVersions announces, so nothing is announced
 * that is not handled.
 */
import { apiName } from '../../protocol/api-keys.ts'
import type { RequestHeader } from '../../protocol/headers.ts'
import type { ApiVersionRange } from '../../protocol/messages/api-versions.ts'
import type { AnyHandler } from './handler.ts'

export class Dispatcher {
  readonly #handlers: ReadonlyMap<number, AnyHandler>

  constructor(handlers: readonly AnyHandler[]) {
    this.#handlers = new Map(handlers.map(handler => [handler.request.apiKey, handler]))
  }

  /** The handler of a request, or why there is none. */
  find({ apiKey, apiVersion }: RequestHeader): AnyHandler | string {
    const handler = this.#handlers.get(apiKey)
    if (handler === undefined) return `it sent ${apiName(apiKey)}, which is not supported`
    const { request } = handler
    if (request.isDeclared(apiVersion)) return handler
    return `it sent ${apiName(apiKey)} version ${apiVersion}, supported are ${request.minVersion} to ${request.maxVersion}`
  }

  /** What ApiVersions answers: every API and the versions of it that are handled. */
  get ranges(): ApiVersionRange[] {
    return [...this.#handlers.values()].map(({ request: { apiKey, minVersion, maxVersion } }) => ({
      apiKey,
      minVersion,
      maxVersion,
    }))
  }
}
