import type { EChartsCoreOption } from 'echarts/core'

/** A plot as an option of echarts, and its height in pixels. Undefined where there is nothing to draw. */
export interface Plot {
  readonly option: EChartsCoreOption
  readonly height: number
}

/** Okabe and Ito's colours, which stay apart for the colour-blind; textures and marks tell the same without any. */
export const INK = '#1f2328'
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9']

/** A page behind it may be dark: the plot brings its own white one. */
export const page = (title: string, subtitle: string): EChartsCoreOption => ({
  backgroundColor: '#ffffff',
  color: COLOURS,
  textStyle: { fontFamily: 'sans-serif', color: INK },
  animation: false,
  aria: { enabled: true, decal: { show: true } },
  title: { text: title, subtext: subtitle, left: 16, top: 10, textStyle: { color: INK, fontSize: 16 } },
})

/** Room for the longest name of a row. Measured text would need a browser; without one its width is guessed too small. */
export const NAMES_PX = 190
