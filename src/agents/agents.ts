/** All agents that sluice can write a configuration for, in the order in which they are listed. */
import type { Agent } from './agent.ts'
import { apinto } from './apinto.ts'
import { apisix } from './apisix.ts'
import { collectd } from './collectd.ts'
import { filebeat } from './filebeat.ts'
import { fluentBit } from './fluent-bit.ts'
import { fluentd } from './fluentd.ts'
import { kcat } from './kcat.ts'
import { kong } from './kong.ts'
import { logstash } from './logstash.ts'
import { otelCollector } from './otel-collector.ts'
import { rsyslog } from './rsyslog.ts'
import { syslogNg } from './syslog-ng.ts'
import { telegraf } from './telegraf.ts'
import { vector } from './vector.ts'

export const agents: readonly Agent[] = [
  filebeat,
  fluentd,
  fluentBit,
  logstash,
  vector,
  telegraf,
  collectd,
  rsyslog,
  syslogNg,
  otelCollector,
  kong,
  apisix,
  apinto,
  kcat,
]

/** Other names that people know an agent by. */
const otherNames: Readonly<Record<string, string>> = {
  beats: 'filebeat',
  kafkacat: 'kcat',
  otelcol: 'otel-collector',
  opentelemetry: 'otel-collector',
  'td-agent': 'fluentd',
  fluentbit: 'fluent-bit',
  syslogng: 'syslog-ng',
  apipark: 'apinto',
}

export function findAgent(name: string): Agent | undefined {
  const wanted = name.toLowerCase()
  return agents.find(agent => agent.name === (otherNames[wanted] ?? wanted))
}
