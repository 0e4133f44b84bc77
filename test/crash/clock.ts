/**
 * A clock that is stepped while processes run by it: libfaketime, which every process of a server loads, reads what it says from a file.
 */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where packages of libfaketime put it, below the directory of an architecture in Debian's. */
const ROOTS = ['/usr/lib', '/usr/lib64', '/usr/local/lib']

export class Clock {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sluice-clock-'))
  readonly #library: string

  /** Throws if the library is not there. */
  constructor() {
    const library = findLibrary()
    if (library === undefined)
      throw new Error('libfaketime is needed to step a clock: install it, such as with "apt-get install faketime"')
    this.#library = library
    this.step(0)
  }

  /** What the environment of a process has to hold to live by this clock. How long something takes is not changed. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** From now on the clock says that it is `aheadMs` later than it is. */
  step(aheadMs: number): void {
    const seconds = Math.round(aheadMs / 1000)
    // Read at any moment, so it is never half written.
    writeFileSync(`${this.#file}.new`, `${seconds < 0 ? '' : '+'}${seconds}`)
    renameSync(`${this.#file}.new`, this.#file)
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true })
  }

  get #file(): string {
    return join(this.#directory, 'ahead')
  }
}

function findLibrary(): string | undefined {
  for (const root of ROOTS.filter(existsSync))
    for (const below of ['', ...readdirSync(root)]) {
      const path = join(root, below, 'faketime', 'libfaketimeMT.so.1')
      if (existsSync(path)) return path
    }
  return undefined
}
