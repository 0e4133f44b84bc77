/** What is said between the benchmark and the process whose CPU it measures. */

export type ToPeer = { kind: 'usage' } | { kind: 'answer'; answer: string; count: number }
/** `cpuNs` and `receivedBytes` count from the beginning; after answers, when the last of them is written. */
export type FromPeer = { kind: 'port'; port: number } | { kind: 'usage'; cpuNs: number; receivedBytes: number }
