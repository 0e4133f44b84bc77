/**
 * HTTP: health and metrics on the HTTP port, the control API on the control socket. Both answer errors alike.
 */
import { chmod, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { fastify, type FastifyInstance } from 'fastify'
import { isSystemError, SluiceError, sluiceError } from '../base/errors.ts'
import { findPortHolder } from '../base/port-holder.ts'
import { withSocketPath } from './socket-path.ts'

/** Routes have no JSON schemas: what they take is checked by zod. Fastify's own compilers of them are loaded unless there are others. */
const noSchemas = (): never => {
  throw new Error('a route has a JSON schema')
}

/** A server without routes. It listens once `listen` is called. */
export function createHttpServer(): FastifyInstance {
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    bodyLimit: 1024 * 1024,
    schemaController: { compilersFactory: { buildValidator: () => noSchemas, buildSerializer: () => noSchemas } },
  })
  server.setErrorHandler((error, _request, reply) => {
    if (error instanceof SluiceError) return reply.code(error.status).send({ code: error.code, message: error.message })
    const { statusCode = 500, message } = error as Error & { statusCode?: number }
    return reply.code(statusCode).send({ code: statusCode < 500 ? 'INVALID_REQUEST' : 'INTERNAL_ERROR', message })
  })
  return server
}

/** Listens on a Unix socket that only this user may open; one that an earlier process left is replaced. */
export async function listenOnSocket(server: FastifyInstance, path: string): Promise<void> {
  await rm(path, { force: true })
  await server.ready()
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    withSocketPath(path, short => server.server.listen(short, resolve))
  })
  await chmod(path, 0o600)
}

/** Listens on a port. Rejects with PORT_IN_USE. */
export async function listenOnPort(
  server: FastifyInstance,
  { host, port }: { host: string; port: number },
): Promise<{ host: string; port: number }> {
  try {
    await server.listen({ host, port })
  } catch (error) {
    if (!isSystemError(error, 'EADDRINUSE')) throw error
    throw sluiceError('PORT_IN_USE', { listener: 'http', port, holder: await findPortHolder(port), option: 'http.port' }, error)
  }
  return { host, port: (server.server.address() as AddressInfo).port }
}
