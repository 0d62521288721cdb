import type { EChartsCoreOption } from 'echarts/core'
import { INK, NAMES_PX, page, type Plot } from './plot.ts'
import type { RowSummary } from './summarize.ts'

const BAR_PX = 26
const MARGIN_PX = 130

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
