/**
 * Health for whoever watches the process, and metrics in Prometheus' text format.
 *
 *     GET /healthz   200 while the process answers
 *     GET /readyz    200 while writes are taken and indexed; else 503 with what is wrong, a line each
 *     GET /metrics   Prometheus text
 */
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

export function addHealthRoutes(server: FastifyInstance, options: { problems: () => string[]; metrics: Registry }): void {
  const { problems, metrics } = options
  server.get('/healthz', (_request, reply) => reply.type('text/plain').send('ok\n'))

  server.get('/readyz', (_request, reply) => {
    const found = problems()
    return reply
      .code(found.length === 0 ? 200 : 503)
      .type('text/plain')
      .send(found.length === 0 ? 'ready\n' : `${found.join('\n')}\n`)
  })

  server.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
}
