/**
 * The place a command works on: `--config FILE` or `--data DIR`, which every command takes.
 */
import type { Command } from 'commander'
import { loadConfig } from '../config/load-config.ts'
import type { Config } from '../config/schema.ts'

export interface PlaceOptions {
  config?: string
  data?: string
}

export function addPlaceOptions(command: Command): Command {
  return command
    .option('--config <file>', 'the configuration, a YAML file')
    .option('--data <directory>', 'the data directory (default: that of the configuration, else ./data)')
}

export function configOf({ config, data }: PlaceOptions, overrides: Record<string, unknown> = {}): Config {
  return loadConfig({ file: config, data, overrides })
}
