/** The driver of @platformatic/kafka. */
import { readFileSync } from 'node:fs'
import { load, runDriver } from './job.mjs'

const { Producer } = await load('@platformatic/kafka')

await runDriver(async job => {
  const producer = new Producer({
    clientId: 'driver',
    bootstrapBrokers: [job.bootstrap],
    tls: { ca: readFileSync(job.ca) },
    sasl: { mechanism: 'PLAIN', username: job.user, password: job.password },
    idempotent: job.idempotent,
    acks: job.acks,
    compression: job.codec,
  })
  return {
    send: messages => producer.send({ messages: messages.map(({ topic, value }) => ({ topic, value: Buffer.from(value) })) }),
    close: () => producer.close(),
  }
})
