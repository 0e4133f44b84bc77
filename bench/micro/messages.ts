/** What is said between the benchmark and the process whose CPU it measures. */

/** `hold`: from now on so many bytes of what is received are kept, and let go all at once; 0 for none. */
export type ToPeer = { kind: 'usage' } | { kind: 'hold'; bytes: number } | { kind: 'answer'; answer: string; count: number }
/** `cpuNs` and `receivedBytes` count from the beginning; after answers, when the last of them is written. */
export type FromPeer = { kind: 'port'; port: number } | { kind: 'usage'; cpuNs: number; receivedBytes: number }
