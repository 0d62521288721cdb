import { describe, expect, it } from 'vitest'
import { ringRow, TABLE_MEMBERS, TABLE_PARTITIONS } from './ring-table.ts'

describe('the table that `npm run ring` prints', () => {
  for (const partitions of TABLE_PARTITIONS) {
    it(`keeps its bounds with ${partitions} partitions`, () => {
      for (const members of TABLE_MEMBERS) {
        const row = ringRow(partitions, members)
        expect(row.difference).toBeLessThanOrEqual(1)
        // The requirement allows 5 % more than the least.
        expect(row.join.moved).toBe(row.join.least)
        expect(row.leave.moved).toBe(row.leave.least)
        expect(row.ms).toBeLessThan(200)
        expect(row.jsonBytes).toBeLessThan(350_000)
      }
    }, 30_000)
  }
})
