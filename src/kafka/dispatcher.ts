/**
 * Finds the handler of a request. The handlers' own version tables are what ApiVersions announces, so nothing is announced
 * that is not handled.
 */
import { type ApiVersionRange } from '../../protocol/messages/api-versions.ts'
import { type AnyHandler } from './handler.ts'

export class Dispatcher {
  readonly #handlers: ReadonlyMap<number, AnyHandler>

  constructor(handlers: readonly AnyHandler[]) {
    this.#handlers = new Map(handlers.map(handler => [handler.request.apiKey, handler]))
  }

  /** The handler of an API, or undefined if sluice has none. */
  find(apiKey: number): AnyHandler | undefined {
    return this.#handlers.get(apiKey)
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
