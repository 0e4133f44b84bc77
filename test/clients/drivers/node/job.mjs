/** What the drivers in JavaScript share: the job, its records, and the report. See test/clients/client.ts. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

/** Records for one call of a client's `send`. */
const CHUNK = 500

/** Loads a package from the directory that the driver was started with; this repository has packages of the same names. */
export function load(name) {
  const { resolve } = createRequire(join(process.argv[2], 'package.json'))
  return import(pathToFileURL(resolve(name)).href)
}

/**
 * Does the job that standard input holds. `connect` makes a producer of it and resolves with two functions: one sends an array of
 * messages, each with its topic and value, one ends.
 */
export async function runDriver(connect) {
  const job = JSON.parse(await text(process.stdin))
  const report = { delivered: 0, failed: 0, error: null }
  const fail = (records, error) => {
    report.failed += records
    report.error ??= describe(error)
  }
  try {
    const { send, close } = await connect(job)
    for (let first = 0; first < job.records; first += CHUNK) {
      const messages = Array.from({ length: Math.min(CHUNK, job.records - first) }, (_, index) => makeMessage(job, first + index))
      try {
        await send(messages)
        report.delivered += messages.length
      } catch (error) {
        fail(messages.length, error)
      }
    }
    await close()
  } catch (error) {
    fail(job.records - report.delivered - report.failed, error)
  }
  console.log(JSON.stringify(report))
}

function makeMessage({ run, topics }, n) {
  const message =
    `203.0.113.${n % 200} - - "POST /api/v2/baskets/${n}/items?currency=EUR HTTP/1.1" 201 ${300 + (n % 900)} ` +
    `"https://shop.example.com/basket" "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"`
  return { topic: topics[n % topics.length], value: JSON.stringify({ run, n, message }) }
}

/** As the console prints an error: with the one behind it if that says more; of several with the first. */
function describe(error) {
  const words = `${error.name}: ${error.message}`
  const inner = error.errors?.[0] ?? error.cause
  return inner === undefined || words.includes(inner.message) ? words : `${words}: ${describe(inner)}`
}
