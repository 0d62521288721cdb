import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Measured } from '../row.ts'
import { ratios, type Ratio } from './ratios.ts'
import { renderTable } from './render-table.ts'
import { summarize } from './summarize.ts'
import { writeJson } from './write-json.ts'
import { writePlots } from './write-plots.ts'

const row = (name: string, perSecond: number, more: Partial<Measured> = {}): Measured => ({
  row: name,
  count: perSecond * 2,
  seconds: 2,
  cpuUs: {},
  wrong: [],
  ...more,
})

const head = {
  date: '2026-11-24',
  command: 'npm run bench',
  cores: 2,
  processor: 'some',
  versions: { node: '20.20.2' },
  durability: { appendfsync: 'always', innodb_flush_log_at_trx_commit: '1' },
}

function ratioOf(title: string, measured: readonly Measured[]): Ratio | undefined {
  return ratios(summarize(measured)).find((ratio) => ratio.title === title)
}

describe('what is made of the rounds', () => {
  it('takes the median of a row, between the two in the middle of an even number', () => {
    const { rows } = summarize([row('a', 10), row('b', 7), row('a', 40), row('a', 20), row('a', 30)])
    expect(rows.map(({ row, rounds, perSecond }) => ({ row, rounds, perSecond }))).toEqual([
      { row: 'a', rounds: 4, perSecond: { median: 25, min: 10, max: 40 } },
      { row: 'b', rounds: 1, perSecond: { median: 7, min: 7, max: 7 } },
    ])
  })

  it('takes medians of what only some rounds have', () => {
    const { rows } = summarize([
      row('a', 1, { cpuUs: { server: 10 }, latencyMs: { p99: 4 } }),
      row('a', 1, { cpuUs: { server: 30, redis: 2 }, figures: { lost: 1 } }),
    ])
    expect(rows[0]).toMatchObject({
      cpuUs: { server: 20, redis: 2 },
      latencyMs: { p99: 4 },
      figures: { lost: 1 },
    })
  })

  it('divides within a round before it takes the median: a slow round is slow for both', () => {
    const measured = [
      ...[row('ours/accept', 60), row('limit/bare', 100)],
      ...[row('ours/accept', 10), row('limit/bare', 20)],
      ...[row('ours/accept', 80), row('limit/bare', 100)],
    ]
    expect(ratioOf('accept ÷ bare Hono', measured)).toMatchObject({
      value: 0.6,
      spread: { min: 0.5, max: 0.8 },
      rounds: 3,
      reached: 'goal',
    })
  })

  it('compares with the peer that was best in the round, of those that answered rightly', () => {
    const title = 'whole way, distinct seats ÷ best peer'
    const measured = [
      row('ours/whole-polling', 30),
      row('peer/unique-key', 10),
      row('peer/redlock', 5),
      row('peer/bullmq', 25, { wrong: ['a seat twice'] }),
      row('peer/row-locks/hot', 30),
    ]
    expect(ratioOf(title, measured)).toMatchObject({ value: 3, reached: 'floor' })
    expect(ratioOf(title, measured.slice(0, 1))).toMatchObject({ value: undefined, reached: 'unknown' })
    expect(
      ratioOf(title, [row('ours/whole-polling', 9, { wrong: ['x'] }), row('peer/redlock', 1)])?.reached,
    ).toBe('unknown')
  })

  it('says what code that promises nothing comes to: by its rate, or by what its parts take', () => {
    const accept = [row('plain/accept', 50), row('limit/bare', 100)]
    expect(ratioOf('accept ÷ bare Hono', accept)).toMatchObject({ plain: 0.5, value: undefined })
    const cost = (name: string, perSecond: number, us: number): Measured =>
      row(name, perSecond, { cpuUs: { server: us - 10, load: 10 } })
    const parts = [cost('plain/accept', 9, 60), cost('plain/drain', 9, 90), cost('limit/bare', 9, 50)]
    const peers = [cost('peer/unique-key', 5, 300), cost('peer/redlock', 4, 900)]
    const [polled, waited] = ['distinct seats', 'Prefer: wait'].map(
      (what) => `whole way, ${what} ÷ best peer`,
    ) as [string, string]
    expect(ratioOf(polled, [...parts, ...peers])?.plain).toBe(1.5)
    expect(ratioOf(waited, [...parts, ...peers])?.plain).toBe(2)
    expect(ratioOf(polled, [...parts.slice(1), ...peers])?.plain).toBeUndefined()
    expect(ratioOf(waited, parts)?.plain).toBeUndefined()
  })

  it('knows figures that must be small, and the one that no round may miss', () => {
    const p99 = (ms: number): Measured[] => [row('ours/latency-half', 1, { latencyMs: { p99: ms } })]
    const latency = 'outcome known at half of saturation, p99'
    expect([20, 50, 101].map((ms) => ratioOf(latency, p99(ms))?.reached)).toEqual(['goal', 'floor', 'missed'])
    const lost = [0, 0, 1].map((lost) =>
      row('ours/flash-crowd', 1, { figures: { lost }, wrong: lost > 0 ? ['lost'] : [] }),
    )
    expect(ratioOf('flash crowd, accepted requests lost', lost)).toMatchObject({
      value: 1,
      reached: 'missed',
    })
  })

  it('leaves the generator out of what a booking costs, and takes the larger process for the memory', () => {
    const small = row('scale/requests/10000', 1, { cpuUs: { server: 50, load: 10 } })
    const large = row('scale/requests/1000000', 1, {
      cpuUs: { server: 30, consumer: 25, load: 90 },
      figures: { serverRssMb: 120, consumerRssMb: 210, lost: 900 },
    })
    expect(ratioOf('CPU per booking, 10^6 requests ÷ 10^4', [small, large])?.value).toBe(1.1)
    expect(
      ratioOf('resident memory of a function or consumer under 10^6 requests', [small, large]),
    ).toMatchObject({ value: 210, reached: 'floor' })
  })
})

const measured = [
  row('limit/bare', 50_000),
  row('peer/unique-key', 5_000, { latencyMs: { p50: 10, p90: 12, p99: 20, 'p99.9': 30 } }),
  row('ours/accept', 30_000, { cpuUs: { server: 33.333, load: 8 } }),
  row('ours/whole-polling', 20_000, { latencyMs: { p50: 100, p90: 120, p99: 200, 'p99.9': 300 } }),
  row('ours/whole-wait', 9_000, { latencyMs: { p50: 90, p90: 120, p99: 180, 'p99.9': 200 } }),
  row('ours/latency-half', 4_500, { latencyMs: { p50: 20, p90: 30, p99: 80, 'p99.9': 90 } }),
  row('ours/drain', 1, { wrong: ['one request has two outcomes'] }),
  row('scale/requests/10000', 1_000, { cpuUs: { server: 50, consumer: 20 } }),
]

describe('the report', () => {
  it('says under which settings, every row, every goal, and what has failed', () => {
    const summary = summarize(measured)
    const table = renderTable(head, summary, ratios(summary))
    expect(table).toContain('appendfsync=always, innodb_flush_log_at_trx_commit=1')
    expect(table).toMatch(/\| ours\/accept +\| +30,000 \| +30,000–30,000 \| +– \| +– \| +33\.3 \|/)
    expect(table).toMatch(
      /\| accept ÷ bare Hono +\| +0\.6 \| +0\.6–0\.6 \| +≥ 0\.4 \| +≥ 0\.6 \| +– \| goal reached +\|/,
    )
    expect(table).toMatch(/\| ours\/drain .+ FAILED \|/)
    expect(table).toContain('  - one request has two outcomes')
    const lines = table.split('\n').filter((line) => line.startsWith('|'))
    expect(new Set(lines.map((line) => line.split('|').length)).size).toBe(2)
  })

  it('draws what was measured on a page of its own, and keeps it all', () => {
    const dir = mkdtempSync(join(tmpdir(), 'frontrow-report-'))
    try {
      const summary = summarize(measured)
      const files = writePlots(dir, summary)
      expect(files.map((file) => basename(file))).toEqual([
        'throughput.svg',
        'latency-by-load.svg',
        'latency-by-row.svg',
        'cost.svg',
      ])
      const [throughput = '', byLoad = '', byRow = ''] = files.map((file) => readFileSync(file, 'utf8'))
      expect(throughput).toMatch(/^<svg .*fill="#ffffff"/s)
      expect(throughput).toContain('peer/unique-key')
      expect(throughput).not.toContain('ours/drain')
      expect(['half', 'saturation', 'p99.9'].map((text) => byLoad.includes(text))).toEqual([true, true, true])
      expect(byLoad).not.toContain('quarter')
      expect(byRow).toContain('peer/unique-key')
      expect(writePlots(dir, summarize([]))).toEqual([])
      writeJson(join(dir, 'bench.json'), head, measured, summary, ratios(summary))
      expect(JSON.parse(readFileSync(join(dir, 'bench.json'), 'utf8'))).toMatchObject({ head, measured })
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})
