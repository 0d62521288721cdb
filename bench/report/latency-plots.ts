import type { EChartsCoreOption } from 'echarts/core'
import { INK, NAMES_PX, page, type Plot } from './plot.ts'
import type { RowSummary } from './summarize.ts'

const PERCENTILES = ['p50', 'p90', 'p99', 'p99.9']
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'pin', 'arrow']
const DASHES = ['solid', 'dashed', 'dotted']

const line = (i: number): EChartsCoreOption => ({
  type: 'line',
  symbol: SYMBOLS[i % SYMBOLS.length] ?? 'circle',
  symbolSize: 8,
  lineStyle: { width: 2, type: DASHES[Math.floor(i / SYMBOLS.length) % DASHES.length] ?? 'solid' },
})

/** A line's name stands at its end, so that no legend has to be looked up. */
const endLabel = {
  endLabel: { show: true, formatter: '{a}', color: INK, distance: 10 },
  labelLayout: { moveOverlap: 'shiftY' },
} as const

const milliseconds = (xs: readonly string[]): Plot['option'] => ({
  grid: { left: 64, right: NAMES_PX, top: 80, bottom: 40 },
  xAxis: { type: 'category', data: [...xs], boundaryGap: false, axisLabel: { color: INK } },
  yAxis: { type: 'log', axisLabel: { color: INK } },
})

/** A logarithm has no zero. */
const plottable = (ms: number | undefined): number => Math.max(0.01, ms ?? NaN)

const hasLatency = ({ latencyMs, wrong }: RowSummary): boolean =>
  latencyMs['p50'] !== undefined && wrong.length === 0

/** Of saturation, by row. */
const LOADS: Readonly<Record<string, string>> = {
  'ours/latency-quarter': 'a quarter',
  'ours/latency-half': 'half',
  'ours/latency-three-quarters': 'three quarters',
  'ours/whole-wait': 'saturation',
}

/** How long customers wait for their outcome as the load rises. */
export function loadPlot(rows: readonly RowSummary[]): Plot | undefined {
  const shown = Object.keys(LOADS).flatMap((name) =>
    rows.filter((row) => row.row === name && hasLatency(row)),
  )
  if (shown.length < 2) return undefined
  return {
    height: 400,
    option: {
      ...page(
        'Latency by load',
        'milliseconds until the outcome, by part of saturation, logarithmic; lower is better',
      ),
      ...milliseconds(shown.map(({ row }) => LOADS[row] ?? row)),
      series: PERCENTILES.map((name, i) => ({
        ...line(i),
        ...endLabel,
        name,
        data: shown.map(({ latencyMs }) => plottable(latencyMs[name])),
      })),
    },
  }
}

/** Rows with a latency that says something about the way to an outcome. */
const LATENCY_ROWS = /^(ours\/(whole-.+|latency-.+|flash-crowd)|peer\/[^/]+)$/

export function latencyPlot(rows: readonly RowSummary[]): Plot | undefined {
  const shown = rows.filter((row) => LATENCY_ROWS.test(row.row) && hasLatency(row))
  if (shown.length === 0) return undefined
  return {
    height: 460,
    option: {
      ...page('Latency by row', 'milliseconds until the answer, logarithmic; lower is better'),
      ...milliseconds(PERCENTILES),
      series: shown.map(({ row, latencyMs }, i) => ({
        ...line(i),
        ...endLabel,
        name: row,
        data: PERCENTILES.map((name) => plottable(latencyMs[name])),
      })),
    },
  }
}
