/** What is known of agents: where they cannot do better, and what their pages say becomes of records. */
import type { Fate } from './fate.ts'

/** Agents that lose records while the server cannot take them, whatever their settings are, with the reason. */
export const mayLose: Readonly<Record<string, string>> = {
  apinto: 'It tries for about a second and goes on; nothing of its settings changes that.',
}

/** A fate, and the words of the agent's page in src/agents that tell it; a library has no page. */
export interface ExpectedFate {
  fate: Fate
  page?: string
}

/** By the agent and what goes wrong. */
export const expectedFates: Readonly<Record<string, Partial<Record<'revoked' | 'missing' | 'large', ExpectedFate>>>> = {
  kcat: {
    revoked: { fate: 'some lost', page: 'What the server refuses for good is lost' },
    missing: { fate: 'some lost', page: 'A logstore that does not exist is waited for, 30 seconds' },
    large: { fate: 'stops', page: 'A line above 1,000,000 bytes ends kcat' },
  },
  rsyslog: {
    revoked: { fate: 'nothing lost', page: 'What was refused is sent again with the next log' },
    missing: { fate: 'nothing lost', page: 'rsyslog keeps the logs and tries again with the next one' },
    large: { fate: 'nothing lost', page: 'rsyslog itself cuts a log' },
  },
  'syslog-ng': {
    revoked: { fate: 'some lost', page: 'what was refused is lost' },
    missing: { fate: 'some lost', page: 'is missing for more than 30 seconds: these logs are lost' },
    large: { fate: 'nothing lost', page: 'syslog-ng itself makes several logs of' },
  },
  collectd: {
    revoked: { fate: 'some lost', page: 'a value that the server refused is lost' },
    missing: { fate: 'some lost', page: 'these values are lost' },
  },
  logstash: {
    revoked: { fate: 'some lost', page: 'Logstash drops an event that was refused for good' },
    missing: { fate: 'nothing lost', page: 'While the logstore is missing, or the server away, it waits' },
    large: { fate: 'nothing lost', page: 'an event above 1 MiB' },
  },
  vector: {
    revoked: { fate: 'some lost', page: 'it drops what was refused' },
    missing: { fate: 'some lost', page: 'waits 30 seconds for a logstore that is missing' },
    large: { fate: 'nothing lost', page: 'A log above 1,000,000 bytes is dropped' },
  },
  'fluent-bit': {
    revoked: { fate: 'some lost', page: 'what was refused is lost' },
    missing: { fate: 'some lost', page: 'A logstore that is missing is waited for, 30 seconds' },
    large: { fate: 'nothing lost', page: 'A log above 1,000,000 bytes is lost' },
  },
  filebeat: {
    revoked: { fate: 'nothing lost', page: 'Filebeat keeps the events and tries again' },
    missing: { fate: 'nothing lost', page: 'it says nothing while the logstore is missing' },
    large: { fate: 'nothing lost', page: 'An event above `max_message_bytes` is dropped' },
  },
  telegraf: {
    revoked: { fate: 'nothing lost', page: 'tries again at the next flush' },
    missing: { fate: 'nothing lost', page: 'tries again at the next flush' },
    large: { fate: 'nothing lost', page: 'A metric above `max_message_bytes` is never sent' },
  },
  'otel-collector': {
    revoked: { fate: 'some lost', page: 'What was refused for good is dropped' },
    missing: { fate: 'nothing lost', page: 'everything else stays in the queue and is tried again' },
  },
  apinto: {
    revoked: { fate: 'some lost', page: 'The logs are lost' },
    missing: { fate: 'some lost', page: 'The logs are lost' },
    large: { fate: 'nothing lost', page: 'A log above 1 MiB is lost' },
  },
  kafkajs: { revoked: { fate: 'some lost' }, missing: { fate: 'nothing lost' }, large: { fate: 'nothing lost' } },
}
