/**
 * A process of the simulation: some part of what runs here, which can end at any moment without the rest.
 *
 * Code cannot be stopped from outside, but cut off: from its end on no call of a process to the disk, the store or another process
 * does anything, or settles.
 */
import type { Files, OpenFile } from '../../src/base/files.ts'

export class SimulatedProcess {
  readonly ended: Promise<void>
  #isAlive = true
  #end!: () => void

  constructor() {
    this.ended = new Promise(resolve => (this.#end = resolve))
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  end(): void {
    this.#isAlive = false
    this.#end()
  }

  /** A call to the outside. */
  async call<Result>(act: () => Promise<Result>): Promise<Result> {
    if (!this.#isAlive) await never
    try {
      return await act()
    } finally {
      if (!this.#isAlive) await never
    }
  }

  /** The file system as this process reaches it. */
  filesOf(files: Files): Files {
    return {
      open: async (path, options) => this.#openFile(await this.call(() => files.open(path, options))),
      rename: (from, to) => this.call(() => files.rename(from, to)),
      remove: path => this.call(() => files.remove(path)),
      list: directory => this.call(() => files.list(directory)),
      makeDirectory: (path, mode) => this.call(() => files.makeDirectory(path, mode)),
      syncDirectory: path => this.call(() => files.syncDirectory(path)),
      readFile: path => this.call(() => files.readFile(path)),
    }
  }

  #openFile(file: OpenFile): OpenFile {
    return {
      write: (pieces, position) => this.call(() => file.write(pieces, position)),
      read: (buffer, position, length) => this.call(() => file.read(buffer, position, length)),
      truncate: length => this.call(() => file.truncate(length)),
      sync: () => this.call(() => file.sync()),
      size: () => this.call(() => file.size()),
      close: () => this.call(() => file.close()),
    }
  }
}

const never = new Promise<never>(() => {})

/** One way of messages between two processes: what goes in comes out in order, as JSON, some time later. */
export class Channel<Message> {
  readonly #from: SimulatedProcess
  readonly #to: SimulatedProcess
  /** At least 1: timers of 0 ms do not keep their order. */
  readonly #delayMs: () => number
  readonly #receive: (message: Message) => void
  /** When the last message comes out; none behind it comes sooner. */
  #lastMs = 0

  constructor(options: {
    from: SimulatedProcess
    to: SimulatedProcess
    delayMs: () => number
    receive: (message: Message) => void
  }) {
    this.#from = options.from
    this.#to = options.to
    this.#delayMs = options.delayMs
    this.#receive = options.receive
  }

  send(message: Message): void {
    if (!this.#from.isAlive) return
    const text = JSON.stringify(message)
    this.#lastMs = Math.max(this.#lastMs, Date.now() + this.#delayMs())
    setTimeout(() => {
      if (this.#to.isAlive) this.#receive(JSON.parse(text) as Message)
    }, this.#lastMs - Date.now())
  }
}
