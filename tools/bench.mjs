/**
 * `npm run bench -- NAME [options]`: one of the measurements in bench/. Without a name it says which there are; `--help` says
 * what one measures, how, and what its options are.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const benchmarks = {
  produce: 'taking logs, beside Apache Kafka',
  indexing: 'from the journal to the table: CPU, memory, disk, and how fast queries are there',
  decoding: 'what it costs to read the values of logs, by format',
  freshness: 'how long it takes until a log that was sent is found',
  connections: 'what connections cost, and what others notice of those that behave badly',
  micro: 'what each stage on the way to the acknowledgement costs',
  profile: 'what CPU goes to on the way to the acknowledgement, beside a server that does nothing else',
  scale: 'how throughput and CPU grow with connections, logstores, shards, the journal and processes',
  pipeline: 'from send to searchable, beside Kafka and a bare ClickHouse',
  overload: 'what one project notices when another sends too much',
  report: 'writes docs/performance.md from what was measured',
}

const [name, ...args] = process.argv.slice(2)
if (Object.hasOwn(benchmarks, name ?? '') && args.includes('--help')) {
  // What a file says of itself at its top.
  const [, comment] = /\/\*\*\n([\s\S]*?)\n \*\//.exec(readFileSync(new URL(`../bench/${name}.ts`, import.meta.url), 'utf8'))
  console.log(comment.replace(/^ \* ?/gm, ''))
} else if (Object.hasOwn(benchmarks, name ?? '')) {
  const file = new URL(`../dist/bench/${name}.js`, import.meta.url)
  process.argv = [process.execPath, fileURLToPath(file), ...args]
  await import(file.href)
} else {
  console.error('usage: npm run bench -- NAME [options]\n')
  for (const [known, about] of Object.entries(benchmarks)) console.error(`  ${known.padEnd(13)}${about}`)
  process.exitCode = name === undefined ? 0 : 1
}
