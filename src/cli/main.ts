#!/usr/bin/env node
/**
 * The command line. Every failure is one sentence on standard error and a status that is not zero.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { CertificateError } from '../../certs/development.ts'
import { isSystemError, SluiceError } from '../base/errors.ts'
import { agentConfigCommand } from './agent-config.ts'
import { backupCommand } from './backup.ts'
import { certsCommand } from './certs.ts'
import { doctorCommand } from './doctor.ts'
import { dumpCommand } from './dump.ts'
import { exportCommand } from './export.ts'
import { inspectCommand } from './inspect.ts'
import { journalCommand } from './journal.ts'
import { keyCommand } from './key.ts'
import { logstoreFieldCommand } from './logstore-field.ts'
import { logstoreMaskCommand } from './logstore-mask.ts'
import { logstoreCommand } from './logstore.ts'
import { projectCommand } from './project.ts'
import { pushCommand } from './push.ts'
import { queryCommand } from './query.ts'
import { restoreCommand } from './restore.ts'
import { serveCommand } from './serve.ts'
import { statusCommand } from './status.ts'

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('sluice')
  .description('A log ingestion endpoint that speaks the Kafka protocol; what it takes is searchable in ClickHouse.')
  .version(version)
  .showSuggestionAfterError()
for (const command of [
  serveCommand(),
  projectCommand(),
  logstoreCommand().addCommand(logstoreFieldCommand()).addCommand(logstoreMaskCommand()),
  keyCommand(),
  pushCommand(),
  agentConfigCommand(),
  queryCommand(),
  exportCommand(),
  statusCommand(),
  backupCommand(),
  restoreCommand(),
  dumpCommand(),
  inspectCommand(),
  journalCommand(),
  doctorCommand(),
  certsCommand(),
])
  program.addCommand(command)

// Whoever read what is printed has seen enough, as `head` does.
process.stdout.on('error', error => {
  if (!isSystemError(error, 'EPIPE')) throw error
  process.exit()
})

try {
  await program.parseAsync()
} catch (error) {
  // What the system says of a file is a sentence too; any other error is a bug, and says where.
  const isSystem = error instanceof Error && 'syscall' in error
  const isExpected = error instanceof SluiceError || error instanceof CertificateError || isSystem
  console.error(`sluice: ${isExpected ? error.message : ((error as Error).stack ?? String(error))}`)
  // Whatever is still open must not keep a failed command alive.
  process.exit(1)
}
