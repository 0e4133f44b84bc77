/**
 * The embedded engine's process: a ClickHouse server out of the npm package.
 *
 * `chdb_query_cmdline` of the library is the program `clickhouse local`, which opens its HTTP port on `SYSTEM START LISTEN HTTP`.
 * It serves as long as its last query runs: that one sleeps for a century, and is killed to stop the server in an orderly way.
 * The library runs on a thread of its own, so this process still hears its parent. Its parameters come as a message and not as
 * arguments, which every user of the machine could read.
 */
import { libchdbPath } from 'chdb/libchdb'
import { DataType, load, open } from 'ffi-rs'
import { writeSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { runAsChild } from '../base/child.ts'

export interface ToEngine {
  dataDirectory: string
  configFile: string
  username: string
  password: string
}

export interface FromEngine {
  /** The engine answers here, and knows the user. Sent once. */
  url: string
}

const host = '127.0.0.1'
const readyPollMs = 25
const killPollMs = 200
/** A start with thousands of parts takes seconds; one that takes longer than this has failed. */
const readyDeadlineMs = 120_000

/**
 * Its end would be the server's, so it must go on when memory is short: it aggregates nothing, which would look at the server's
 * limit every second, and what it allocates is counted by nobody.
 */
const sleepingQuery = 'SELECT sleepEachRow(1) FROM numbers(4000000000)'
const sleepingSettings = 'max_block_size=1, max_threads=1, max_execution_time=0, max_untracked_memory=1000000000000'

/** Set by the first message. */
let engine: (ToEngine & { url: string }) | undefined
let wasReady = false
let isStopping = false

const send = runAsChild<ToEngine, FromEngine>({
  onMessage: message => void start(message).catch((error: unknown) => fail(String(error))),
  onEnd: () => void stop(),
})
process.title = 'sluice engine'

async function start(options: ToEngine): Promise<void> {
  const port = await findFreePort()
  engine = { ...options, url: `http://${host}:${port}` }
  runServer(options, port).then(
    // However it returned, the code of this exit does not matter: the engine ends with 0 for a bad option too.
    () => process.exit(isStopping ? 0 : 1),
    (error: unknown) => fail(String(error)),
  )
  const deadline = performance.now() + readyDeadlineMs
  while (!(await isReady())) {
    if (performance.now() > deadline) fail(`the engine was not ready after ${readyDeadlineMs / 1000} s`)
    await delay(readyPollMs)
  }
  wasReady = true
  send({ url: engine.url })
}

/** Resolves when the server has ended, with whatever success. It writes what went wrong to standard error. */
function runServer({ dataDirectory, configFile }: ToEngine, port: number): Promise<unknown> {
  const query = `SYSTEM START LISTEN HTTP; ${sleepingQuery} FORMAT Null SETTINGS ${sleepingSettings}`
  const args = ['clickhouse', `--path=${dataDirectory}`, `--http_port=${port}`, `--listen_host=${host}`]
  args.push(`--config-file=${configFile}`, '--query', query)
  open({ library: 'chdb', path: libchdbPath() })
  return load({
    library: 'chdb',
    funcName: 'chdb_query_cmdline',
    retType: DataType.External,
    paramsType: [DataType.I32, DataType.StringArray],
    paramsValue: [args.length, args],
    runInNewThread: true,
  }) as unknown as Promise<unknown>
}

/** Asks with our password, so that no other server that took the port in between is taken for ours. */
async function isReady(): Promise<boolean> {
  try {
    return (await ask('SELECT 1')).ok
  } catch {
    return false
  }
}

async function stop(): Promise<void> {
  isStopping = true
  // Nothing was stored yet that could be lost.
  if (!wasReady) die()
  // The server returns from its last query, waits for the requests that are under way, and ends; then so do we. Until then it
  // may refuse connections already. More than once, as the query may not have begun when the first answers came.
  for (;;) {
    await ask(`KILL QUERY WHERE startsWith(query, '${sleepingQuery}') ASYNC`).catch(() => {})
    await delay(killPollMs)
  }
}

async function ask(query: string): Promise<Response> {
  const { url, username, password } = engine!
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' },
    body: query,
  })
  await answer.arrayBuffer()
  return answer
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function fail(problem: string): void {
  writeSync(2, `Exception: ${problem}\n`)
  die()
}

/** Ends this process while the library still runs: its threads would keep an ordinary exit waiting for ever. */
function die(): void {
  process.kill(process.pid, 'SIGKILL')
}
