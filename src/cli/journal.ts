/**
 * `sluice journal`: looks into the journal of a data directory, and repairs it. What only looks needs no server and takes no lock, so it
 * works beside one too; what changes the journal takes the lock of the data directory first.
 */
import { Command } from 'commander'
import { journalInspectCommand } from './journal-inspect.ts'
import { journalRepairCommand } from './journal-repair.ts'
import { journalVerifyCommand } from './journal-verify.ts'

export function journalCommand(): Command {
  return new Command('journal')
    .description('the journal: the files that hold every log until it is in a table')
    .addCommand(journalInspectCommand())
    .addCommand(journalVerifyCommand())
    .addCommand(journalRepairCommand())
}
