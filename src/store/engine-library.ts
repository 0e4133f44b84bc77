/**
 * Whether the embedded engine's library fits this machine, without starting the engine.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const TIMEOUT_MS = 60_000

/** Why the library cannot be loaded, in half a sentence; undefined if it can. */
export function findLibraryProblem(): Promise<string | undefined> {
  const loader = fileURLToPath(new URL('./load-library.js', import.meta.url))
  return new Promise(resolve => {
    execFile(process.execPath, [loader], { timeout: TIMEOUT_MS }, (error, _stdout, stderr) => {
      if (error === null) return resolve(undefined)
      const says = stderr.split('\n').find(line => /Error: /.test(line))
      const how = error.signal == null ? `loading it ended with ${error.code}` : `loading it was ended by ${error.signal}`
      resolve(says?.replace(/^.*?Error: /, '') ?? how)
    })
  })
}
