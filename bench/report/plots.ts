import type { EChartsCoreOption } from 'echarts/core'
import type { RowSummary } from './summarize.ts'

/** A plot as an option of echarts, and its height in pixels. Undefined where there is nothing to draw. */
export interface Plot {
  readonly option: EChartsCoreOption
  readonly height: number
}

/** Okabe and Ito's colours, which stay apart for the colour-blind; textures and marks tell the same without any. */
const INK = '#1f2328'
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9']
const BAR_PX = 26
const MARGIN_PX = 130

/** A page behind it may be dark: the plot brings its own white one. */
const page = (title: string, subtitle: string): EChartsCoreOption => ({
  backgroundColor: '#ffffff',
  color: COLOURS,
  textStyle: { fontFamily: 'sans-serif', color: INK },
  animation: false,
  aria: { enabled: true, decal: { show: true } },
  title: { text: title, subtext: subtitle, left: 16, top: 10, textStyle: { color: INK, fontSize: 16 } },
})

/** Room for the longest name of a row. Measured text would need a browser; without one its width is guessed too small. */
const NAMES_PX = 190

const bars = (rows: readonly RowSummary[]): EChartsCoreOption => ({
  grid: { left: NAMES_PX, right: 90, top: 96, bottom: 32 },
  yAxis: {
    type: 'category',
    data: rows.map(({ row }) => row),
    inverse: true,
    axisLabel: { color: INK, interval: 0 },
    axisTick: { show: false },
  },
})

const legend = { top: 62, left: 16, itemGap: 24, textStyle: { color: INK } }

/** The first part of a row's id. */
const KINDS = ['limit', 'plain', 'peer', 'ours']

const kindOf = ({ row }: RowSummary): string => row.split('/')[0] ?? ''

export function throughputPlot(rows: readonly RowSummary[]): Plot | undefined {
  const shown = rows.filter((row) => KINDS.includes(kindOf(row)) && row.wrong.length === 0)
  if (shown.length === 0) return undefined
  return {
    height: MARGIN_PX + BAR_PX * shown.length,
    option: {
      ...page('Throughput', 'answered a second, median of the rounds; longer is better'),
      ...bars(shown),
      legend,
      xAxis: { type: 'value', axisLabel: { color: INK } },
      // A series a kind, one above the other in the same place, so that each has a colour and a texture of its own.
      series: KINDS.map((kind) => ({
        type: 'bar',
        name: kind,
        stack: 'all',
        data: shown.map((row) => (kindOf(row) === kind ? Math.round(row.perSecond.median) : null)),
        label: { show: true, position: 'right', color: INK },
      })),
    },
  }
}

const PERCENTILES = ['p50', 'p90', 'p99', 'p99.9']
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'pin', 'arrow']
const DASHES = ['solid', 'dashed', 'dotted']

/** Rows with a latency that says something about the way to an outcome. */
const LATENCY_ROWS = /^(ours\/(whole-.+|latency-.+|flash-crowd)|peer\/[^/]+)$/

export function latencyPlot(rows: readonly RowSummary[]): Plot | undefined {
  const shown = rows.filter(
    ({ row, latencyMs, wrong }) =>
      LATENCY_ROWS.test(row) && latencyMs['p50'] !== undefined && wrong.length === 0,
  )
  if (shown.length === 0) return undefined
  return {
    height: 460,
    option: {
      ...page('Latency by load', 'milliseconds until the answer, logarithmic; lower is better'),
      grid: { left: 64, right: NAMES_PX, top: 80, bottom: 40 },
      xAxis: { type: 'category', data: PERCENTILES, boundaryGap: false, axisLabel: { color: INK } },
      yAxis: { type: 'log', axisLabel: { color: INK } },
      series: shown.map(({ row, latencyMs }, i) => ({
        type: 'line',
        name: row,
        symbol: SYMBOLS[i % SYMBOLS.length],
        symbolSize: 8,
        lineStyle: { width: 2, type: DASHES[Math.floor(i / SYMBOLS.length) % DASHES.length] },
        // Its name stands at its end, so that no legend has to be looked up.
        endLabel: { show: true, formatter: '{a}', color: INK, distance: 10 },
        labelLayout: { moveOverlap: 'shiftY' },
        // A logarithm has no zero.
        data: PERCENTILES.map((name) => Math.max(0.01, latencyMs[name] ?? NaN)),
      })),
    },
  }
}

const COST_ROLES = ['server', 'consumer', 'redis', 'mysql']

/** Cost by size where sizes were measured. */
export function costPlot(rows: readonly RowSummary[]): Plot | undefined {
  const shown = rows.filter((row) => kindOf(row) === 'scale' && row.wrong.length === 0)
  if (shown.length === 0) return undefined
  return {
    height: MARGIN_PX + BAR_PX * shown.length,
    option: {
      ...page('Cost by size', 'microseconds of processor a booking, by process; shorter is better'),
      ...bars(shown),
      legend,
      xAxis: { type: 'value', axisLabel: { color: INK } },
      series: COST_ROLES.map((role) => ({
        type: 'bar',
        name: role,
        stack: 'all',
        data: shown.map(({ cpuUs }) => Math.round((cpuUs[role] ?? 0) * 10) / 10),
      })),
    },
  }
}
