import type { Ratio } from './ratios.ts'
import type { RowSummary, Spread, Summary } from './summarize.ts'

/** What stands above the figures: without it none of them means anything. */
export interface Head {
  readonly date: string
  readonly command: string
  readonly cores: number
  readonly processor: string
  readonly versions: Readonly<Record<string, string>>
  /** As the servers answered, not as they were told. */
  readonly durability: Readonly<Record<string, string>>
}

/** Markdown that reads as plain text as well. */
export function renderTable(head: Head, summary: Summary, reached: readonly Ratio[]): string {
  const parts = [
    renderHead(head, summary),
    renderRows(summary.rows),
    renderRatios(reached),
    renderFailures(summary.rows),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function renderHead(
  { date, command, cores, processor, versions, durability }: Head,
  { rounds }: Summary,
): string {
  const settings = (of: Readonly<Record<string, string>>, link: string): string =>
    Object.entries(of)
      .map(([name, value]) => name + link + value)
      .join(', ')
  return [
    `- ${date}, \`${command}\`, ${rounds.length} ${rounds.length === 1 ? 'round' : 'rounds'}`,
    `- ${cores} cores (${processor}), the load generator's included`,
    `- ${settings(versions, ' ')}`,
    `- durability as the servers state it: ${settings(durability, '=')}`,
  ].join('\n')
}

const ROLES = ['server', 'consumer', 'redis', 'mysql', 'load']

function renderRows(rows: readonly RowSummary[]): string {
  return renderColumns(
    ['row', 'per second', 'min–max', 'p50 ms', 'p99 ms', ...ROLES.map((role) => `${role} µs`), ''],
    rows.map((row) => [
      row.row,
      rounded(row.perSecond.median),
      rangeOf(row.perSecond, rounded),
      ...['p50', 'p99'].map((name) => optional(row.latencyMs[name])),
      ...ROLES.map((role) => optional(row.cpuUs[role])),
      row.wrong.length === 0 ? '' : 'FAILED',
    ]),
  )
}

const SAID = { goal: 'goal reached', floor: 'above the floor', missed: 'MISSED', unknown: 'not measured' }

function renderRatios(reached: readonly Ratio[]): string {
  return renderColumns(
    ['figure', 'value', 'min–max', 'floor', 'goal', 'plain', ''],
    reached.map(({ title, value, spread, floor, goal, better, unit, plain, reached }) => {
      const bound = (limit: number): string =>
        `${better === 'higher' ? '≥' : '≤'} ${withUnit(String(limit), unit)}`
      return [
        title,
        value === undefined ? '–' : withUnit(optional(value), unit),
        spread === undefined ? '–' : rangeOf(spread, optional),
        floor === undefined ? '–' : bound(floor),
        bound(goal),
        plain === undefined ? '–' : withUnit(optional(plain), unit),
        SAID[reached],
      ]
    }),
  )
}

/** A failed row's findings; the first few tell what is wrong. */
const SHOWN_FINDINGS = 5

function renderFailures(rows: readonly RowSummary[]): string {
  return rows
    .filter(({ wrong }) => wrong.length > 0)
    .map(({ row, wrong }) => {
      const more = wrong.length > SHOWN_FINDINGS ? `\n  - and ${wrong.length - SHOWN_FINDINGS} more` : ''
      return `- ${row} FAILED:\n${wrong
        .slice(0, SHOWN_FINDINGS)
        .map((finding) => `  - ${finding}`)
        .join('\n')}${more}`
    })
    .join('\n')
}

/** The first column to the left, figures to the right, the last one, which is words, to the left. */
function renderColumns(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const isText = (column: number): boolean => column === 0 || column === titles.length - 1
  const line = (cells: readonly string[]): string =>
    `| ${cells
      .map((cell, column) =>
        isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join(' | ')} |`
  const rule = widths.map((width, column) =>
    isText(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [line(titles), line(rule), ...rows.map(line)].join('\n')
}

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

const rounded = (value: number): string => grouped.format(value)

/** Three digits that count. */
function optional(value: number | undefined): string {
  if (value === undefined) return '–'
  if (value === 0) return '0'
  return Math.abs(value) >= 100 ? rounded(value) : String(Number(value.toPrecision(3)))
}

const rangeOf = ({ min, max }: Spread, show: (value: number) => string): string => `${show(min)}–${show(max)}`

const withUnit = (text: string, unit: Ratio['unit']): string => (unit === '' ? text : `${text} ${unit}`)
