/**
 * How a command reaches what it changes or asks: through the control socket of the running server; where none runs, this
 * process takes the data directory and opens such a socket itself for as long as the command takes. So every command works
 * either way, in one way.
 */
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError, sluiceError, type ErrorName } from '../base/errors.ts'
import { createLog } from '../base/log.ts'
import type { Config } from '../config/schema.ts'
import { withSocketPath } from '../http/socket-path.ts'
import { commandSocketPath, controlSocketPath, openControl, type Running } from '../sluice.ts'

export interface Control {
  /** Sends a request and resolves with the JSON of the answer. Rejects with the server's error. */
  call<Answer>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer>
  /** The same for an answer that is read as it comes. */
  stream(method: 'POST', path: string, body: unknown): Promise<IncomingMessage>
}

/** How long a server that is starting, or another command, is waited for. */
const WAIT_MS = 10_000
const POLL_MS = 100

/** Calls `act` with what reaches the data directory's sluice, running or not. */
export async function withControl<Result>(config: Config, act: (control: Control) => Promise<Result>): Promise<Result> {
  const own = await openIfNobodyListens(config)
  const path = own === undefined ? controlSocketPath(config.data) : commandSocketPath(config.data)
  try {
    return await act({
      async call(method, url, body) {
        const text = await readText(await send(path, method, url, body))
        return (text === '' ? undefined : JSON.parse(text)) as never
      },
      stream: (method, url, body) => send(path, method, url, body),
    })
  } finally {
    await own?.close()
  }
}

/** What the running server answers to a GET; undefined if none runs on the data directory. */
export async function askServer({ data }: Config, url: string): Promise<{ status: number; text: string } | undefined> {
  if (!(await answers(controlSocketPath(data)))) return undefined
  const answer = await exchange(controlSocketPath(data), 'GET', url)
  return { status: answer.statusCode ?? 500, text: await readText(answer) }
}

async function openIfNobodyListens(config: Config): Promise<Running | undefined> {
  const deadline = Date.now() + WAIT_MS
  for (;;) {
    if (await answers(controlSocketPath(config.data))) return undefined
    try {
      return await openControl(config, createLog('sluice', 'warn', process.stderr.isTTY))
    } catch (error) {
      // Someone has the directory and takes no commands: a server that is starting or stopping, or another command.
      const isLocked = error instanceof SluiceError && error.code === 'DATA_LOCKED'
      if (!isLocked || Date.now() > deadline) throw error
      await delay(POLL_MS)
    }
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = withSocketPath(path, short => connect(short))
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

async function send(path: string, method: string, url: string, body?: unknown): Promise<IncomingMessage> {
  const answer = await exchange(path, method, url, body)
  if ((answer.statusCode ?? 500) < 400) return answer
  const { code, message } = JSON.parse(await readText(answer)) as { code?: ErrorName; message: string }
  // Only the HTTP server itself answers without one of our codes, when it is being closed.
  if (code === undefined) throw sluiceError('SERVER_UNREACHABLE', { problem: 'it is stopping' })
  throw new SluiceError(code, message, {})
}

async function exchange(path: string, method: string, url: string, body?: unknown): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const headers =
    payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
  return new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      { method, path: url, headers, createConnection: () => withSocketPath(path, short => connect(short)) },
      resolve,
    )
    sent.once('error', (error: Error) => reject(sluiceError('SERVER_UNREACHABLE', { problem: error.message }, error)))
    sent.end(payload)
  })
}

async function readText(answer: IncomingMessage): Promise<string> {
  let text = ''
  answer.setEncoding('utf8')
  for await (const chunk of answer) text += chunk as string
  return text
}
