import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Upper bounds in seconds: a commit takes from a millisecond to, with the database in trouble, many seconds. */
const COMMIT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const BATCH_ENTRIES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]

/** From a consumer's hearing of the map that gives it a partition to its first reading of the stream, in seconds. */
const HAND_OVER_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10]

/** What concerns the sharing of partitions among consumers. */
export interface OwnershipMetrics {
  readonly generation: Gauge
  readonly members: Gauge
  readonly generations: Counter<'reason'>
  readonly claims: Counter<'result'>
  readonly moves: Counter<'how'>
  readonly handOverSeconds: Histogram
}

export interface ConsumerMetrics extends OwnershipMetrics {
  readonly registry: Registry
  readonly decisions: Counter<'command' | 'status'>
  readonly batchEntries: Histogram
  readonly commitSeconds: Histogram
  readonly commitFailures: Counter<'step' | 'failure'>
  readonly repeats: Counter<'kind'>
  readonly refused: Counter
  readonly wrongMemory: Counter<'step'>
  readonly deadLetters: Counter
  readonly strays: Counter
  readonly settleFailures: Counter
  readonly owned: Gauge
  readonly memorySeats: Gauge
  readonly backlog: Gauge<'partition'>
  readonly oldest: Gauge<'partition'>
}

/** The consumer's metrics in a registry of their own, so that several consumers fit one process. */
export function createConsumerMetrics(): ConsumerMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    registry,
    ...createOwnershipMetrics(registers),
    decisions: new Counter({
      name: 'frontrow_decisions_total',
      help: 'Committed decisions by command and the status they gave the request (UNCHANGED: none)',
      labelNames: ['command', 'status'],
      registers,
    }),
    batchEntries: new Histogram({
      name: 'frontrow_batch_entries',
      help: 'Stream entries of a committed batch',
      buckets: BATCH_ENTRIES,
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'frontrow_commit_seconds',
      help: 'Time of a batch transaction, begin to commit',
      buckets: COMMIT_SECONDS,
      registers,
    }),
    commitFailures: new Counter({
      name: 'frontrow_commit_failures_total',
      help: 'Batch transactions that failed, by the statement and the kind of failure',
      labelNames: ['step', 'failure'],
      registers,
    }),
    repeats: new Counter({
      name: 'frontrow_duplicates_total',
      help: 'Entries of commands that were decided already (repeat), stand twice in a batch (echo), or differ from what was decided (conflict)',
      labelNames: ['kind'],
      registers,
    }),
    refused: new Counter({
      name: 'frontrow_refused_commits_total',
      help: 'Partitions cut out of a batch because their epoch was no longer ours',
      registers,
    }),
    wrongMemory: new Counter({
      name: 'frontrow_wrong_memory_total',
      help: 'Batches that showed that memory and database disagree; anything but 0 wants looking into',
      labelNames: ['step'],
      registers,
    }),
    deadLetters: new Counter({ name: 'frontrow_dead_letters_total', help: 'Entries put aside', registers }),
    strays: new Counter({
      name: 'frontrow_strays_total',
      help: 'Entries found on a stream that is not their section’s, and moved to the right one',
      registers,
    }),
    settleFailures: new Counter({
      name: 'frontrow_settle_failures_total',
      help: 'Batches whose outcomes could not be shown at once; they are when their entries are read again',
      registers,
    }),
    owned: new Gauge({ name: 'frontrow_partitions_owned', help: 'Partitions of this consumer', registers }),
    memorySeats: new Gauge({ name: 'frontrow_memory_seats', help: 'Seats kept in memory', registers }),
    backlog: new Gauge({
      name: 'frontrow_backlog_entries',
      help: 'Undecided entries of an owned partition',
      labelNames: ['partition'],
      registers,
    }),
    oldest: new Gauge({
      name: 'frontrow_backlog_oldest_seconds',
      help: 'Age of the oldest undecided entry of an owned partition',
      labelNames: ['partition'],
      registers,
    }),
  }
}

function createOwnershipMetrics(registers: Registry[]): OwnershipMetrics {
  return {
    generation: new Gauge({
      name: 'frontrow_generation',
      help: 'Generation of the map that this consumer follows',
      registers,
    }),
    members: new Gauge({ name: 'frontrow_members', help: 'Consumers that the map names', registers }),
    generations: new Counter({
      name: 'frontrow_generations_total',
      help: 'Maps that this consumer made, by what called for them',
      labelNames: ['reason'],
      registers,
    }),
    claims: new Counter({
      name: 'frontrow_claims_total',
      help: 'Partitions claimed, refused (a newer generation has given them away) or failed (tried again)',
      labelNames: ['result'],
      registers,
    }),
    moves: new Counter({
      name: 'frontrow_partition_moves_total',
      help: 'Partitions that came (claimed), went (released), or turned out to be somebody else’s (lost)',
      labelNames: ['how'],
      registers,
    }),
    handOverSeconds: new Histogram({
      name: 'frontrow_handover_seconds',
      help: 'How long a moved partition stood still: from hearing of its new map to reading its stream',
      buckets: HAND_OVER_SECONDS,
      registers,
    }),
  }
}
