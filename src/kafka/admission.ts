/**
 * Who may connect: how many clients at once, in total and from one source, and how many of them in their TLS handshake.
 *
 * A handshake is what costs a server most of what a stranger can ask for. When thousands of clients come back at once, as after a
 * restart, all of them together would be too slow for each; so only some are let in at a time, and the others wait unread. One source
 * never has more than its share of those places, and sources take turns, so that silent or hostile clients of one address hold up
 * no others. Networks that are exempt (a fleet behind one address) have no limits of their own.
 */
import type { Socket } from 'node:net'
import type { Log } from '../base/log.ts'
import { Networks, plainAddress, sourceOf } from '../base/networks.ts'
import type { Limits } from '../config/limits.ts'

interface Source {
  isExempt: boolean
  connections: number
  handshakes: number
  /** Begin their handshakes, oldest first. */
  waiting: Set<() => void>
}

/** The part of all handshakes that may be one source's. */
const SHARE = 1 / 4
/** Refusals are told at most this often; hostile clients must not fill the log. */
const REPORT_MS = 10_000

export class Admission {
  readonly #limits: Limits
  readonly #exempt: Networks
  readonly #log: Log
  /** Those with a connection. */
  readonly #sources = new Map<string, Source>()
  /** Those with handshakes that wait, in the order of their turns. */
  readonly #turns = new Set<Source>()
  #connections = 0
  #handshakes = 0
  #waiting = 0
  #refused = 0
  #lastReportMs = -Infinity

  constructor({ limits, log }: { limits: Limits; log: Log }) {
    this.#limits = limits
    this.#exempt = new Networks(limits.exemptNetworks)
    this.#log = log
  }

  get connections(): number {
    return this.#connections
  }

  /** Clients that were refused, since the start. */
  get refused(): number {
    return this.#refused
  }

  /** Clients in their TLS handshake, and those that wait for it. */
  get handshakes(): { underWay: number; waiting: number } {
    return { underWay: this.#handshakes, waiting: this.#waiting }
  }

  /** Counts a client of a listener in until its socket is closed; or refuses it, and closes the socket. */
  enter(socket: Socket, { name, networks }: { name: string; networks: Networks }): boolean {
    const address = plainAddress(socket.remoteAddress)
    if (!networks.has(address)) return this.#refuse(socket, address, `it is in none of the networks of listener ${name}`)
    const key = sourceOf(address)
    const source = this.#sources.get(key) ?? this.#newSource(address)
    const { connections, connectionsPerSource } = this.#limits
    if (this.#connections >= connections)
      return this.#refuse(socket, address, `there are ${connections} connections, see limits.connections`)
    if (source.connections >= connectionsPerSource && !source.isExempt)
      return this.#refuse(
        socket,
        address,
        `it has ${connectionsPerSource} connections, see limits.connectionsPerSource and limits.exemptNetworks`,
      )
    this.#connections++
    source.connections++
    this.#sources.set(key, source)
    socket.once('close', () => {
      this.#connections--
      if (--source.connections === 0) this.#sources.delete(key)
    })
    return true
  }

  /**
   * Calls `begin` when this client's TLS handshake may begin, at once or later. `over` is to be called when it has come to an end;
   * the end of the socket is one too.
   */
  awaitTurn(socket: Socket, begin: () => void): { over: () => void } {
    const source = this.#sources.get(sourceOf(plainAddress(socket.remoteAddress)))!
    let hasBegun = false
    let isOver = false
    const start = (): void => {
      hasBegun = true
      this.#handshakes++
      source.handshakes++
      begin()
    }
    const over = (): void => {
      if (isOver) return
      isOver = true
      if (hasBegun) {
        this.#handshakes--
        source.handshakes--
        this.#admit()
      } else this.#stopWaiting(source, start)
    }
    socket.once('close', over)
    if (this.#handshakes < this.#limits.handshakes && this.#hasShare(source)) start()
    else {
      source.waiting.add(start)
      this.#waiting++
      this.#turns.add(source)
    }
    return { over }
  }

  #newSource(address: string): Source {
    return { isExempt: this.#exempt.has(address), connections: 0, handshakes: 0, waiting: new Set() }
  }

  #hasShare({ isExempt, handshakes }: Source): boolean {
    return isExempt || handshakes < Math.max(1, Math.floor(this.#limits.handshakes * SHARE))
  }

  #stopWaiting(source: Source, start: () => void): void {
    if (!source.waiting.delete(start)) return
    this.#waiting--
    if (source.waiting.size === 0) this.#turns.delete(source)
  }

  /** Lets those begin that wait, as long as there are places: one of each source in turn. */
  #admit(): void {
    // A source that has had its turn goes behind the others, and is met again there.
    for (const source of this.#turns) {
      if (this.#handshakes >= this.#limits.handshakes) return
      if (!this.#hasShare(source)) continue
      const [start] = source.waiting
      this.#turns.delete(source)
      this.#turns.add(source)
      this.#stopWaiting(source, start!)
      start!()
    }
  }

  #refuse(socket: Socket, source: string, reason: string): false {
    socket.destroy()
    this.#refused++
    const nowMs = performance.now()
    if (nowMs - this.#lastReportMs >= REPORT_MS) {
      this.#lastReportMs = nowMs
      this.#log.warn({ source, reason, refused: this.#refused }, 'clients are refused, this is one of them')
    }
    return false
  }
}
