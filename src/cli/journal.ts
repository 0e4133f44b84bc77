/**
 * `sluice journal`: looks into the journal of a data directory. Its commands need no server and take no lock, so they work beside
 * one too; whatever changes a journal has to take the lock of the data directory first.
 */
import { Command } from 'commander'
import { journalInspectCommand } from './journal-inspect.ts'
import { journalVerifyCommand } from './journal-verify.ts'

export function journalCommand(): Command {
  return new Command('journal')
    .description('the journal: the files that hold every log until it is in a table')
    .addCommand(journalInspectCommand())
    .addCommand(journalVerifyCommand())
}
