import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { init } from 'echarts'
import { costPlot, throughputPlot } from './bar-plots.ts'
import { latencyPlot, loadPlot } from './latency-plots.ts'
import type { Plot } from './plot.ts'
import type { Summary } from './summarize.ts'

const WIDTH_PX = 840

/** Writes the plots for which something was measured, as SVG. @returns their files */
export function writePlots(dir: string, { rows }: Summary): string[] {
  mkdirSync(dir, { recursive: true })
  const plots = {
    throughput: throughputPlot(rows),
    'latency-by-load': loadPlot(rows),
    'latency-by-row': latencyPlot(rows),
    cost: costPlot(rows),
  }
  return Object.entries(plots).flatMap(([name, plot]) => {
    if (plot === undefined) return []
    const file = join(dir, `${name}.svg`)
    writeFileSync(file, `${draw(plot)}\n`)
    return [file]
  })
}

function draw({ option, height }: Plot): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH_PX, height })
  try {
    chart.setOption(option)
    return chart.renderToSVGString()
  } finally {
    chart.dispose()
  }
}
