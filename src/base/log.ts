/**
 * The log of a sluice process: one line per event on standard error, JSON by default, for people when it is a terminal.
 *
 * Lines are for the operator: what happened, to whom, and what to do. Never a secret, never a byte of a payload.
 */
import { pino, type Logger } from 'pino'
import pretty from 'pino-pretty'

export type Log = Logger
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** A log that names its process (`serve`, `indexer`, `engine`) in each line. `colorful` is for terminals. */
export function createLog(process: string, level: LogLevel = 'info', colorful = false): Log {
  const options = { level, base: { process }, redact: ['secret', 'password', '*.secret', '*.password'] }
  if (colorful)
    return pino(options, pretty({ destination: 2, sync: true, ignore: 'process,pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }))
  return pino(options, pino.destination({ dest: 2, sync: true }))
}

/** A log that says nothing: for tests and for commands that print their result themselves. */
export const silentLog: Log = pino({ level: 'silent' })
