/** Programs that the benchmarks need beside Node. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

/** Runs a program to its end; resolves with what it printed, and rejects with what it complained of. */
export async function runCommand(command: string, args: readonly string[], { cwd }: { cwd?: string } = {}): Promise<string> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  if (code !== 0) throw new Error(`${command} ${args[0]} ended with ${code}: ${stderr.trim() || stdout.trim()}`)
  return stdout
}

/** Rejects with a sentence for people if a program is not there. `purpose` completes "… is needed". */
export async function checkCommand(command: string, args: readonly string[], purpose: string): Promise<string> {
  try {
    return await runCommand(command, args)
  } catch (error) {
    throw new Error(`"${command}" is needed ${purpose}; install it and run this again (${(error as Error).message})`, {
      cause: error,
    })
  }
}
